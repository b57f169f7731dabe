package consume

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
)

func counter(t *testing.T, v *prometheus.CounterVec, labels ...string) float64 {
	t.Helper()
	return testutil.ToFloat64(v.WithLabelValues(labels...))
}

func TestOneBadRecordAmong500(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.add(numbered("r", 0, 250)...)
		b.log.add("bad")
		b.log.add(numbered("r", 250, 249)...)
		b.start()
		pass(time.Second)
		c := balanced(t, b.metrics)
		require.Equal(t, int64(499), c.Applied)
		require.Equal(t, int64(1), c.DeadLettered)
		require.Len(t, b.store.seen().letters, 1)
		d := b.store.seen().letters[0]
		require.Equal(t, "infomart/t/3/250", d.ID())
		require.Equal(t, callback.ReasonUndecodable, d.Reason)
		require.Equal(t, []byte("bad"), d.RecordValue)
		require.Equal(t, Running, b.state())
		b.stop(t)
	})
}

func TestLagGrowsInAPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.add(numbered("bad", 0, 100)...)
		b.start()
		pass(time.Minute)
		require.Equal(t, Paused, b.state())
		next := b.store.seen().pos.Next
		b.log.add(numbered("r", 0, 50)...)
		pass(2 * b.cfg.RetryMax)
		require.Equal(t, float64(150-next), testutil.ToFloat64(b.metrics.lagG.WithLabelValues("t", "3")))
		b.stop(t)
	})
}

// invariant 7: a topic that turns all bad is paused before it is all dead letters,
// the window survives batches and restarts, and an operator decides.
func TestPoisonedPartitionPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.cfg.BatchRecords = 7
		b.log.add(numbered("r", 0, 300)...)
		b.log.add(numbered("bad", 0, 400)...)
		b.log.add(numbered("r", 300, 5)...)
		b.start()
		pass(time.Minute)
		state, reason := b.status.State()
		require.Equal(t, Paused, state)
		require.Equal(t, "paused at offset 400: 100 of the last 200 records could not be decoded, and nor can this one; accept up to an offset to go on", reason)
		require.Len(t, b.store.seen().byID, 100)
		require.Equal(t, int64(400), b.store.seen().pos.Next)
		require.Equal(t, 1.0, testutil.ToFloat64(b.metrics.pausedG.WithLabelValues("t", "3")))

		b.stop(t)
		b.start()
		pass(time.Hour)
		require.Equal(t, Paused, b.state(), "a restart does not forget")
		require.Len(t, b.store.seen().byID, 100)

		require.ErrorContains(t, b.status.Accept(399), "paused at offset 400")
		require.NoError(t, b.status.Accept(410))
		pass(time.Second)
		_, reason = b.status.State()
		require.Contains(t, reason, "paused at offset 460", "accepted to 410; 49 more until the rule applies again")
		require.Len(t, b.store.seen().byID, 160)

		require.NoError(t, b.status.Accept(699))
		pass(time.Second)
		require.Equal(t, Running, b.state())
		require.ErrorContains(t, b.status.Accept(1000), "not paused but running")
		require.Len(t, b.store.seen().byID, 400)
		require.Len(t, b.store.seen().letters, 400)
		require.Len(t, b.store.seen().applied, 305)
		balanced(t, b.metrics)
		require.Equal(t, 0.0, testutil.ToFloat64(b.metrics.pausedG.WithLabelValues("t", "3")))
		b.stop(t)
	})
}

// Records that can be read but not used never pause (invariant 7).
func TestRejectedRecordsNeverPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.add(numbered("refuse", 0, 500)...)
		b.start()
		pass(time.Second)
		require.Equal(t, Running, b.state())
		require.Equal(t, int64(500), balanced(t, b.metrics).DeadLettered)
		require.Equal(t, []string{"_CB_X"}, b.store.seen().letters[0].Missing)
		b.stop(t)
	})
}

func framed(id uint32, s string) string {
	return string(binary.BigEndian.AppendUint32([]byte{0}, id)) + s
}

func TestUnknownSchemaIsBadOnlyAfter30Seconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.add("r0", framed(7, "a"), framed(7, "b"), "r1")
		b.start()
		pass(29 * time.Second)
		state, reason := b.status.State()
		require.Equal(t, Waiting, state)
		require.Contains(t, reason, "schema id 7")
		require.Equal(t, map[string]int{"r0": 1}, b.store.seen().applied)
		require.Empty(t, b.store.seen().letters)
		require.Greater(t, counter(t, b.metrics.unknown, "t"), 3.0)
		pass(2 * time.Second)
		require.Equal(t, map[string]int{"r0": 1, "r1": 1}, b.store.seen().applied, "the second record of that id waits no other 30 s")
		require.Len(t, b.store.seen().letters, 2)
		require.Equal(t, callback.ReasonUnknownSchema, b.store.seen().letters[0].Reason)
		balanced(t, b.metrics)
		b.stop(t)
	})
}

// Garbage that looks framed names another schema in each record; they wait side by side.
func TestManyUnknownSchemasWaitTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for i := range uint32(40) {
			b.log.add(fmt.Sprint("r", i), framed(1000+i, "x"))
		}
		b.start()
		pass(35 * time.Second)
		require.Len(t, b.store.seen().applied, 40)
		require.Len(t, b.store.seen().letters, 40)
		b.stop(t)
	})
}

func TestSchemaThatBecomesKnownIsApplied(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.add(framed(7, "a"), "r1")
		b.start()
		pass(20 * time.Second)
		b.store.mu.Lock()
		b.store.known[7] = true
		b.store.mu.Unlock()
		pass(11 * time.Second)
		require.Len(t, b.store.seen().applied, 2)
		require.Empty(t, b.store.seen().letters)
		b.stop(t)
	})
}

// Killed at any step and started again, with the store's answers lost at times: what
// was applied and what was dead-lettered is what one run gives (invariants 2, 4, 5).
func TestKillAtEveryStep(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 1))
				b := newBench(t)
				b.cfg.BatchRecords = 1 + rng.IntN(40)
				var applied, letters int
				for i := range 300 {
					switch {
					case rng.IntN(20) == 0:
						b.log.add(fmt.Sprint("bad", i))
						letters++
					case rng.IntN(20) == 0:
						b.log.add(fmt.Sprint("refuse", i))
						letters++
					default:
						b.log.add(fmt.Sprint("r", i))
						applied++
					}
					if rng.IntN(10) == 0 {
						b.log.markers(int64(rng.IntN(3)))
					}
				}
				end := b.log.end
				var steps sync.Mutex
				calm, killed := false, false
				step := func(string) error {
					steps.Lock()
					defer steps.Unlock()
					if calm || killed {
						return nil
					}
					switch rng.IntN(12) {
					case 0:
						killed = true
						b.cancel()
						return away()
					case 1:
						return away()
					}
					return nil
				}
				b.store.before, b.store.after = step, step
				for restarts := 0; ; restarts++ {
					require.Less(t, restarts, 100)
					steps.Lock()
					killed, calm = false, restarts > 40
					steps.Unlock()
					b.start()
					for b.status.Next() < end && len(b.done) == 0 {
						pass(time.Second)
					}
					if b.status.Next() == end && len(b.done) == 0 {
						break
					}
					require.ErrorIs(t, <-b.done, context.Canceled)
				}
				b.stop(t)
				require.Len(t, b.store.seen().applied, applied)
				for v, n := range b.store.seen().applied {
					require.Equal(t, 1, n, "%s: the position moves with the effects", v)
				}
				require.Len(t, b.store.seen().byID, letters)
				c := balanced(t, b.metrics)
				require.LessOrEqual(t, c.Read, int64(300))
			})
		})
	}
}
