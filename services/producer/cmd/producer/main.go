// Command producer takes lifecycle events in over HTTP and writes them to Kafka;
// see package producer. docs/configuration.md lists the variables that configure it.
package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/ringback/ringback/pkg/admin"
	"github.com/ringback/ringback/pkg/build"
	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/kafka/acl"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/service"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/tracing/otlp"
	"github.com/ringback/ringback/pkg/watchdog"
	"github.com/ringback/ringback/pkg/wire"
	"github.com/ringback/ringback/services/producer"
)

var version = "unknown" // set by the linker

func main() {
	os.Exit(service.Main(service.Program{
		Name: "producer", Version: version,
		Run: func(ctx context.Context, _ string, p service.Process) error {
			return run(ctx, p.Env, slog.New(slog.NewJSONHandler(p.Err, nil)), p.Build)
		},
	}))
}

func run(ctx context.Context, env config.Environment, logger *slog.Logger, built build.Info) (err error) {
	settings, err := producer.LoadSettings(ctx, env)
	if err != nil {
		return err
	}
	client, err := kafka.New(settings.Kafka)
	if err != nil {
		return err
	}
	defer client.Close()
	schemas, err := registry.New(settings.Registry)
	if err != nil {
		return err
	}
	defer schemas.Close()
	metrics := prometheus.NewRegistry()
	built.Register(metrics)
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), schemas)
	tracer, stopTracing, err := otlp.Start(ctx, env, "ringback-producer", built.Version, logger)
	if err != nil {
		return err
	}
	defer stopTracing()

	// Health is told from the first moment to the last, through waiting and draining.
	watch := watchdog.New(max(watchdog.Bound, 3*(settings.Producer.ReadTimeout+settings.Producer.AckTimeout)))
	var server atomic.Pointer[producer.Server]
	ready := func() error {
		if s := server.Load(); s != nil {
			return s.Ready()
		}
		return errors.New("producer: waiting for the schema registry")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	telling, stopTelling := context.WithCancel(context.WithoutCancel(ctx))
	told := make(chan struct{})
	go func() {
		defer close(told)
		cancel(admin.Run(telling, settings.AdminAddr, settings.Admin.Config, admin.Surface{
			Probes: admin.Probes{Live: watch.Live, Ready: ready}, Metrics: metrics, Logger: logger,
		}))
	}()
	defer func() {
		stopTelling()
		<-told
		if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
			err = cause
		}
	}()

	codec, err := newCodec(ctx, schemas, logger)
	if err != nil {
		return stopped(ctx, err)
	}
	publisher := client.NewProducer(settings.Queue)
	s, err := producer.New(settings.Producer, producer.Deps{
		Encoder: codec, Publisher: publisher, Registerer: metrics, Tracer: tracer, Watch: watch, Logger: logger,
		Reachable: func(ctx context.Context) error {
			_, err := client.Partitions(ctx, topic.Lifecycle)
			return err
		},
	})
	if err != nil {
		return err
	}
	server.Store(s)
	checked := make(chan struct{})
	go func() {
		defer close(checked)
		if err := checkAccess(ctx, client); err != nil {
			cancel(err)
		}
	}()
	err = s.Run(ctx)
	cancel(nil)
	<-checked
	// No request is left by now: what the queue still holds is nobody's answer any more.
	closing, done := context.WithTimeout(context.WithoutCancel(ctx), settings.Producer.AckTimeout)
	defer done()
	return errors.Join(err, publisher.Close(closing))
}

// newCodec waits for the registry: an outage is waited out (invariant 7).
func newCodec(ctx context.Context, schemas *registry.Client, logger *slog.Logger) (*wire.Codec, error) {
	for said := false; ; said = true {
		codec, err := wire.New(ctx, schemas)
		if err == nil || fault.ClassOf(err) != fault.Outage || ctx.Err() != nil {
			return codec, err
		}
		if !said {
			logger.WarnContext(ctx, "the schema registry is away; waiting for it", "component", "producer", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// checkAccess tells whether Kafka lets the service in with its right. While Kafka is away that stays
// open, and the service runs: it answers 503 (invariant 7).
func checkAccess(ctx context.Context, client *kafka.Client) error {
	for {
		err := client.CheckAccess(ctx, acl.Producer())
		if err == nil || ctx.Err() != nil || fault.ClassOf(err) != fault.Outage {
			return stopped(ctx, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// stopped drops an error that only says that the process was told to stop.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
