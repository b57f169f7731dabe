// Command tserver runs the SIMULATED T-Server. It is no Genesys product and not wire-compatible: it does not speak
// TLIB. The variables TSERVER_SIM_* configure it; services/tserver/README.md lists them.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/services/tserver"
)

var version = "unknown" // set by the linker

func main() { os.Exit(run(config.OS(), os.Stderr)) }

func run(env config.Environment, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(stderr, nil)).With("component", "tserver")
	var cfg tserver.Config
	if err := config.Load(ctx, env, []string{"TSERVER_SIM_"}, &cfg); err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	fmt.Fprintf(stderr, "%s, version %s\n", tserver.Banner, version)
	s, err := tserver.New(cfg, tserver.WithLogger(log))
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	fmt.Fprintf(stderr, "listening on %s, logging to %s\n", s.URL(), cfg.Log)
	if err := s.Run(ctx); err != nil {
		log.Error("stopped", "error", err)
		return 1
	}
	return 0
}
