package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchpipeline:", err)
		os.Exit(1)
	}
}

// options are how much is measured.
type options struct {
	rounds   int
	events   int    // of one run of an arm
	profile  string // directory for CPU profiles of the subjects; empty: none
	rate     int    // events per second of the latency measurement
	seconds  int    // how long it lasts
	warmup   int    // and how long before that the same load runs, uncounted
	sessions int    // open ones, of the state measurement
}

// all is what can be measured, by name.
func all(o options) []measurement {
	return []measurement{
		{"producer", compared(o, producerComparison)},
		{"enricher", compared(o, enricherComparison)},
		{"sink-none", compared(o, sinkComparison("none"))},
		{"sink-all", compared(o, sinkComparison("all"))},
		{"latency", measureLatency(o)},
		{"state", measureState(o)},
	}
}

// measurement adds what it measured to the report.
type measurement struct {
	name string
	run  func(ctx context.Context, env *environment, r *report) error
}

// compared is the measurement of a comparison, which prepare sets up.
func compared(o options, prepare func(context.Context, *environment, options) (comparison, error)) func(context.Context, *environment, *report) error {
	return func(ctx context.Context, env *environment, r *report) error {
		c, err := prepare(ctx, env, o)
		if err != nil {
			return err
		}
		res, err := measure(ctx, c, o.rounds, env.progress)
		if err == nil {
			r.Comparisons = append(r.Comparisons, res)
		}
		return err
	}
}

func run(ctx context.Context, args []string) (err error) {
	var o options
	flags := flag.NewFlagSet("benchpipeline", flag.ContinueOnError)
	only := flags.String("run", "producer|enricher|sink|latency", "measure what matches this regular expression; state besides")
	out := flags.String("out", ".", "directory for bench-pipeline.json and bench-pipeline.md")
	flags.IntVar(&o.rounds, "rounds", 5, "rounds of a comparison")
	flags.IntVar(&o.events, "events", 20_000, "events of one run of an arm")
	flags.StringVar(&o.profile, "profile", "", "directory for CPU profiles of the subjects")
	flags.IntVar(&o.rate, "rate", 1000, "events per second of the latency measurement")
	flags.IntVar(&o.seconds, "seconds", 30, "how long the latency measurement lasts")
	flags.IntVar(&o.warmup, "warmup", 150, "seconds of the same load before the latency measurement, not counted: brokers compile while they run")
	flags.IntVar(&o.sessions, "sessions", 1_000_000, "open sessions of the state measurement")
	if err := flags.Parse(args); err != nil {
		return err
	}
	match, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	env, err := newEnvironment(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, env.close()) }()
	r := newReport()
	for _, m := range all(o) {
		if !match.MatchString(m.name) {
			continue
		}
		if fault := m.run(ctx, env, &r); fault != nil {
			err = fmt.Errorf("%s: %w", m.name, fault) // what was measured before it is still worth something
			break
		}
	}
	return errors.Join(err, save(r, *out))
}

// save writes the report, and prints it.
func save(r report, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(dir, "bench-pipeline.json"))
	if err != nil {
		return err
	}
	if err := errors.Join(writeJSON(file, r), file.Close()); err != nil {
		return err
	}
	if file, err = os.Create(filepath.Join(dir, "bench-pipeline.md")); err != nil {
		return err
	}
	if err := errors.Join(writeMarkdown(file, r), file.Close()); err != nil {
		return err
	}
	return errors.Join(writeJSON(os.Stdout, r), writeMarkdown(os.Stdout, r))
}
