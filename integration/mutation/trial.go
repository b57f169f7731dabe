package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/ringback/ringback/integration/process/stack"
)

// verdict is how a test run ended.
type verdict struct {
	passed bool
	said   string // of a failure: which test, and the first thing it said
	took   time.Duration
}

// build builds the package's tests, as the copy is now.
func (r *repository) build(ctx context.Context, t trial, binary string) error {
	// Paths trimmed: what is compiled is in the cache for every copy.
	_, err := output(ctx, r.dir, "go", "test", "-c", "-vet=off", "-trimpath", "-ldflags=-w", "-tags", t.Tags, "-o", binary, t.Package)
	return err
}

// try runs the tests of the trial. An error is no verdict: none is run, or the run does not end by its own deadline.
func (r *repository) try(ctx context.Context, t trial, binary, brokers, log string) (verdict, error) {
	// A run that failed may have left anything in the pipeline's topics.
	if err := stack.DeleteTopics(ctx, brokers); err != nil {
		return verdict{}, err
	}
	bounded, cancel := context.WithTimeout(ctx, t.Timeout+30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(bounded, binary, "-test.run", t.Run, "-test.v", "-test.timeout", t.Timeout.String())
	cmd.Dir = filepath.Join(r.dir, t.Package)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(began)
	if err := os.WriteFile(log, out, 0o644); err != nil {
		return verdict{}, err
	}
	if bounded.Err() != nil {
		return verdict{}, fmt.Errorf("the tests did not end by their deadline of %s: see %s", t.Timeout, log)
	}
	return judge(t, out, err, took, log)
}

// judge says what the output of a run comes to. A run that was still going on at its deadline has proved nothing,
// whatever else failed in it: what hangs, hangs on a busy machine too.
func judge(t trial, out []byte, err error, took time.Duration, log string) (verdict, error) {
	var exit *exec.ExitError
	switch {
	case timedOut.Match(out):
		return verdict{}, fmt.Errorf("the tests did not end by their deadline of %s: see %s", t.Timeout, log)
	case err == nil && passed.Match(out):
		return verdict{passed: true, took: took}, nil
	case err == nil:
		return verdict{}, fmt.Errorf("no test of %s is named %s", t.Package, t.Run)
	case errors.As(err, &exit) && failed.Match(out):
		return verdict{said: why(string(out)), took: took}, nil
	}
	return verdict{}, fmt.Errorf("%w: see %s", err, log)
}

var (
	passed   = regexp.MustCompile(`(?m)^--- PASS: `)
	timedOut = regexp.MustCompile(`(?m)^panic: test timed out after `)
	failed   = regexp.MustCompile(`(?m)^\s*--- FAIL: |^panic: `)
	reason   = regexp.MustCompile(`(?m)^\s+(?:Error|Messages): +\t(.*)|^\s+\w+_test\.go:\d+: (\S.*)|^(panic: .*)`)
)

// why is the first thing that a failed run has said.
func why(out string) string {
	match := reason.FindStringSubmatch(out)
	if match == nil {
		return "failed"
	}
	text := strings.TrimSpace(strings.Join(match[1:], ""))
	if runes := []rune(text); len(runes) > 90 {
		text = string(runes[:90]) + "…"
	}
	return text
}
