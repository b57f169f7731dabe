package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	kafkago "github.com/segmentio/kafka-go"

	"github.com/ringback/ringback/integration/process"
	embedded "github.com/ringback/ringback/pkg/embedded/registry"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
)

// environment is the parts that are measured on: a real Kafka and a real PostgreSQL. The schema
// registry is asked once for each schema, so that the embedded one serves.
type environment struct {
	brokers  []string
	postgres string // URL
	registry string // URL

	client  *kafka.Client
	codec   *wire.Codec
	built   *process.Services
	closers []func() error
}

func newEnvironment(ctx context.Context) (*environment, error) {
	env := &environment{postgres: os.Getenv("RINGBACK_POSTGRES_URL"), registry: os.Getenv("RINGBACK_REGISTRY_URL")}
	brokers := os.Getenv("RINGBACK_KAFKA_BROKERS")
	if brokers == "" || env.postgres == "" {
		return nil, errors.New("RINGBACK_KAFKA_BROKERS and RINGBACK_POSTGRES_URL must be set; scripts/bench-pipeline starts both")
	}
	env.brokers = strings.Split(brokers, ",")
	return env, env.open(ctx)
}

func (env *environment) open(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, env.close())
		}
	}()
	if env.registry == "" {
		dir, err := os.MkdirTemp("", "ringback-bench")
		if err != nil {
			return err
		}
		env.onClose(func() error { return os.RemoveAll(dir) })
		server, err := embedded.Start(embedded.Config{Dir: dir})
		if err != nil {
			return err
		}
		env.onClose(server.Close)
		env.registry = server.URL()
	}
	if env.client, err = kafka.New(kafka.Config{Brokers: env.brokers, ClientID: "benchpipeline"}); err != nil {
		return err
	}
	env.onClose(func() error { env.client.Close(); return nil })
	schemas, err := registry.New(registry.Config{URL: env.registry})
	if err != nil {
		return err
	}
	env.onClose(func() error { schemas.Close(); return nil })
	env.codec, err = wire.New(ctx, schemas)
	return err
}

func (env *environment) onClose(f func() error) { env.closers = append(env.closers, f) }

func (env *environment) close() error {
	var errs []error
	for i := len(env.closers) - 1; i >= 0; i-- {
		errs = append(errs, env.closers[i]())
	}
	env.closers = nil
	return errors.Join(errs...)
}

func (env *environment) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// topics makes all topics anew, empty, with that number of partitions.
func (env *environment) topics(ctx context.Context, partitions int) error {
	return env.remake(ctx, topic.Specs(partitions, 1))
}

// remake deletes topics and makes them again, empty.
func (env *environment) remake(ctx context.Context, specs []topic.Spec) error {
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.Name
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	admin := &kafkago.Client{Addr: kafkago.TCP(env.brokers...)}
	res, err := admin.DeleteTopics(ctx, &kafkago.DeleteTopicsRequest{Topics: names})
	if err != nil {
		return fmt.Errorf("delete the topics: %w", err)
	}
	for name, err := range res.Errors {
		if err != nil && !errors.Is(err, kafkago.UnknownTopicOrPartition) {
			return fmt.Errorf("delete topic %s: %w", name, err)
		}
	}
	// Deletion ends after its answer: until then the topic cannot be made, or is the old one.
	var last error
	for {
		err := env.makeTopics(ctx, admin, specs)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return errors.Join(err, last)
		}
		last = err
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (env *environment) makeTopics(ctx context.Context, admin *kafkago.Client, specs []topic.Spec) error {
	if err := env.client.EnsureTopics(ctx, specs); err != nil {
		return err
	}
	for _, s := range specs {
		ends, err := env.client.Offsets(ctx, s.Name)
		if err != nil {
			return err
		}
		if len(ends) != s.Partitions {
			return fmt.Errorf("topic %s has %d partitions, not %d", s.Name, len(ends), s.Partitions)
		}
		for _, r := range ends {
			if r.Latest != 0 {
				return fmt.Errorf("topic %s is not empty yet", s.Name)
			}
		}
	}
	return nil
}

// count runs a query that gives one number.
func (env *environment) count(ctx context.Context, query string, args ...any) (n int64, err error) {
	conn, err := pgx.Connect(ctx, env.postgres)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	return n, conn.QueryRow(ctx, query, args...).Scan(&n)
}

func (env *environment) exec(ctx context.Context, statement string) (err error) {
	conn, err := pgx.Connect(ctx, env.postgres)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	_, err = conn.Exec(ctx, statement)
	return err
}

// drop removes a schema and all that is in it.
func (env *environment) drop(ctx context.Context, schema string) error {
	return env.exec(ctx, "DROP SCHEMA IF EXISTS "+pgx.Identifier{schema}.Sanitize()+" CASCADE")
}

// services are the services' programs, built when first asked for, with the parts they work with.
func (env *environment) services(ctx context.Context) (*process.Services, error) {
	if env.built != nil {
		return env.built, nil
	}
	dir, err := os.MkdirTemp("", "ringback-bench")
	if err != nil {
		return nil, err
	}
	env.onClose(func() error { return os.RemoveAll(dir) })
	binaries, err := process.Build(ctx, filepath.Join(dir, "bin"), false)
	if err != nil {
		return nil, err
	}
	env.built = &process.Services{
		Binaries: binaries, Logs: filepath.Join(dir, "logs"),
		Parts: process.Parts{Kafka: strings.Join(env.brokers, ","), Registry: env.registry, Postgres: env.postgres},
	}
	return env.built, nil
}
