// Command enricher folds lifecycle events into UserEvents; see package enricher.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/ringback/ringback/pkg/admin"
	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/wire"
	"github.com/ringback/ringback/services/enricher"
)

var version = "unknown"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, config.OS())
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "enricher %s: %v\n", version, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, env config.Environment) error {
	var settings struct {
		AdminAddr string `env:"ENRICHER_ADMIN_ADDR, default=:8081"`
		Enricher  enricher.Config
		Kafka     kafka.Config    `env:", prefix=KAFKA_"`
		Registry  registry.Config `env:", prefix=REGISTRY_"`
	}
	if err := config.Load(ctx, env, []string{"ENRICHER_", "KAFKA_", "REGISTRY_"}, &settings, &settings.Enricher); err != nil {
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
	codec, err := wire.New(ctx, schemas)
	if err != nil {
		return err
	}
	metrics := prometheus.NewRegistry()
	e, err := enricher.New(settings.Enricher, enricher.Deps{
		Kafka: client, Codec: codec, Registerer: metrics, Logger: slog.New(slog.NewJSONHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		mux := http.NewServeMux()
		mux.Handle("/", admin.Handler(admin.Probes{Ready: e.Ready}, metrics))
		mux.Handle(admin.AcceptPath, admin.AcceptHandler(e.Accept))
		return admin.Serve(ctx, settings.AdminAddr, mux)
	})
	g.Go(func() error { return e.Run(ctx) })
	return g.Wait()
}
