// Command enricher folds lifecycle events into UserEvents; see package enricher.
// docs/configuration.md lists the variables that configure it.
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
	"golang.org/x/sync/errgroup"

	"github.com/ringback/ringback/pkg/admin"
	"github.com/ringback/ringback/pkg/build"
	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/garbage"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/kafka/acl"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/service"
	"github.com/ringback/ringback/pkg/tracing/otlp"
	"github.com/ringback/ringback/pkg/watchdog"
	"github.com/ringback/ringback/pkg/wire"
	"github.com/ringback/ringback/services/enricher"
)

var version = "unknown" // set by the linker

func main() {
	os.Exit(service.Main(service.Program{
		Name: "enricher", Version: version,
		Run: func(ctx context.Context, _ string, p service.Process) error {
			return run(ctx, p.Env, slog.New(slog.NewJSONHandler(p.Err, nil)), p.Build)
		},
	}))
}

func run(ctx context.Context, env config.Environment, logger *slog.Logger, built build.Info) error {
	settings, err := enricher.LoadSettings(ctx, env)
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
	tracer, stopTracing, err := otlp.Start(ctx, env, "ringback-enricher", built.Version, logger)
	if err != nil {
		return err
	}
	defer stopTracing()
	watch := watchdog.New(watchdog.Bound)
	var running atomic.Pointer[enricher.Enricher]
	ready := func() error {
		if e := running.Load(); e != nil {
			return e.Ready()
		}
		return errors.New("enricher: waiting for the schema registry")
	}
	accept := func(topic string, partition int32, upTo int64) error {
		if e := running.Load(); e != nil {
			return e.Accept(topic, partition, upTo)
		}
		return admin.ErrNotOwned
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { garbage.Limit(ctx); return nil })
	g.Go(func() error {
		return admin.Run(ctx, settings.AdminAddr, settings.Admin.Config, admin.Surface{
			Probes: admin.Probes{Live: watch.Live, Ready: ready}, Metrics: metrics, Accept: accept, Logger: logger,
		})
	})
	g.Go(func() error {
		rights := acl.Enricher(settings.Enricher.Group, settings.Enricher.Ticks)
		if _, err := await(ctx, logger, "Kafka", func() (struct{}, error) { return struct{}{}, client.CheckAccess(ctx, rights) }); err != nil {
			return err
		}
		codec, err := await(ctx, logger, "the schema registry", func() (*wire.Codec, error) { return wire.New(ctx, schemas) })
		if err != nil {
			return err
		}
		e, err := enricher.New(settings.Enricher, enricher.Deps{Kafka: client, Codec: codec, Registerer: metrics, Tracer: tracer, Watch: watch, Logger: logger})
		if err != nil {
			return err
		}
		running.Store(e)
		return e.Run(ctx)
	})
	if err := g.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// await calls f until it ends in something else than an outage (invariant 7), and says so once.
func await[T any](ctx context.Context, logger *slog.Logger, what string, f func() (T, error)) (T, error) {
	for said := false; ; said = true {
		v, err := f()
		if err == nil || fault.ClassOf(err) != fault.Outage {
			return v, err
		}
		if !said {
			logger.WarnContext(ctx, "waiting for "+what, "error", err)
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return v, ctx.Err()
		}
	}
}
