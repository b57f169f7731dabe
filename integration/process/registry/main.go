// Command registry serves the embedded schema registry in a process of its own, so that it can be killed.
// REGISTRY_DIR is where it keeps its file, REGISTRY_PORT where it listens on the loopback interface.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/ringback/ringback/pkg/embedded/registry"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "registry: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	port, err := strconv.Atoi(os.Getenv("REGISTRY_PORT"))
	if err != nil {
		return fmt.Errorf("REGISTRY_PORT: %w", err)
	}
	s, err := registry.Start(registry.Config{Dir: os.Getenv("REGISTRY_DIR"), Port: port})
	if err != nil {
		return err
	}
	<-ctx.Done()
	return s.Close()
}
