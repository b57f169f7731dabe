package enricher_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/embedded/broker"
	"github.com/ringback/ringback/pkg/kafka"
)

func TestABatchThatEndsBeforeWhatWasFetchedAhead(t *testing.T) {
	t.Parallel()
	b, err := broker.Start(broker.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	endsBeforeWhatWasFetchedAhead(t, newWorld(t, b.Addrs()))
}

// A batch that makes more due than one transaction takes ends in the middle of what was fetched, while the fetch after
// that is under way: the records between the two are read all the same (invariant 4).
func endsBeforeWhatWasFetchedAhead(t *testing.T, w *world) {
	t.Helper()
	const due, chunk, more = 2100, 50, 500 // due: more than the 2,000 of one transaction
	w.config.Ticks, w.config.OfferGrace, w.config.Settle, w.config.BatchBytes = false, time.Second, time.Second, 64<<10
	m := w.start()
	require.Eventually(t, func() bool { return m.Ready() == nil }, 60*time.Second, time.Millisecond, "what others have left there is read")
	require.NoError(t, m.stop())

	var records []kafka.Record
	add := func(e *callback.Event, at time.Time) {
		r, err := w.codec.Lifecycle(e)
		require.NoError(t, err)
		r.Time = at
		records = append(records, r)
	}
	at := time.Now()
	sessions, _ := w.together(due)
	for _, s := range sessions {
		add(w.event(s, 0, 0, callback.OfferRejected, callback.Data{}), at)
	}
	for n := range more {
		arrives := at
		if n >= chunk/2 {
			arrives = at.Add(w.config.OfferGrace)
		}
		add(w.event(sessions[0], 1+n, 1+n, callback.Queued, callback.Data{}), arrives)
	}
	for len(records) > 0 {
		w.write(records[:chunk]...)
		records = records[chunk:]
	}
	m = w.start()
	w.await(m)
	require.EqualValues(t, due+more, m.Counts().Read)
	require.EqualValues(t, due+more, m.Counts().Applied)
}
