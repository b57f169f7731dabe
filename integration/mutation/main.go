package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("mutation", flag.ContinueOnError)
	root := flags.String("root", ".", "the repository")
	logs := flags.String("logs", "", "where each run's output is left")
	check := flags.Bool("check", false, "only see whether the patches apply, compile and name a test")
	brokers := flags.String("brokers", os.Getenv("RINGBACK_KAFKA_BROKERS"), "the Kafka whose topics are the tests' alone")
	if err := flags.Parse(args); err != nil {
		return err
	}
	from, err := filepath.Abs(*root)
	if err != nil {
		return err
	}
	mutants, err := load(filepath.Join(from, "integration", "mutation", "patches"), flags.Args())
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ringback-mutants-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	spoilt, err := copyOf(ctx, from, dir)
	if err != nil {
		return err
	}
	if *check {
		return checkAll(ctx, spoilt, mutants, flags.NArg() == 0, out)
	}
	if err := os.MkdirAll(*logs, 0o755); err != nil {
		return err
	}
	c := campaign{repository: spoilt, brokers: *brokers, logs: *logs, binaries: map[string]string{}, sound: map[trial]error{}}
	return c.run(ctx, mutants, out)
}

// checkAll names every mutant that has grown stale, and of the whole list what it lacks.
func checkAll(ctx context.Context, r *repository, mutants []mutant, whole bool, out io.Writer) error {
	var faults []error
	if whole {
		faults = missing(mutants)
	}
	for i := range mutants {
		m := &mutants[i]
		err := errors.Join(r.has(m.trial), r.with(ctx, m, func() error { return r.compiles(ctx, m) }))
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", m.Name, err))
		}
	}
	if len(faults) == 0 {
		_, _ = fmt.Fprintf(out, "%d mutants apply and compile\n", len(mutants))
	}
	return errors.Join(faults...)
}

// invariants are those that a line enforces whose absence a broker shows. The tenth, that nothing personal is
// written, has tests of its own.
const invariants = 9

// missing names the invariants that no mutant breaks.
func missing(mutants []mutant) (faults []error) {
	broken := map[string]bool{}
	for _, m := range mutants {
		for n := range strings.SplitSeq(m.Invariant, ", ") {
			broken[n] = true
		}
	}
	for n := 1; n <= invariants; n++ {
		if !broken[strconv.Itoa(n)] {
			faults = append(faults, fmt.Errorf("no mutant breaks invariant %d", n))
		}
	}
	return faults
}
