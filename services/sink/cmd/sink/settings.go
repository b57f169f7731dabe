package main

import (
	"context"
	"errors"
	"maps"
	"strings"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/gateway"
	"github.com/ringback/ringback/pkg/infomart/postgres"
	"github.com/ringback/ringback/pkg/infomart/sqlite"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/services/sink"
	"github.com/ringback/ringback/services/sink/tserver"
)

// common is what both sinks are configured by.
type common struct {
	AdminAddr string `env:"SINK_ADMIN_ADDR, default=:8081"`
	Sink      sink.Config
	Kafka     kafka.Config    `env:", prefix=KAFKA_"`
	Registry  registry.Config `env:", prefix=REGISTRY_"`
	// The store is the SQLite file STORE_PATH, where that is set, else PostgreSQL.
	SQLite   sqlite.Config
	Postgres postgres.Config
}

// sending is what the tserver sink is configured by besides.
type sending struct {
	TServer tserver.Config
	Gateway gateway.Config
}

type settings struct {
	common
	sending
}

// storeFault holds the two ways of naming a store against each other.
func (c *common) storeFault() error {
	named := c.Postgres.URL != "" || c.Postgres.Host != ""
	switch {
	case named && c.SQLite.Path != "":
		return errors.New("STORE_PATH: names a SQLite store, and STORE_URL or POSTGRES_HOST a PostgreSQL one; give one of them")
	case !named && c.SQLite.Path == "":
		return errors.New("STORE_URL: is required, or POSTGRES_HOST, or STORE_PATH for a SQLite store")
	}
	return nil
}

// load reads the configuration of the sink of that name.
func load(ctx context.Context, name string, env config.Environment) (*settings, error) {
	s := &settings{}
	// The simulated T-Server's variables may stand in the same file, and are none of ours.
	env = maps.Clone(env)
	maps.DeleteFunc(env, func(name, _ string) bool { return strings.HasPrefix(name, "TSERVER_SIM_") })
	prefixes := []string{"SINK_", "KAFKA_", "REGISTRY_", "STORE_"}
	targets := []any{&s.common, &s.common.Sink}
	if name == sink.TServer {
		prefixes = append(prefixes, "TSERVER_")
		targets = append(targets, &s.sending, &s.sending.TServer, &s.sending.Gateway)
	}
	faults := []error{config.Load(ctx, env, prefixes, targets...), s.Kafka.Validate(), s.storeFault()}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return s, nil
}
