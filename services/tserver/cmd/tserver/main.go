// Command tserver runs the SIMULATED T-Server. It is no Genesys product and not wire-compatible: it does not speak
// TLIB. The variables TSERVER_SIM_* configure it; services/tserver/README.md lists them.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/ringback/ringback/pkg/service"
	"github.com/ringback/ringback/services/tserver"
)

var version = "unknown" // set by the linker

func main() {
	os.Exit(service.Main(service.Program{Name: "tserver", Version: version, Run: run}))
}

func run(ctx context.Context, _ string, p service.Process) error {
	cfg, err := tserver.LoadConfig(ctx, p.Env)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.Err, "%s, version %s\n", tserver.Banner, p.Build.Version)
	log := slog.New(slog.NewTextHandler(p.Err, nil)).With("component", "tserver")
	s, err := tserver.New(cfg, tserver.WithLogger(log))
	if err != nil {
		return err
	}
	fmt.Fprintf(p.Err, "listening on %s, logging to %s\n", s.URL(), cfg.Log)
	return s.Run(ctx)
}
