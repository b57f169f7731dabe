package consume

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
)

func numbered(prefix string, from, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%d", prefix, from+i)
	}
	return out
}

// balanced checks invariant 2 and returns the counts.
func balanced(t *testing.T, m *Metrics) Counts {
	t.Helper()
	c := m.Counts()
	require.Equal(t, c.Read, c.Applied+c.AlreadyApplied+c.DeadLettered, "invariant 2")
	return c
}

func TestAppliesFromTheBeginningAndGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.add(numbered("r", 0, 250)...)
		b.start()
		pass(time.Second)
		require.Equal(t, []int{100, 100, 50}, b.store.seen().batches, "batches of at most 100")
		require.Equal(t, int64(250), b.status.Next())

		b.stop(t)
		b.log.markers(2)
		b.log.add(numbered("r", 250, 10)...)
		b.start()
		pass(time.Second)
		require.Equal(t, infomart.Position{Next: 262, LastOffset: 261, LastID: "id-261", LastTime: epoch.Add(261 * time.Millisecond)}, *b.store.seen().pos)
		c := balanced(t, b.metrics)
		require.Equal(t, int64(260), c.Applied)
		for v, n := range b.store.seen().applied {
			require.Equal(t, 1, n, v)
		}
		require.Equal(t, Running, b.state())
		require.Empty(t, b.logs.String(), "normal work logs nothing")
		b.stop(t)
	})
}

func TestBatchFillsByLatency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.start()
		synctest.Wait()
		for i := range 4 {
			b.log.add(fmt.Sprint("r", i))
			pass(10 * time.Millisecond)
		}
		require.Empty(t, b.store.seen().batches, "the batch still fills")
		pass(20 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, []int{4}, b.store.seen().batches)
		b.stop(t)
	})
}

// Position.Next goes past markers and aborted records (invariant 4): with the next
// batch, or after a while of idleness.
func TestPositionGoesPastMarkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.add("r0")
		b.log.markers(1)
		b.log.add("r1")
		b.log.markers(1)
		b.start()
		pass(time.Second)
		require.Equal(t, int64(4), b.store.seen().pos.Next)
		require.Equal(t, int64(2), b.store.seen().pos.LastOffset)
		b.log.markers(5)
		pass(time.Second)
		require.Equal(t, int64(9), b.status.Next(), "shown at once")
		require.Equal(t, int64(4), b.store.seen().pos.Next, "stored lazily")
		pass(6 * time.Second)
		require.Equal(t, int64(9), b.store.seen().pos.Next)
		require.Equal(t, int64(2), b.store.seen().pos.LastOffset)
		n := len(b.store.seen().batches)
		pass(time.Minute)
		require.Len(t, b.store.seen().batches, n, "nothing more to store")
		b.stop(t)
	})
}

func TestPositionGoesPastMarkersBetweenBatches(t *testing.T) { // invariant 4
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.cfg.BatchRecords = 1
		for i := range 3 {
			b.log.add(fmt.Sprint("r", i))
			b.log.markers(2)
		}
		b.start()
		pass(time.Second)
		require.Equal(t, []int64{3, 6, 9}, b.store.seen().nexts)
		b.stop(t)
	})
}

// invariant 7: an outage at any stage is waited out; nothing is dead-lettered, no position moves.
func TestOutageAtEveryStage(t *testing.T) {
	t.Parallel()
	for _, stage := range []string{"position", "fetch", "decode", "letters", "apply", "committed"} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.log.add("r0", "bad1", "refuse2", "r3")
				var up atomic.Bool
				fail := func(at string) error {
					if !up.Load() && at == stage {
						return away()
					}
					return nil
				}
				b.store.before = fail
				b.log.fail = func() error { return fail("fetch") }
				if stage == "committed" { // the commit succeeds and its answer is lost
					var lost atomic.Bool
					b.store.before = func(string) error {
						if lost.Load() && !up.Load() {
							return away()
						}
						return nil
					}
					b.store.after = func(at string) error {
						if !up.Load() && at == "apply" {
							lost.Store(true)
							return away()
						}
						return nil
					}
				}
				b.start()
				pass(time.Hour)
				state, reason := b.status.State()
				require.Equal(t, Waiting, state)
				require.Contains(t, reason, "away")
				if stage != "committed" {
					require.Nil(t, b.store.seen().pos, "no position moved")
					require.Empty(t, b.store.seen().applied)
				}
				if stage != "apply" && stage != "committed" {
					require.Empty(t, b.store.seen().letters, "nothing dead-lettered")
				}
				require.Zero(t, b.metrics.Counts().Read)
				require.Equal(t, 1, strings.Count(b.logs.String(), "msg=waiting"), "an outage is logged once")

				up.Store(true)
				pass(11 * time.Second) // RetryMax
				synctest.Wait()
				require.Equal(t, Running, b.state())
				c := balanced(t, b.metrics)
				require.Equal(t, Counts{
					Read: 4, Applied: 2, DeadLettered: 2, Outcomes: map[string]int64{},
					Reasons: map[callback.Reason]int64{callback.ReasonUndecodable: 1, callback.ReasonMissingKVP: 1},
				}, c)
				require.Equal(t, map[string]int{"r0": 1, "r3": 1}, b.store.seen().applied)
				require.Len(t, b.store.seen().letters, 2, "each dead letter is written once, however often it was tried")
				require.Equal(t, 1, strings.Count(b.logs.String(), `msg="going on"`))
				b.stop(t)
			})
		})
	}
}

func TestBackoffIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var at []time.Time
		b.log.fail = func() error { at = append(at, time.Now()); return away() }
		b.start()
		pass(5 * time.Minute)
		for i := 1; i < len(at); i++ {
			wait := at[i].Sub(at[i-1])
			most := min(b.cfg.RetryMax, b.cfg.RetryMin<<min(i-1, 20))
			require.GreaterOrEqual(t, wait, most/2, "wait %d", i)
			require.LessOrEqual(t, wait, most, "wait %d", i)
		}
		require.Greater(t, len(at), 25)
		require.Less(t, len(at), 75)
		b.stop(t)
	})
}

// The lag is what waits, also of what has come since the wait began.
func TestLagGrowsInAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var down atomic.Bool
		down.Store(true)
		b.store.before = func(stage string) error {
			if stage == "apply" && down.Load() {
				return away()
			}
			return nil
		}
		lag := func() float64 { return testutil.ToFloat64(b.metrics.lagG.WithLabelValues("t", "3")) }
		b.log.add("r0")
		b.start()
		pass(time.Second)
		require.Equal(t, 1.0, lag())
		b.log.add(numbered("r", 1, 20)...)
		pass(2 * b.cfg.RetryMax)
		require.Equal(t, 21.0, lag())
		down.Store(false)
		pass(2 * b.cfg.RetryMax)
		require.Zero(t, lag())
		b.stop(t)
	})
}

func TestRecordsBeforeAnOutageGoOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.add("r0", "r1", "r2")
		decoded := 0
		b.store.before = func(stage string) error {
			if stage == "decode" {
				if decoded++; decoded > 2 {
					return away()
				}
			}
			return nil
		}
		b.start()
		pass(time.Second)
		require.Equal(t, map[string]int{"r0": 1, "r1": 1}, b.store.seen().applied)
		require.Equal(t, int64(2), b.store.seen().pos.Next)
		b.stop(t)
	})
}

func TestOtherErrorsStop(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err   error
		class fault.Class
	}{
		"misconfiguration": {fault.Misconfigf("no such table"), fault.Misconfiguration},
		"bug":              {fmt.Errorf("nil map"), fault.Bug},
		"former owner":     {infomart.ErrPositionMoved, fault.Bug},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.log.add("r0")
				b.store.before = func(stage string) error {
					if stage == "apply" {
						return tc.err
					}
					return nil
				}
				b.start()
				err := <-b.done
				require.ErrorIs(t, err, tc.err)
				require.Equal(t, tc.class, fault.ClassOf(err))
				require.ErrorContains(t, err, "sink test, partition 3 of t")
				require.Nil(t, b.store.seen().pos)
			})
		})
	}
}

// invariant 5: a former owner that comes back late loses, even after an outage of its own.
func TestFormerOwnerLoses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.add("r0", "r1")
		var up atomic.Bool
		b.store.before = func(stage string) error {
			if !up.Load() && stage == "apply" {
				return away()
			}
			return nil
		}
		b.start()
		pass(time.Second)
		b.store.mu.Lock()
		b.store.pos = &infomart.Position{Next: 1, LastOffset: 0, LastID: "id-0", LastTime: epoch}
		b.store.mu.Unlock()
		up.Store(true)
		require.ErrorIs(t, <-b.done, infomart.ErrPositionMoved)
		require.Empty(t, b.store.seen().applied)
	})
}

// invariant 2: a store that loses a record is found out.
func TestUnbalancedBatchStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.add("r0", "r1")
		b.start()
		b.store.after = nil
		p := NewPartition(b.cfg, b.log, forgetful{newFakeStore()}, b.store, b.metrics, discard(), NewStatus(func() {}))
		require.ErrorContains(t, p.Run(t.Context()), "invariant 2 broken: of 2 records up to offset 1, 1 were applied")
		b.stop(t)
	})
}
