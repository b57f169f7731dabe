// Command sink takes UserEvents from Kafka to where they are wanted: `sink infomart`
// writes them into the Info Mart-shaped store, `sink tserver` has them distributed by
// T-Server. `sink migrate` makes the store's tables, and ends. docs/configuration.md
// lists the variables that configure it.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/ringback/ringback/pkg/admin"
	"github.com/ringback/ringback/pkg/build"
	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/garbage"
	"github.com/ringback/ringback/pkg/service"
	"github.com/ringback/ringback/pkg/tracing/otlp"
	"github.com/ringback/ringback/services/sink"
)

var version = "unknown" // set by the linker

func main() {
	os.Exit(service.Main(service.Program{
		Name: "sink", Version: version,
		Verbs: []service.Verb{
			{Name: sink.Infomart, Effect: "write facts, dimensions and custom data into the store"},
			{Name: sink.TServer, Effect: "have T-Server distribute the UserEvents"},
			{Name: sink.Migrate, Effect: "bring the store to the newest version, and end"},
		},
		Run: func(ctx context.Context, verb string, p service.Process) error {
			if verb == sink.Migrate {
				return migrate(ctx, p.Env, p.Out)
			}
			return run(ctx, verb, p.Env, slog.New(slog.NewJSONHandler(p.Err, nil)), p.Build)
		},
	}))
}

func run(ctx context.Context, name string, env config.Environment, logger *slog.Logger, built build.Info) error {
	s, err := sink.LoadSettings(ctx, name, env)
	if err != nil {
		return err
	}
	metrics := prometheus.NewRegistry()
	built.Register(metrics)
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	tracer, stopTracing, err := otlp.Start(ctx, env, "ringback-sink-"+name, built.Version, logger)
	if err != nil {
		return err
	}
	defer stopTracing()
	w := newWorker(name, s, metrics, logger)
	w.tracer = tracer
	defer w.close()

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { garbage.Limit(ctx); return nil })
	g.Go(func() error {
		return admin.Run(ctx, s.AdminAddr, s.Admin.Config, admin.Surface{
			Probes: admin.Probes{Live: w.watch.Live, Ready: w.ready}, Metrics: metrics, Accept: w.accept, Logger: logger,
		})
	})
	g.Go(func() error { return w.run(ctx) })
	return g.Wait()
}
