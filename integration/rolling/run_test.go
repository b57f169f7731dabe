//go:build realcluster

package rolling_test

import (
	"context"
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

const partitions = 6

// run is a pipeline under load, with one address before its producers.
type run struct {
	s       *stack.Stack
	address *address
	client  *load.Client
	enough  atomic.Bool
	loading sync.WaitGroup
	begun   time.Time
}

func start(ctx context.Context, t *testing.T, seed uint64) *run {
	t.Helper()
	kafka, postgres, err := stack.Environment()
	require.NoError(t, err)
	dir := os.Getenv("RINGBACK_ROLLING_DIR")
	if dir == "" {
		dir, err = os.MkdirTemp("", "ringback-rolling-")
	} else {
		dir, err = os.MkdirTemp(dir, strings.ToLower(t.Name())+"-")
	}
	require.NoError(t, err)
	t.Logf("logs in %s", dir)
	s, err := stack.Start(ctx, stack.Config{
		KafkaRun: kafka, PostgresRun: postgres, Dir: dir, Partitions: partitions,
		Producers: 2, Enrichers: 2, Infomarts: 2, TServers: 2,
		Timing: stack.Timing{Settle: 2 * time.Second, OfferGrace: 4 * time.Second, SessionTimeout: 40 * time.Second, StateRetention: 20 * time.Second},
		// So that whoever is told to stop has sends under way.
		Env: map[string]map[string]string{"simulator": {"TSERVER_SIM_LATENCY": "20ms"}},
	})
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		if !t.Failed() && os.Getenv("RINGBACK_ROLLING_DIR") == "" {
			require.NoError(t, os.RemoveAll(dir))
		}
	})
	require.NoError(t, err)
	require.NoError(t, oracle.KeepHistory(ctx, s.Direct.Postgres))

	r := &run{s: s, address: newAddress(t, s.ProducerURLs), begun: time.Now()}
	r.client = load.New([]string{r.address.url()})
	feed := &load.Feed{Seed: seed, Sessions: 10_000_000, Rate: 200, Shuffle: 40, Conflicts: 400, Late: 100, Lacking: 800, LateMax: time.Minute}
	events := make(chan load.Event, 1000)
	r.loading.Go(func() { r.client.Run(ctx, events) })
	r.loading.Go(func() {
		if err := feed.Run(ctx, events, r.enough.Load); err != nil {
			t.Errorf("feed: %v", err)
		}
	})
	r.progress(ctx, t, 200)
	return r
}

// progress waits until that many more events are accepted.
func (r *run) progress(ctx context.Context, t *testing.T, n int64) {
	t.Helper()
	before := r.client.Count()
	require.NoError(t, process.Until(ctx, func() error {
		if r.client.Count() < before+n {
			return fmt.Errorf("%d events accepted since %d", r.client.Count()-before, before)
		}
		return nil
	}), "events are accepted")
}

func (r *run) note(t *testing.T, format string, args ...any) {
	t.Helper()
	t.Logf("%6.1fs %s", time.Since(r.begun).Seconds(), fmt.Sprintf(format, args...))
}

// served ends the load and says what the clients saw: 202, or 503 that is repeated, and nothing else.
func (r *run) served(t *testing.T) {
	t.Helper()
	r.enough.Store(true)
	r.loading.Wait()
	statuses, failed := r.client.Statuses(), 0
	for answer, n := range statuses {
		if !strings.HasPrefix(answer, "202") {
			failed += n
		}
	}
	r.note(t, "%d events accepted, %d tries failed; answers: %v", r.client.Count(), failed, statuses)
	require.Empty(t, r.client.Refused())
	for answer, n := range statuses {
		switch {
		case strings.HasPrefix(answer, "202"), strings.HasPrefix(answer, "503"):
		case answer == "no answer" && int64(n) <= r.client.Count()/100:
			// A server that ends closes the connections that are idle; one on which a client sends in that moment breaks.
			// HTTP has no remedy but to send again, with the same id: nothing is lost by it, nor there twice.
		default:
			t.Errorf("a client saw %q %d times", answer, n)
		}
	}
}
