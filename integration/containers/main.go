// Command containers starts Apache Kafka, PostgreSQL and a schema registry as containers, by testcontainers-go, and
// runs a command with the variables that say where they are: the same that scripts/test-real sets for the parts that
// the scripts start. It fails where no container engine answers.
//
//	containers COMMAND [ARGUMENT...]
//
// RINGBACK_KAFKA_IMAGE, RINGBACK_POSTGRES_IMAGE and RINGBACK_REGISTRY_IMAGE name other images; testcontainers-go's own
// variables, such as DOCKER_HOST, say which engine is used and how.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/testcontainers/testcontainers-go"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(max(exit.ExitCode(), 1)) // the command has said why
	case err != nil:
		fmt.Fprintf(os.Stderr, "containers: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, command []string) (err error) {
	if len(command) == 0 {
		return errors.New("usage: containers COMMAND [ARGUMENT...]")
	}
	if err := engine(ctx); err != nil {
		return fmt.Errorf("NO CONTAINER ENGINE ANSWERS, so nothing was tested on containers: %w", err)
	}
	env := os.Environ()
	for _, p := range parts() {
		c, value, err := p.start(ctx)
		if c != nil {
			// It goes in any case, also after an interrupt.
			defer func() {
				ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
				defer cancel()
				if failed := c.Terminate(ending); failed != nil {
					fmt.Fprintf(os.Stderr, "containers: %s is left behind: %v\n", p.name, failed)
				}
			}()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		fmt.Fprintf(os.Stderr, "containers: %s from %s at %s\n", p.name, p.request.Image, value)
		env = append(env, p.variable+"="+value)
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, os.Stdout, os.Stderr
	// An interrupt reaches the command by itself: both are of the terminal's group.
	return cmd.Run()
}

// engine reports why no container engine can be used.
func engine(ctx context.Context) (err error) {
	defer func() {
		// That none is configured is told by a panic in some versions.
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	provider, err := testcontainers.NewDockerProvider()
	if err != nil {
		return err
	}
	return errors.Join(provider.Health(ctx), provider.Close())
}
