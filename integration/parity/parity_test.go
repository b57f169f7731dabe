//go:build realkafka && realpostgres && realregistry

package parity

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/integration/process/load"
	"github.com/ringback/ringback/services/ringback/scenario"
)

// programs are the services, built once.
var programs *process.Binaries

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "ringback-parity")
	if err == nil {
		programs, err = process.Build(context.Background(), dir, false)
	}
	code := 1
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	_ = os.RemoveAll(dir) // it is in a directory for what is temporary
	os.Exit(code)
}

// realParts are where the real parts are. Without them the tests fail: they never skip.
func realParts(t *testing.T) process.Parts {
	get := func(name string) string {
		value := os.Getenv(name)
		require.NotEmpty(t, value, "%s is not set: scripts/test-real sets it", name)
		return value
	}
	return process.Parts{Kafka: get("RINGBACK_KAFKA_BROKERS"), Registry: get("RINGBACK_REGISTRY_URL"), Postgres: get("RINGBACK_POSTGRES_URL")}
}

// start starts the services; t's end stops them.
func start(t *testing.T, timing Timing) (context.Context, *Live) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	logs := t.TempDir()
	l, err := Start(ctx, programs, realParts(t), logs, timing)
	t.Cleanup(func() {
		ending, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, l.Stop(ending))
	})
	require.NoError(t, err)
	return ctx, l
}

func requireSame(t *testing.T, differences []string) {
	t.Helper()
	if len(differences) > 0 {
		t.Error(strings.Join(differences, "\n"))
	}
}

// Every scenario, through the HTTP producer, comes to its golden result and to what `ringback run --once` makes of it.
// Settle and offer grace pass by the owner's own ticks here, at the end of --once by a flush: one more UserEvent is
// due either way, or none.
func TestRealPartsGiveEveryScenario(t *testing.T) {
	timing := Timing{Settle: 3 * time.Second, OfferGrace: 4 * time.Second}
	ctx, l := start(t, timing)
	golden, err := Golden(scenario.Names())
	require.NoError(t, err)
	dir := t.TempDir()
	var files []string
	events := 0
	for _, name := range scenario.Names() {
		lines, err := scenario.Lines(name)
		require.NoError(t, err)
		// In one request, so that a session's events have one time of arrival: none comes after its settle time.
		post(t, l.Intake, lines)
		events += len(lines)
		files = append(files, filepath.Join(dir, name+".jsonl"))
		require.NoError(t, os.WriteFile(files[len(files)-1], append(bytes.Join(lines, []byte("\n")), '\n'), 0o600))
	}
	require.NoError(t, l.AwaitUserEvents(ctx, len(golden.UserEvents)))
	// Nothing else is due: not when all these deadlines lie far in the past.
	require.NoError(t, l.Pass(ctx, time.Now().Add(10*timing.OfferGrace), false))
	require.NoError(t, l.Drain(ctx))
	outcomes, err := l.Records(ctx)
	require.NoError(t, err)
	require.Positive(t, outcomes["tick"]-partitions, "the enricher wrote no tick of its own")
	require.Equal(t, events, outcomes["applied"]+outcomes["already_applied"]+outcomes["dead_lettered"], "invariant 2: %v", outcomes)

	got, err := l.Contents(ctx)
	require.NoError(t, err)
	requireSame(t, golden.Against(got))
	want, summary, err := Once(ctx, programs.Path("ringback"), filepath.Join(dir, "data"), nil, files...)
	require.NoError(t, err)
	requireSame(t, Diff(got, want))
	require.EqualValues(t, summary.Enricher.Applied, outcomes["applied"])
	require.EqualValues(t, summary.Enricher.AlreadyApplied, outcomes["already_applied"])
	require.EqualValues(t, summary.Enricher.DeadLettered, outcomes["dead_lettered"])
	t.Logf("%d scenarios, %d events: %v; %d UserEvents, %d attached data, %d dead letters, %d facts, %d discards, %d sessions and calls in T-Server's log",
		len(files), events, outcomes, len(got.UserEvents), len(got.Attached), len(got.Letters), len(got.Facts), len(got.Discards), len(got.TServer))
}

// A large file, shuffled and with repeated events, comes to what `ringback run --once` makes of it. Settle and offer
// grace end by the same flush as there: in a shuffled file, which news comes before a deadline would hang on the speed
// of the machine.
func TestRealPartsGiveALargeFile(t *testing.T) {
	timing := Timing{Settle: time.Hour, OfferGrace: 2 * time.Hour}
	ctx, l := start(t, timing)
	dir := t.TempDir()
	file := filepath.Join(dir, "events.jsonl")
	var text bytes.Buffer
	counts, err := scenario.Generator{Seed: 20261122, Sessions: 2000, Shuffle: 400, Repeat: 0.02}.Write(&text)
	require.NoError(t, err)
	require.Greater(t, counts.Events, 18_000)
	require.NoError(t, os.WriteFile(file, text.Bytes(), 0o600))

	began := time.Now()
	client := load.New([]string{l.Intake})
	events := make(chan load.Event)
	go func() {
		defer close(events)
		for line := range bytes.Lines(text.Bytes()) {
			line = bytes.TrimSuffix(line, []byte("\n"))
			var head struct{ Subject string }
			if json.Unmarshal(line, &head) != nil {
				return // one that is missing below
			}
			select {
			case events <- load.Event{Subject: head.Subject, Line: line}:
			case <-ctx.Done():
				return
			}
		}
	}()
	client.Run(ctx, events)
	// Each at the first try: what is tried again may come behind its session's next.
	require.Equal(t, map[string]int{"202": counts.Lines()}, client.Statuses())
	took := time.Since(began)
	require.NoError(t, l.Pass(ctx, time.Now(), true))
	require.NoError(t, l.Drain(ctx))
	outcomes, err := l.Records(ctx)
	require.NoError(t, err)
	require.Equal(t, counts.Events, outcomes["applied"])
	require.Equal(t, counts.Repeated, outcomes["already_applied"])

	got, err := l.Contents(ctx)
	require.NoError(t, err)
	var env []string
	for name, value := range timing.environment() {
		env = append(env, name+"="+value)
	}
	want, summary, err := Once(ctx, programs.Path("ringback"), filepath.Join(dir, "data"), env, file)
	require.NoError(t, err)
	requireSame(t, Diff(got, want))
	require.EqualValues(t, summary.Enricher.Applied, outcomes["applied"])
	t.Logf("%d lines, taken in within %v: %v; %d UserEvents, %d attached data, %d facts, %d sessions and calls in T-Server's log",
		counts.Lines(), took.Round(time.Millisecond), outcomes, len(got.UserEvents), len(got.Attached), len(got.Facts), len(got.TServer))
}

// post sends the events in one request, each of which must be accepted.
func post(t *testing.T, url string, lines [][]byte) {
	t.Helper()
	body := "[" + string(bytes.Join(lines, []byte(","))) + "]"
	res, err := http.Post(url, "application/cloudevents-batch+json", strings.NewReader(body))
	require.NoError(t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusAccepted, res.StatusCode, "%s", answer)
}
