package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringback/ringback/pkg/admin"
	"github.com/ringback/ringback/pkg/deadletter"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/gateway"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/postgres"
	"github.com/ringback/ringback/pkg/infomart/sqlite"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/kafka/acl"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/tracing"
	"github.com/ringback/ringback/pkg/watchdog"
	"github.com/ringback/ringback/pkg/wire"
	"github.com/ringback/ringback/services/sink"
)

// store is both ports of the Info Mart-shaped store.
type store interface {
	infomart.Store
	infomart.Ledger
}

// worker is the sink with all that it works with.
type worker struct {
	name    string
	cfg     *sink.Settings
	metrics *prometheus.Registry
	logger  *slog.Logger
	tracer  *tracing.Tracer
	watch   *watchdog.Watch
	closers []func() error

	mu       sync.Mutex
	sink     *sink.Sink
	starting error // why there is no sink yet
}

func newWorker(name string, cfg *sink.Settings, metrics *prometheus.Registry, logger *slog.Logger) *worker {
	// What one step waits for, the store and T-Server, has time-outs of its own.
	bound := max(watchdog.Bound, 3*cfg.Store.Postgres.Timeout, 3*cfg.Gateway.Timeout)
	return &worker{name: name, cfg: cfg, metrics: metrics, logger: logger, watch: watchdog.New(bound), starting: errors.New("starting")}
}

// ready says why the service is not ready.
func (s *worker) ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sink == nil {
		return s.starting
	}
	return s.sink.Ready()
}

func (s *worker) accept(topic string, partition int32, upTo int64) error {
	s.mu.Lock()
	running := s.sink
	s.mu.Unlock()
	if running == nil {
		return admin.ErrNotOwned
	}
	return running.Accept(topic, partition, upTo)
}

// run puts the sink together, waiting for what is away, and runs it.
func (s *worker) run(ctx context.Context) error {
	running, err := s.build(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	s.mu.Lock()
	s.sink = running
	s.mu.Unlock()
	return running.Run(ctx)
}

func (s *worker) build(ctx context.Context) (*sink.Sink, error) {
	client, err := kafka.New(s.cfg.Kafka)
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, func() error { client.Close(); return nil })
	if err := s.await(ctx, "Kafka", func() error { return client.CheckAccess(ctx, s.rights()) }); err != nil {
		return nil, err
	}
	schemas, err := registry.New(s.cfg.Registry)
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, func() error { schemas.Close(); return nil })
	s.metrics.MustRegister(schemas)
	var codec *wire.Codec
	if err := s.await(ctx, "the schema registry", func() (err error) { codec, err = wire.New(ctx, schemas); return err }); err != nil {
		return nil, err
	}
	db, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	letters := client.NewProducer(kafka.ProducerConfig{})
	s.closers = append(s.closers, func() error {
		closing, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return letters.Close(closing)
	})
	deps := sink.Deps{
		Kafka: client, Decoder: codec, Letters: deadletter.NewWriter(codec, letters), Registerer: s.metrics, Tracer: s.tracer, Watch: s.watch, Logger: s.logger,
	}
	if s.name == sink.Infomart {
		return sink.NewInfomart(s.cfg.Sink, db, deps)
	}
	gw, err := gateway.New(s.cfg.Gateway)
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, func() error { gw.Close(); return nil })
	return sink.NewTServer(s.cfg.Sink, s.cfg.TServer, db, gw, deps)
}

func (s *worker) rights() []acl.Right {
	if s.name == sink.Infomart {
		return acl.InfomartSink(s.cfg.Sink.GroupOf(s.name))
	}
	return acl.TServerSink(s.cfg.Sink.GroupOf(s.name))
}

func (s *worker) open(ctx context.Context) (store, error) {
	if s.cfg.Store.SQLite.Path != "" {
		db, err := sqlite.Open(ctx, s.cfg.Store.SQLite)
		if err != nil {
			return nil, err
		}
		s.closers = append(s.closers, db.Close)
		return db, nil
	}
	var db *postgres.Store
	if err := s.await(ctx, "the store", func() (err error) { db, err = postgres.Open(ctx, s.cfg.Store.Postgres); return err }); err != nil {
		return nil, err
	}
	s.closers = append(s.closers, func() error { db.Close(); return nil })
	s.metrics.MustRegister(db.Metrics())
	return db, nil
}

// await repeats f while what it needs is away (invariant 7), and says so.
func (s *worker) await(ctx context.Context, what string, f func() error) error {
	for told := false; ; {
		err := f()
		if err == nil || fault.ClassOf(err) != fault.Outage || ctx.Err() != nil {
			return err
		}
		s.mu.Lock()
		s.starting = fmt.Errorf("waiting for %s: %w", what, err)
		s.mu.Unlock()
		if !told {
			s.logger.Warn("waiting", "for", what, "error", err)
			told = true
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// close closes what was opened, the last first.
func (s *worker) close() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		if err := s.closers[i](); err != nil {
			s.logger.Error("close", "error", err)
		}
	}
}
