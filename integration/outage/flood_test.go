//go:build realcluster

package outage_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/integration/chaos/oracle"
	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/integration/process/load"
)

// TestRealOutageFlood: all brokers away, and more senders with more in each request than the producer works on at once.
// It refuses what it has no room for, keeps within the memory that the chart gives it, and loses nothing that it has
// accepted (invariants 1 and 7).
func TestRealOutageFlood(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	s := newStack(ctx, t)
	producer := s.Producers[0]
	client := load.New(s.ProducerURLs)
	send(ctx, client, events("before", 50, 100)) // the producer knows the topic
	before, err := producer.RSS()
	require.NoError(t, err)

	// More requests than the producer works on at once, each nearly as large as it may be.
	const senders, each, session = 300, 240, 40
	batches := make([][]load.Event, senders)
	for i := range batches {
		for n := range each {
			batches[i] = append(batches[i], large(fmt.Sprintf("flood-%d-%d", i, n/session), n%session))
		}
	}
	began := time.Now()
	for _, n := range s.Nodes {
		require.NoError(t, n.Pause())
	}
	var sending sync.WaitGroup
	sending.Go(func() { client.Batches(ctx, batches) })
	refused := func() (full, busy int) {
		for status, n := range client.Statuses() {
			switch {
			case strings.HasPrefix(status, "429 QUEUE_FULL"):
				full += n
			case strings.HasPrefix(status, "429"):
				busy += n
			}
		}
		return full, busy
	}
	require.NoError(t, process.Until(ctx, func() error {
		if full, busy := refused(); full+busy == 0 {
			return fmt.Errorf("nothing is refused yet: %v", client.Statuses())
		}
		return nil
	}), "more than there is room for is refused")
	select { // and goes on being refused
	case <-time.After(time.Until(began.Add(long(t)))):
	case <-ctx.Done():
	}
	require.True(t, producer.Running())
	during, err := producer.PeakRSS()
	require.NoError(t, err)
	for _, n := range s.Nodes {
		require.NoError(t, n.Resume())
	}
	back := time.Now()
	sending.Wait()
	full, busy := refused()
	peak, err := producer.PeakRSS()
	require.NoError(t, err)
	t.Logf("away for %s; %d events accepted, the last %s after it was back; answers: %v; RSS of the producer in MiB: %d before, at most %d in the outage and %d in all",
		back.Sub(began).Round(100*time.Millisecond), client.Count(), time.Since(back).Round(100*time.Millisecond), client.Statuses(), before>>20, during>>20, peak>>20)
	require.Positive(t, full+busy)
	require.Empty(t, client.Refused())
	require.EqualValues(t, 100+senders*each, client.Count())
	require.Less(t, peak, int64(producerLimit), "the memory of the producer is bounded")
	asIfNothingHadBeen(ctx, t, s, client, []oracle.Fault{{What: "brokers frozen", From: began, To: back, Former: true}})
}

// producerLimit is the memory that the chart gives a producer by default.
const producerLimit = 512 << 20

// large is an event of some 4 KB: the first of its session, or one that comes later.
func large(service string, n int) load.Event {
	e := event(service, fmt.Sprintf("%s-%d", service, n), n > 0)
	filler := strings.Repeat("x", 1000)
	e.Line = fmt.Appendf(nil, `{"more1":%q,"more2":%q,"more3":%q,"more4":%q,%s`, filler, filler, filler, filler, e.Line[1:])
	return e
}
