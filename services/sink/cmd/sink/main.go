// Command sink takes UserEvents from Kafka to where they are wanted: `sink infomart`
// writes them into the Info Mart-shaped store, `sink tserver` has them distributed by
// T-Server. docs/sinks.md lists the variables that configure it.
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
	"github.com/ringback/ringback/services/sink"
)

var version = "unknown"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], config.OS(), slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "sink %s: %v\n", version, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, env config.Environment, logger *slog.Logger) error {
	if len(args) != 1 || args[0] != sink.Infomart && args[0] != sink.TServer {
		return fmt.Errorf("usage: sink %s | sink %s", sink.Infomart, sink.TServer)
	}
	s, err := load(ctx, args[0], env)
	if err != nil {
		return err
	}
	metrics := prometheus.NewRegistry()
	service := newService(args[0], s, metrics, logger)
	defer service.close()

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		mux := http.NewServeMux()
		mux.Handle("/", admin.Handler(admin.Probes{Ready: service.ready}, metrics))
		mux.Handle(admin.AcceptPath, admin.AcceptHandler(service.accept))
		return admin.Serve(ctx, s.AdminAddr, mux)
	})
	g.Go(func() error { return service.run(ctx) })
	return g.Wait()
}
