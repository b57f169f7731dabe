package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// campaign tries all mutants, one after the other on the same servers.
type campaign struct {
	*repository
	brokers, logs string
	binaries      map[string]string // unmutated tests, by tags and package
	sound         map[trial]error   // why a test fails without a mutant; nil where it passes
}

// run tries each mutant and prints what became of it. Its test passes before the first mutant of that test and after
// the last: what fails in between fails because of the mutant.
func (c *campaign) run(ctx context.Context, mutants []mutant, out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	begun := time.Now()
	left := map[trial]int{}
	for i := range mutants {
		left[mutants[i].trial]++
	}
	killed := 0
	var faults []error
	for i := range mutants {
		m := &mutants[i]
		if _, tried := c.sound[m.trial]; !tried {
			c.sound[m.trial] = c.unmutated(ctx, m.trial)
		}
		word, v, err := "killed", verdict{}, c.sound[m.trial]
		if err == nil {
			v, err = c.kill(ctx, m)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			word = "FAULT"
			faults = append(faults, fmt.Errorf("%s: %w", m.Name, err))
			v.said, _, _ = strings.Cut(err.Error(), "\n")
		case v.passed:
			word, v.said = "SURVIVED", m.Breaks
			faults = append(faults, fmt.Errorf("%s survived: no test notices that %s", m.Name, m.Breaks))
		default:
			killed++
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%.1f s\t%s\t%s\n", m.Invariant, m.Name, word, v.took.Seconds(), m.Run, v.said)
		_, _ = fmt.Fprintf(os.Stderr, "mutants: %d of %d: %s: %s\n", i+1, len(mutants), m.Name, word)
		if left[m.trial]--; left[m.trial] == 0 && c.sound[m.trial] == nil {
			if err := c.unmutated(ctx, m.trial); err != nil {
				faults = append(faults, fmt.Errorf("after %s: %w", m.Name, err))
			}
		}
	}
	_ = table.Flush()
	_, _ = fmt.Fprintf(out, "%d of %d mutants killed in %s\n", killed, len(mutants), time.Since(begun).Round(time.Second))
	return errors.Join(faults...)
}

// unmutated runs a test without a mutant: it must pass.
func (c *campaign) unmutated(ctx context.Context, t trial) error {
	of := t.Tags + " " + t.Package
	binary, built := c.binaries[of]
	if !built {
		binary = filepath.Join(c.dir, "unmutated-"+strconv.Itoa(len(c.binaries))+".test")
		if err := c.build(ctx, t, binary); err != nil {
			return err
		}
		c.binaries[of] = binary
	}
	log := filepath.Join(c.logs, "unmutated.log")
	v, err := c.try(ctx, t, binary, c.brokers, log)
	if err == nil && !v.passed {
		err = fmt.Errorf("%s -run %s fails without a mutant: %s", t.Package, t.Run, v.said)
		_ = os.Rename(log, filepath.Join(c.logs, "unmutated-failed.log"))
	}
	return err
}

// kill runs the mutant's test on the spoilt copy.
func (c *campaign) kill(ctx context.Context, m *mutant) (v verdict, err error) {
	binary := filepath.Join(c.dir, "mutant.test")
	err = c.with(ctx, m, func() (err error) {
		if err := c.build(ctx, m.trial, binary); err != nil {
			return fmt.Errorf("the patch does not compile: %w", err)
		}
		v, err = c.try(ctx, m.trial, binary, c.brokers, filepath.Join(c.logs, m.Name+".log"))
		return err
	})
	return v, err
}
