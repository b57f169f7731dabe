package consume

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/infomart"
)

// The next batch is fetched and decoded while the store is at work on the one before it;
// what comes of it is the same.
func TestReadsAheadWhileTheStoreIsAtWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.add(numbered("r", 100, 150)...)
		b.cfg.BatchBytes = 100 * len("r000") // a page is a batch
		release := make(chan struct{})
		var decoded atomic.Int64
		b.store.before = func(stage string) error {
			switch stage {
			case "decode":
				decoded.Add(1)
			case "apply":
				<-release
			}
			return nil
		}
		b.start()
		pass(time.Second)
		require.Empty(t, b.store.seen().batches)
		require.Equal(t, int64(150), decoded.Load(), "the second batch is ready")
		b.log.add("r250")
		close(release)
		pass(time.Second)
		require.Equal(t, int64(151), decoded.Load(), "no record is decoded twice")
		require.Equal(t, int64(151), b.store.seen().pos.Next)
		require.Equal(t, int64(151), balanced(t, b.metrics).Applied)
		require.Empty(t, b.logs.String())
		b.stop(t)
	})
}

// What was read ahead is nobody's once the partition is lost, and Run leaves nothing behind.
func TestReadingAheadEndsWithTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.add("r0")
		b.store.before = func(stage string) error {
			if stage == "apply" {
				return infomart.ErrPositionMoved
			}
			return nil
		}
		b.start()
		require.ErrorIs(t, <-b.done, infomart.ErrPositionMoved)
		require.Empty(t, b.store.seen().applied)
	}) // synctest fails where a goroutine is left
}

// Bad records that were read ahead are set aside in their turn, with the same rules.
func TestReadAheadKeepsTheRulesForBadRecords(t *testing.T) { // invariant 7
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.cfg.BatchRecords = 20
		for i := range 60 {
			b.log.add(fmt.Sprint("r", i), fmt.Sprint("bad", i))
		}
		b.log.add(numbered("bad", 60, 60)...)
		b.start()
		pass(time.Minute)
		require.Equal(t, Paused, b.state())
		require.Len(t, b.store.seen().byID, 60)
		require.Equal(t, int64(120), b.store.seen().pos.Next)
		b.stop(t)
	})
}

// lateCommit commits the first batch only after its outcome was looked for: the session
// that broke was still at it on the server's side.
type lateCommit struct {
	*fakeStore
	tries int
	late  *Batch[string]
}

func (l *lateCommit) Apply(ctx context.Context, b *Batch[string], reject Reject) (Outcome, error) {
	l.tries++
	switch l.tries {
	case 1:
		l.late = b
		return Outcome{}, away()
	case 2:
		if _, err := l.fakeStore.Apply(ctx, l.late, reject); err != nil {
			return Outcome{}, err
		}
	}
	return l.fakeStore.Apply(ctx, b, reject)
}

// Invariant 2: an own commit that comes late is no other owner's, and its records are counted.
func TestOwnCommitThatComesLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.add("r0", "refuse1", "r2")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		p := NewPartition(b.cfg, b.log, &lateCommit{fakeStore: b.store}, b.store, b.metrics, discard(), NewStatus(func() {}))
		go func() { done <- p.Run(ctx) }()
		pass(time.Second)
		c := balanced(t, b.metrics)
		require.Equal(t, int64(3), c.Read)
		require.Equal(t, int64(2), c.Applied)
		require.Equal(t, int64(1), c.DeadLettered)
		require.Len(t, b.store.seen().letters, 1)
		b.log.add("r3")
		pass(time.Second)
		require.Equal(t, int64(4), b.store.seen().pos.Next, "it goes on")
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

// A schema id that was unknown once, and known since, is waited for anew.
func TestUnknownSchemaWaitsEachTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		know := func(yes bool) {
			b.store.mu.Lock()
			defer b.store.mu.Unlock()
			b.store.known[7] = yes
		}
		b.log.add("\x00\x00\x00\x00\x07a")
		b.start()
		pass(10 * time.Second)
		require.Equal(t, Waiting, b.state())
		know(true)
		pass(20 * time.Second)
		require.Len(t, b.store.seen().applied, 1)

		pass(time.Hour)
		know(false)
		b.log.add("\x00\x00\x00\x00\x07b")
		pass(20 * time.Second)
		require.Equal(t, Waiting, b.state())
		require.Empty(t, b.store.seen().letters)
		pass(20 * time.Second)
		require.Len(t, b.store.seen().letters, 1, "after 30 s it is bad data")
		b.stop(t)
	})
}
