package consume

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/watchdog"
)

// Idle, waiting for a dependency and paused for an operator are alive; a batch that never ends is not.
func TestLive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		watch := watchdog.New(time.Minute)
		b.cfg.Watch = watch
		var before atomic.Pointer[func(stage string) error] // changed while the partition is at work
		b.store.before = func(stage string) error {
			if f := before.Load(); f != nil {
				return (*f)(stage)
			}
			return nil
		}
		now := func(f func(stage string) error) { before.Store(&f) }
		b.start()
		alive := func(doing string) {
			t.Helper()
			for range 20 {
				pass(30 * time.Second)
				require.NoError(t, watch.Live(), doing)
			}
		}
		alive("idle")

		now(func(string) error { return away() })
		b.log.add("a")
		pass(time.Second)
		require.Equal(t, Waiting, b.state())
		alive("waiting for the store (invariant 7)")
		before.Store(nil)
		pass(time.Minute)
		require.Equal(t, Running, b.state())

		stuck := make(chan struct{})
		now(func(stage string) error {
			if stage == "apply" {
				<-stuck
			}
			return nil
		})
		b.log.add("b")
		pass(59 * time.Second)
		require.NoError(t, watch.Live())
		pass(5 * time.Second)
		require.ErrorContains(t, watch.Live(), "sink test, partition 3 of t has not gone on for 1m")
		close(stuck)
		pass(time.Second)
		require.NoError(t, watch.Live())

		b.log.add(numbered("bad", 0, 60)...)
		pass(time.Minute)
		require.Equal(t, Paused, b.state())
		alive("paused")
		b.stop(t)
		pass(time.Hour)
		require.NoError(t, watch.Live(), "what was given away is not watched")
	})
}

// Caught up is asked of what was there when the partition was assigned, markers at the end among it, and never again.
func TestBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.cfg.BatchRecords = 4
		b.log.add(numbered("a", 0, 10)...)
		b.log.markers(2)
		gate := make(chan struct{})
		b.store.before = func(stage string) error {
			if stage == "apply" {
				<-gate
			}
			return nil
		}
		b.start()
		pass(time.Second)
		require.Equal(t, Running, b.state())
		require.Equal(t, int64(12), b.status.Behind())
		gate <- struct{}{}
		pass(time.Second)
		require.Equal(t, int64(8), b.status.Behind())
		b.log.add("later") // is no part of it
		gate <- struct{}{}
		gate <- struct{}{}
		pass(time.Second)
		require.Zero(t, b.status.Behind(), "the end of then is reached, with one more to come")
		require.NotContains(t, b.store.seen().applied, "later")
		close(gate)
		pass(time.Second)
		require.Contains(t, b.store.seen().applied, "later")
		require.Zero(t, b.status.Behind())
		b.stop(t)
	})
}

// An end that cannot be read, behind a transaction that is open, is not waited for.
func TestBehindAnOpenTransaction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.add("a")
		b.log.open(3)
		b.start()
		pass(10 * time.Second)
		require.Contains(t, b.store.seen().applied, "a")
		require.Zero(t, b.status.Behind())
		b.stop(t)
	})
}
