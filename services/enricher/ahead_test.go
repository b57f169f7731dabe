package enricher_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/embedded/broker"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
)

// A batch that makes more due than one transaction takes ends in the middle of what was fetched, while the fetch after
// that is under way: the records between the two are read all the same (invariant 4).
func TestABatchThatEndsBeforeWhatWasFetchedAhead(t *testing.T) {
	t.Parallel()
	b, err := broker.Start(broker.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	w := newWorld(t, b.Addrs())
	w.config.BatchBytes = 64 << 10

	const sessions, chunk = 2100, 50
	var records []kafka.Record
	add := func(e *callback.Event, at time.Time) {
		r, err := w.codec.Lifecycle(e)
		require.NoError(t, err)
		r.Time = at
		records = append(records, r)
	}
	var first int32 = -1
	for s := 0; len(records) < sessions; s++ {
		e := w.event(s, 0, 0, callback.Requested, callback.Data{CallbackType: ptr("IMMEDIATE")})
		switch n := kafka.PartitionForKey([]byte(e.Subject), partitions); {
		case first < 0:
			first = n
			fallthrough
		case n == first:
			add(e, epoch)
		}
	}
	for n := range 10 * chunk {
		at := epoch
		if n >= chunk/2 {
			at = epoch.Add(27 * time.Hour)
		}
		add(w.event(0, 1+n, 1+n, callback.Queued, callback.Data{}), at)
	}
	for len(records) > 0 {
		w.write(records[:chunk]...)
		records = records[chunk:]
	}
	m := w.start()
	w.await(m)
	require.Equal(t, w.ends(topic.Lifecycle)[first], m.Counts().Read)
	require.EqualValues(t, sessions+10*chunk, m.Counts().Applied)
}
