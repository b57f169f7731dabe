package sink

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/ringback/ringback/pkg/admin"
	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/gateway"
	"github.com/ringback/ringback/pkg/infomart/postgres"
	"github.com/ringback/ringback/pkg/infomart/sqlite"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/services/sink/tserver"
)

// Migrate is the verb that brings the store to the newest version.
const Migrate = "migrate"

// StoreSettings say where the store is: the SQLite file STORE_PATH, where that is set, else PostgreSQL.
type StoreSettings struct {
	SQLite   sqlite.Config
	Postgres postgres.Config
}

// Validate holds the two ways of naming a store against each other, and has the one that is named
// checked.
func (s *StoreSettings) Validate() []error {
	named := s.Postgres.URL != "" || s.Postgres.Host != ""
	switch {
	case named && s.SQLite.Path != "":
		return []error{errors.New("STORE_PATH: names a SQLite store, and STORE_URL or POSTGRES_HOST a PostgreSQL one; give one of them")}
	case !named && s.SQLite.Path == "":
		return []error{errors.New("STORE_URL: is required, or POSTGRES_HOST, or STORE_PATH for a SQLite store")}
	case named:
		return s.Postgres.Validate()
	}
	var faults []error
	if s.Postgres.NoMigration {
		faults = append(faults, errors.New("STORE_NO_MIGRATION: is true although STORE_PATH names a SQLite store, which has no users that may more or less"))
	}
	if s.SQLite.CacheMiB < 0 {
		faults = append(faults, fmt.Errorf("STORE_CACHE_MIB: must not be negative, is %d", s.SQLite.CacheMiB))
	}
	if s.SQLite.BusyTimeout < 0 {
		faults = append(faults, fmt.Errorf("STORE_BUSY_TIMEOUT: must not be negative, is %s", s.SQLite.BusyTimeout))
	}
	return append(faults, s.SQLite.EventData.Validate()...)
}

// CommonSettings are what both sinks are configured by.
type CommonSettings struct {
	// AdminAddr is where /livez, /readyz, /metrics and /admin/accept are served: host:port.
	AdminAddr string `env:"SINK_ADMIN_ADDR, default=:8081"`
	Admin     Admin  `env:", prefix=SINK_ADMIN_"`
	Sink      Config
	Kafka     kafka.Config    `env:", prefix=KAFKA_"`
	Registry  registry.Config `env:", prefix=REGISTRY_"`
	Store     StoreSettings
}

// SendingSettings are what `sink tserver` is configured by besides.
type SendingSettings struct {
	TServer tserver.Config
	Gateway gateway.Config
}

// Settings are all that a sink is configured by.
type Settings struct {
	CommonSettings
	SendingSettings
}

// storePrefixes are those of the variables that say where the store is.
var storePrefixes = []string{"STORE_", "POSTGRES_", "INFOMART_"}

// Admin says who may do what on the admin port.
type Admin struct{ admin.Config }

// Validate returns every fault of the configuration.
func (a *Admin) Validate() []error { return a.Faults("SINK_ADMIN_") }

// LoadSettings reads the settings of the sink of that name from the environment. The error names every
// fault.
func LoadSettings(ctx context.Context, name string, env config.Environment) (*Settings, error) {
	s := &Settings{}
	prefixes := append([]string{"SINK_", "KAFKA_", "REGISTRY_"}, storePrefixes...)
	targets := []any{&s.CommonSettings}
	if name == TServer {
		prefixes = append(prefixes, "TSERVER_")
		targets = append(targets, &s.SendingSettings)
	}
	if err := config.Load(ctx, ours(env), prefixes, targets...); err != nil {
		return nil, err
	}
	return s, nil
}

// LoadStoreSettings reads what `sink migrate` is configured by. The error names every fault.
func LoadStoreSettings(ctx context.Context, env config.Environment) (*StoreSettings, error) {
	s := &StoreSettings{}
	if err := config.Load(ctx, ours(env), storePrefixes, s); err != nil {
		return nil, err
	}
	return s, nil
}

// foreign begin like variables of ours, and belong to what may be given the same file: the simulated
// T-Server, and the images of the PostgreSQL server.
var foreign = []string{"TSERVER_SIM_", "POSTGRES_INITDB_", "POSTGRES_HOST_AUTH_METHOD"}

// ours leaves out the variables of others.
func ours(env config.Environment) config.Environment {
	env = maps.Clone(env)
	maps.DeleteFunc(env, func(name, _ string) bool {
		for _, prefix := range foreign {
			if strings.HasPrefix(name, prefix) {
				return true
			}
		}
		return false
	})
	return env
}
