// Command subscribers fills the topics of a real Kafka as the services do, for the examples of subscribers to read:
// scenarios through producer and enricher, settle and offer grace made due, and among the UserEvents the records of a
// transaction that was aborted. It prints what a subscriber must see of callback.userevents.v1, one line a UserEvent,
// in order within each service id:
//
//	<service id> TAB <event_sequence> TAB <_CB_FINAL_RECORD> TAB <_CB_DISPOSITION, - where it is absent>
//
// The topics are made anew, so nobody else may use the brokers. RINGBACK_KAFKA_BROKERS and RINGBACK_REGISTRY_URL say
// where the real parts are; the argument is a directory for programs and logs.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ringback/ringback/integration/parity"
	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/services/ringback/scenario"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "subscribers:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	if len(os.Args) != 2 {
		return errors.New("the argument is a directory for programs and logs")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	parts := process.Parts{Kafka: os.Getenv("RINGBACK_KAFKA_BROKERS"), Registry: os.Getenv("RINGBACK_REGISTRY_URL")}
	if parts.Kafka == "" || parts.Registry == "" {
		return errors.New("RINGBACK_KAFKA_BROKERS and RINGBACK_REGISTRY_URL must be set: scripts/examples-test sets them")
	}
	// The first scenario by itself, so that what is aborted lies among the others.
	names := scenario.Names()
	golden, err := parity.Golden(names)
	if err != nil {
		return err
	}
	first, err := parity.Golden(names[:1])
	if err != nil {
		return err
	}
	p, err := start(ctx, parts, os.Args[1])
	defer func() { err = errors.Join(err, p.stop(context.WithoutCancel(ctx))) }()
	if err != nil {
		return err
	}
	if err := p.play(ctx, names[:1], len(first.UserEvents)); err != nil {
		return err
	}
	if err := p.abort(ctx); err != nil {
		return err
	}
	if err := p.play(ctx, names[1:], len(golden.UserEvents)); err != nil {
		return err
	}
	return print(golden)
}

// print writes what the golden results say of the UserEvents.
func print(golden *parity.Expect) error {
	out := bufio.NewWriter(os.Stdout)
	for service, session := range golden.Sessions {
		for _, u := range session.UserEvents {
			text := func(kvp string) string {
				if v, ok := u.KVPs[kvp]; ok {
					return fmt.Sprint(v)
				}
				return "-"
			}
			fmt.Fprintln(out, strings.Join([]string{service, strconv.Itoa(int(u.Sequence)), text("_CB_FINAL_RECORD"), text("_CB_DISPOSITION")}, "\t"))
		}
	}
	return out.Flush()
}
