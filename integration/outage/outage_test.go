//go:build realcluster

package outage_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/integration/chaos/oracle"
	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/integration/process/load"
	"github.com/ringback/ringback/integration/process/stack"
)

// long is how long a part is away, at least.
func long(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("RINGBACK_OUTAGE_SECONDS")
	if text == "" {
		text = "12"
	}
	d, err := time.ParseDuration(text + "s")
	require.NoError(t, err)
	return d
}

// maxRSS bounds the memory of a service through an outage: far above what one needs, far below what a queue without a
// bound would come to.
const maxRSS = 512 << 20

// outage is one part that goes away and comes back.
type outage struct {
	name string
	away func(context.Context) error
	back func(context.Context) error
	// told are the services whose readiness says so, each with a word of its reason, and metrics one that moves.
	told    map[*process.Process]string
	metrics map[*process.Process]string
	// restart is a service that is killed and started meanwhile, and waits.
	restart *process.Process
	// former: sends that were under way may still arrive afterwards, as of oracle.Fault.
	former bool
	// calm: it begins when no transaction is under way, and the load sets in again at once.
	calm bool
}

// outages are every part, killed and frozen. Brokers go all three at once: one alone is no outage.
func outages(s *stack.Stack) []outage {
	each := func(do func(process.Server, context.Context) error) func(context.Context) error {
		return func(ctx context.Context) error {
			faults := make(chan error)
			for _, n := range s.Nodes {
				go func() { faults <- do(n, ctx) }()
			}
			var all []error
			for range s.Nodes {
				all = append(all, <-faults)
			}
			return errors.Join(all...)
		}
	}
	kill, start := process.Server.Kill, process.Server.Start
	pause := func(p process.Server, _ context.Context) error { return p.Pause() }
	resume := func(p process.Server, _ context.Context) error { return p.Resume() }
	one := func(f func() error) func(context.Context) error { return func(context.Context) error { return f() } }
	producer, enricher, infomart, tserver := s.Producers[0], s.Enrichers[0], s.Infomarts[0], s.TServers[0]

	brokers := map[*process.Process]string{producer: "events cannot be written", enricher: "kafka", infomart: "kafka", tserver: "kafka"}
	brokersMetric := map[*process.Process]string{enricher: "ringback_enricher_outages_total", infomart: "ringback_sink_retries_total", tserver: "ringback_sink_retries_total"}
	store := map[*process.Process]string{infomart: "postgres", tserver: "postgres"}
	storeMetric := map[*process.Process]string{infomart: "ringback_sink_retries_total", tserver: "ringback_sink_retries_total"}
	gateway := map[*process.Process]string{tserver: "gateway"}
	gatewayMetric := map[*process.Process]string{tserver: "ringback_sink_retries_total"}
	schemas := map[*process.Process]string{enricher: "schema registry"}
	return []outage{
		// Kafka itself may end a transaction by halves if all its brokers are killed in the middle of it: docs/kafka.md.
		{"brokers killed", each(kill), each(start), brokers, brokersMetric, nil, true, true},
		{"brokers frozen", each(pause), each(resume), brokers, brokersMetric, nil, true, false},
		{"PostgreSQL killed", s.Postgres.Kill, s.Postgres.Start, store, storeMetric, nil, false, false},
		{"PostgreSQL frozen", one(s.Postgres.Pause), one(s.Postgres.Resume), store, storeMetric, nil, true, false},
		{"kill simulator", one(s.Simulator.Kill), one(s.Simulator.Start), gateway, gatewayMetric, nil, false, false},
		{"T-Server frozen", one(s.Simulator.Pause), one(s.Simulator.Resume), gateway, gatewayMetric, nil, true, false},
		// Who runs knows every schema already; who starts waits.
		{"registry killed", one(s.Registry.Kill), one(s.Registry.Start), schemas, nil, enricher, false, false},
		{"registry frozen", one(s.Registry.Pause), one(s.Registry.Resume), schemas, nil, enricher, false, false},
	}
}

// TestRealOutage: whatever is away, the services wait and say so, keep within their memory, dead-letter nothing, and
// catch up; at the end everything is as if nothing had been (invariant 7).
func TestRealOutage(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 8*long(t)+30*time.Minute)
	defer cancel()
	s := newStack(ctx, t)
	client := load.New(s.ProducerURLs)
	// In order: a session whose end were accepted before an outage and its first event after it would settle without
	// that, and be dead-lettered, and rightly.
	feed := &load.Feed{Seed: 7, Sessions: 10_000_000, Rate: 150}
	events, passed := make(chan load.Event), make(chan load.Event, 1000)
	var enough atomic.Bool
	var running sync.WaitGroup
	var hold sync.Mutex
	running.Go(func() { client.Run(ctx, passed) })
	running.Go(func() {
		defer close(passed)
		for e := range events {
			hold.Lock()
			passed <- e
			hold.Unlock()
		}
	})
	running.Go(func() {
		if err := feed.Run(ctx, events, enough.Load); err != nil {
			t.Errorf("feed: %v", err)
		}
	})
	var faults []oracle.Fault
	for _, o := range outages(s) {
		if !t.Run(strings.ReplaceAll(o.name, " ", "_"), func(t *testing.T) { faults = append(faults, suffer(ctx, t, s, client, &hold, o)) }) {
			break
		}
	}
	enough.Store(true)
	running.Wait()
	t.Logf("%d events accepted; answers: %v", client.Count(), client.Statuses())
	require.Empty(t, client.Refused())
	asIfNothingHadBeen(ctx, t, s, client, faults)
}

// newStack starts a pipeline with one of each service. The producers get more settings besides.
func newStack(ctx context.Context, t *testing.T) *stack.Stack {
	t.Helper()
	kafka, postgres, err := stack.Environment()
	require.NoError(t, err)
	dir := os.Getenv("RINGBACK_OUTAGE_DIR")
	if dir == "" {
		dir, err = os.MkdirTemp("", "ringback-outage-")
		require.NoError(t, err)
	}
	t.Logf("logs in %s", dir)
	producer := map[string]string{"GOMEMLIMIT": "460MiB"} // as the chart sets it: nine tenths of the limit
	s, err := stack.Start(ctx, stack.Config{
		KafkaRun: kafka, PostgresRun: postgres, Dir: dir, Partitions: partitions,
		Producers: 1, Enrichers: 1, Infomarts: 1, TServers: 1,
		Timing: stack.Timing{Settle: 2 * time.Second, OfferGrace: 4 * time.Second, SessionTimeout: time.Hour, StateRetention: time.Hour},
		Env: map[string]map[string]string{
			"producer": producer,
			"infomart": {"SINK_RETRY_MAX": "2s", "STORE_TIMEOUT": "15s"},
			"tserver":  {"SINK_RETRY_MAX": "2s", "STORE_TIMEOUT": "15s", "TSERVER_GATEWAY_TIMEOUT": "5s"},
		},
	})
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		if !t.Failed() && os.Getenv("RINGBACK_OUTAGE_DIR") == "" {
			require.NoError(t, os.RemoveAll(dir))
		}
	})
	require.NoError(t, err)
	require.NoError(t, oracle.KeepHistory(ctx, s.Direct.Postgres))
	return s
}

// suffer takes a part away under load and brings it back. No events come while hold is held.
func suffer(ctx context.Context, t *testing.T, s *stack.Stack, client *load.Client, hold sync.Locker, o outage) oracle.Fault {
	ctx, cancel := context.WithTimeout(ctx, long(t)+6*time.Minute)
	defer cancel()
	// Each outage begins with events going through.
	progress(ctx, t, client)
	before := memory(t, s)
	counters := map[*process.Process]float64{}
	for p, name := range o.metrics {
		samples, err := p.Scrape(ctx)
		require.NoError(t, err)
		counters[p] = samples.Sum(name)
	}

	if o.calm {
		hold.Lock()
		err := calm(ctx, s)
		if err != nil {
			hold.Unlock()
		}
		require.NoError(t, err, "nothing goes on any more")
	}
	began := time.Now()
	err := o.away(ctx)
	if o.calm {
		hold.Unlock()
	}
	require.NoError(t, err)
	if o.restart != nil {
		require.NoError(t, o.restart.Kill())
		require.NoError(t, o.restart.Start())
	}
	for p, word := range o.told {
		require.NoError(t, process.Until(ctx, func() error { return says(ctx, p, word) }), "%s says why it is not ready", p.Name)
		t.Logf("%s after %s: %v", p.Name, time.Since(began).Round(100*time.Millisecond), p.Readiness(ctx))
	}
	for p, name := range o.metrics {
		require.NoError(t, process.Until(ctx, func() error {
			samples, err := p.Scrape(ctx)
			if err == nil && samples.Sum(name) <= counters[p] {
				err = fmt.Errorf("%s: %s is %v as before", p.Name, name, samples.Sum(name))
			}
			return err
		}), "a metric of %s says so", p.Name)
	}
	select {
	case <-time.After(time.Until(began.Add(long(t)))):
	case <-ctx.Done():
	}
	for _, p := range s.All() {
		require.True(t, p.Running(), "%s stays up", p.Name)
	}
	during := memory(t, s)

	require.NoError(t, o.back(ctx))
	back := time.Now()
	fault := oracle.Fault{What: o.name, From: began, To: back, Former: o.former}
	if o.restart != nil || s.Simulator.Running() {
		require.NoError(t, s.WaitReady(ctx))
	}
	progress(ctx, t, client)
	require.NoError(t, process.Until(ctx, func() error { return caughtUp(ctx, s) }), "everything catches up")
	t.Logf("away for %s; caught up %s after it was back; %s", back.Sub(began).Round(100*time.Millisecond), time.Since(back).Round(100*time.Millisecond), grown(s, before, during))
	for _, p := range s.All() {
		peak, err := p.PeakRSS()
		require.NoError(t, err)
		require.Less(t, peak, int64(maxRSS), "the memory of %s is bounded", p.Name)
	}
	nothingDeadLettered(ctx, t, s)
	return fault
}

// calm waits until all has been read that was sent, and no deadline of a session can be due any more.
func calm(ctx context.Context, s *stack.Stack) error {
	since := time.Now()
	return process.Until(ctx, func() error {
		if err := caughtUpWith(ctx, s, 0); err != nil {
			since = time.Now()
			return err
		}
		if left := s.Timing.OfferGrace + s.Timing.Settle - time.Since(since); left > 0 {
			return fmt.Errorf("a deadline may be due for another %s", left)
		}
		return nil
	})
}

// progress waits until events are accepted.
func progress(ctx context.Context, t *testing.T, client *load.Client) {
	t.Helper()
	before := client.Count()
	require.NoError(t, process.Until(ctx, func() error {
		if client.Count() < before+100 {
			return fmt.Errorf("%d events accepted since %d", client.Count()-before, before)
		}
		return nil
	}), "events are accepted")
}

// says is nil once the service is not ready for that reason.
func says(ctx context.Context, p *process.Process, word string) error {
	err := p.Readiness(ctx)
	if err == nil {
		return fmt.Errorf("%s is ready", p.Name)
	}
	if !strings.Contains(err.Error(), "not ready") || !strings.Contains(err.Error(), word) {
		return fmt.Errorf("%s does not speak of %q: %w", p.Name, word, err)
	}
	return nil
}

func memory(t *testing.T, s *stack.Stack) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	for _, p := range s.All() {
		rss, err := p.RSS()
		require.NoError(t, err)
		all[p.Name] = rss
	}
	return all
}

func grown(s *stack.Stack, before, during map[string]int64) string {
	var b strings.Builder
	b.WriteString("RSS in MiB before and in the outage:")
	for _, p := range s.All() {
		fmt.Fprintf(&b, " %s %d %d", p.Name, before[p.Name]>>20, during[p.Name]>>20)
	}
	return b.String()
}
