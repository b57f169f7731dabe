// Package pipeline runs all of Ringback in one process, on embedded parts: the
// services are the same as on Kafka, PostgreSQL and a schema registry; broker,
// registry, store and T-Server are a directory's.
package pipeline

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/ringback/ringback/pkg/admin"
	"github.com/ringback/ringback/pkg/deadletter"
	"github.com/ringback/ringback/pkg/embedded/broker"
	embedded "github.com/ringback/ringback/pkg/embedded/registry"
	"github.com/ringback/ringback/pkg/gateway"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/sqlite"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/tracing"
	"github.com/ringback/ringback/pkg/watchdog"
	"github.com/ringback/ringback/pkg/wire"
	"github.com/ringback/ringback/services/enricher"
	"github.com/ringback/ringback/services/producer"
	"github.com/ringback/ringback/services/tserver"
)

// Config says where the pipeline keeps its data and where it listens.
type Config struct {
	// Dir holds everything: the topics, the schemas, infomart.db, tserver.log.
	Dir string
	// Addr is where events are taken in, host:port; empty takes none in over HTTP.
	Addr string
	// AdminAddr is where probes and metrics are served, host:port; empty serves none.
	AdminAddr string
	// Partitions of every topic, when the directory is new. Default 4.
	Partitions int
	// Enricher, EventData and the services' own settings come from the environment.
	Settings Settings
	Logger   *slog.Logger
	// Tracer makes the spans of all parts; nil makes none.
	Tracer *tracing.Tracer
}

// Pipeline is everything running.
type Pipeline struct {
	Paths    Paths
	Broker   *broker.Broker
	Store    *sqlite.Store
	Accepter *producer.Accepter
	Letters  *deadletter.Writer
	Metrics  *prometheus.Registry
	// New reports whether no event had been taken into the directory when it was opened.
	New bool

	client   *kafka.Client
	codec    *wire.Codec
	records  *kafka.Producer
	enricher *enricher.Enricher
	sinks    sinks
	http     *producer.Server
	began    map[string]map[int32]int64 // ends of the topics at the start

	registryURL string
	announced   bool // the endpoints file is this process's

	watch  *watchdog.Watch
	run    *errgroup.Group
	ctx    context.Context
	cancel context.CancelFunc
	close  []func() error // in order of opening
}

// Paths are the files of a data directory.
type Paths struct {
	Dir, Broker, Registry, Store, TServerLog, Token, Endpoints string
}

// PathsOf returns the files of the directory dir.
func PathsOf(dir string) Paths {
	in := func(name string) string { return filepath.Join(dir, name) }
	return Paths{
		Dir: dir, Broker: in("kafka"), Registry: in("registry"), Store: in("infomart.db"),
		TServerLog: in("tserver.log"), Token: in("token"), Endpoints: in("endpoints.json"),
	}
}

// Start opens the directory and starts all parts. Stop ends them.
func Start(ctx context.Context, cfg Config) (p *Pipeline, err error) {
	p = &Pipeline{Paths: PathsOf(cfg.Dir), Metrics: prometheus.NewRegistry(), watch: watchdog.New(watchdog.Bound)}
	p.ctx, p.cancel = context.WithCancel(ctx)
	p.run, p.ctx = errgroup.WithContext(p.ctx)
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Stop())
		}
	}()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(cfg.Dir, 0o750); err != nil {
		return p, fmt.Errorf("pipeline: %w", err)
	}
	for _, step := range []func(context.Context, *Config) error{p.openTopics, p.openStore, p.startTServer, p.startServices, p.startIntake} {
		if err := step(p.ctx, &cfg); err != nil {
			return p, err
		}
	}
	return p, p.writeEndpoints()
}

func (p *Pipeline) onClose(f func() error) { p.close = append(p.close, f) }

// openTopics starts the broker and the registry and makes the topics.
func (p *Pipeline) openTopics(ctx context.Context, cfg *Config) error {
	b, err := broker.Start(broker.Config{Dir: p.Paths.Broker})
	if err != nil {
		return err
	}
	p.Broker = b
	p.onClose(b.Close)
	p.run.Go(func() error {
		select {
		case <-b.Failed():
			return b.Err() // nothing that it has not stored is acknowledged
		case <-p.ctx.Done():
			return nil
		}
	})
	schemas, err := embedded.Start(embedded.Config{Dir: p.Paths.Registry})
	if err != nil {
		return err
	}
	p.onClose(schemas.Close)
	p.registryURL = schemas.URL()
	if p.client, err = kafka.New(kafka.Config{Brokers: b.Addrs(), ClientID: "ringback"}); err != nil {
		return err
	}
	p.onClose(func() error { p.client.Close(); return nil })
	partitions := cfg.Partitions
	if n, err := p.client.Partitions(ctx, topic.Lifecycle); err == nil {
		partitions = n // a directory keeps the number it was made with
	}
	if err := p.client.EnsureTopics(ctx, topic.Specs(max(partitions, 1), 1)); err != nil {
		return err
	}
	if p.began, err = p.ends(ctx); err != nil {
		return err
	}
	p.New = true
	for _, end := range p.began[topic.Lifecycle] {
		p.New = p.New && end == 0
	}
	reg, err := registry.New(registry.Config{URL: schemas.URL(), Timeout: 5 * time.Second})
	if err != nil {
		return err
	}
	p.onClose(func() error { reg.Close(); return nil })
	if p.codec, err = wire.New(ctx, reg); err != nil {
		return err
	}
	p.records = p.client.NewProducer(kafka.ProducerConfig{})
	p.onClose(func() error {
		closing, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return p.records.Close(closing)
	})
	p.Accepter = producer.NewAccepter(p.codec, p.records, time.Now)
	p.Letters = deadletter.NewWriter(p.codec, p.records)
	return nil
}

func (p *Pipeline) openStore(ctx context.Context, cfg *Config) error {
	store, err := sqlite.Open(ctx, sqlite.Config{Path: p.Paths.Store, EventData: cfg.Settings.EventData})
	if err != nil {
		return err
	}
	p.Store = store
	p.onClose(store.Close)
	return nil
}

// startTServer starts the simulated T-Server, the gateway's other end.
func (p *Pipeline) startTServer(_ context.Context, cfg *Config) error {
	server, err := tserver.New(tserver.Config{Addr: "127.0.0.1:0", Log: p.Paths.TServerLog}, tserver.WithLogger(cfg.Logger))
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	var why error
	go func() { why = server.Run(serving); close(ended) }()
	// It stops after the sink that sends to it.
	p.onClose(func() error { stop(); <-ended; return why })
	p.run.Go(func() error {
		select {
		case <-ended:
			return errors.New("pipeline: the simulated T-Server has ended")
		case <-p.ctx.Done():
			return nil
		}
	})
	// The sink speaks the gateway's contract with it, without a network between them.
	p.sinks.gateway, err = gateway.New(gateway.Config{URL: server.URL()}, gateway.WithTransport(server.Transport()))
	if err != nil {
		return err
	}
	p.onClose(func() error { p.sinks.gateway.Close(); return nil })
	return nil
}

func (p *Pipeline) startServices(_ context.Context, cfg *Config) error {
	e, err := enricher.New(cfg.Settings.Enricher, enricher.Deps{Kafka: p.client, Codec: p.codec, Registerer: p.Metrics, Logger: cfg.Logger, Tracer: cfg.Tracer, Watch: p.watch})
	if err != nil {
		return err
	}
	p.enricher = e
	if err := p.sinks.make(p, cfg); err != nil {
		return err
	}
	p.run.Go(func() error { return e.Run(p.ctx) })
	p.run.Go(func() error { return p.sinks.infomart.Run(p.ctx) })
	p.run.Go(func() error { return p.sinks.tserver.Run(p.ctx) })
	return nil
}

// startIntake takes events in over HTTP, behind a token of the directory's own.
func (p *Pipeline) startIntake(_ context.Context, cfg *Config) error {
	if cfg.AdminAddr != "" {
		p.run.Go(func() error {
			mux := http.NewServeMux()
			mux.Handle("/", admin.Handler(admin.Probes{Live: p.watch.Live, Ready: p.Ready}, p.Metrics))
			mux.Handle(admin.AcceptPath, admin.Local(admin.AcceptHandler(p.accept)))
			return admin.Serve(p.ctx, cfg.AdminAddr, mux)
		})
	}
	if cfg.Addr == "" {
		return nil
	}
	if err := makeToken(p.Paths.Token); err != nil {
		return err
	}
	settings := cfg.Settings.Producer
	settings.Addr, settings.Auth, settings.TokensFile = cfg.Addr, producer.AuthToken, p.Paths.Token
	server, err := producer.New(settings, producer.Deps{Encoder: p.codec, Publisher: p.records, Registerer: p.Metrics, Logger: cfg.Logger, Tracer: cfg.Tracer, Watch: p.watch})
	if err != nil {
		return err
	}
	p.http = server
	p.run.Go(func() error { return server.Run(p.ctx) })
	return nil
}

// makeToken makes the directory's bearer token, readable by its owner alone.
func makeToken(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.WriteFile(path, []byte(rand.Text()+rand.Text()+"\n"), 0o600); err != nil {
		return fmt.Errorf("pipeline: %w", err)
	}
	return nil
}

// Addr is where events are taken in over HTTP; nil where nowhere.
func (p *Pipeline) Addr() net.Addr {
	if p.http == nil {
		return nil
	}
	return p.http.Addr()
}

// Registry is the URL of the schema registry.
func (p *Pipeline) Registry() string { return p.registryURL }

// Ready says why not everything is ready, or nil.
func (p *Pipeline) Ready() error {
	var intake error
	if p.http != nil {
		intake = p.http.Ready()
	}
	return errors.Join(intake, p.enricher.Ready(), p.sinks.infomart.Ready(), p.sinks.tserver.Ready())
}

// accept lets the readers of a topic go on past bad records.
func (p *Pipeline) accept(name string, partition int32, upTo int64) error {
	switch name {
	case topic.Lifecycle:
		return p.enricher.Accept(name, partition, upTo)
	case topic.AttachedData:
		return p.sinks.tserver.Accept(name, partition, upTo)
	default:
		return errors.Join(p.sinks.infomart.Accept(name, partition, upTo), p.sinks.tserver.Accept(name, partition, upTo))
	}
}

// Failed is closed when a part has ended by itself; Stop then returns why.
func (p *Pipeline) Failed() <-chan struct{} { return p.ctx.Done() }

// Stop ends all parts, then closes what they stood on, last opened first, and returns the first error of any.
func (p *Pipeline) Stop() error {
	p.cancel()
	err := p.run.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	errs := []error{err}
	for i := len(p.close) - 1; i >= 0; i-- {
		errs = append(errs, p.close[i]())
	}
	p.close = nil
	if p.announced {
		_ = os.Remove(p.Paths.Endpoints)
	}
	return errors.Join(errs...)
}

var _ infomart.Store = (*sqlite.Store)(nil)
