package consume

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
)

func discard() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// forgetful is a store that says nothing of the last record of a batch.
type forgetful struct{ *fakeStore }

func (f forgetful) Apply(ctx context.Context, b *Batch[string], reject Reject) (Outcome, error) {
	o, err := f.fakeStore.Apply(ctx, b, reject)
	o.Applied--
	return o, err
}

func at(next, last int64, id string, t time.Time) *infomart.Position {
	return &infomart.Position{Next: next, LastOffset: last, LastID: id, LastTime: t}
}

func TestAssignment(t *testing.T) {
	t.Parallel()
	ms := func(offset int64) time.Time { return epoch.Add(time.Duration(offset) * time.Millisecond) }
	for name, tc := range map[string]struct {
		pos     *infomart.Position
		start   int64 // of the log, which ends at 10 with the records 0 to 7 and two markers
		accept  bool
		from    int64 // first offset applied; 8 is none
		err     string
		expired float64
	}{
		"no position: from the beginning":                   {nil, 0, false, 0, "", 0},
		"no position, the beginning is gone: what is there": {nil, 4, false, 4, "", 0},
		"goes on after the last":                            {at(5, 4, "id-4", ms(4)), 0, false, 5, "", 0},
		"at the end":                                        {at(10, 7, "id-7", ms(7)), 0, false, 8, "", 0},
		"past markers without a record":                     {at(9, 7, "id-7", ms(7)), 0, false, 8, "", 0},
		"markers alone so far":                              {at(0, -1, "", time.Time{}), 0, false, 0, "", 0},
		"time compared to the millisecond":                  {at(5, 4, "id-4", ms(4).Add(300*time.Microsecond)), 0, false, 5, "", 0},
		"recreated: another id":                             {at(5, 4, "id-x", ms(4)), 0, false, 8, "at offset 4 lies another record", 0},
		"recreated: another time":                           {at(5, 4, "id-4", ms(5)), 0, false, 8, "at offset 4 lies another record", 0},
		"recreated: no record there":                        {at(10, 8, "id-8", ms(8)), 0, false, 8, "there is no record at offset 8", 0},
		"recreated: past the end":                           {at(11, 7, "id-7", ms(7)), 0, false, 8, "the stored position is 11, and the log ends at 10", 0},
		"the last record is expired, no other":              {at(5, 4, "id-4", ms(4)), 5, false, 5, "", 1},
		"records are expired":                               {at(3, 2, "id-2", ms(2)), 5, false, 8, "records from offset 3 to 4 were removed by retention", 1},
		"records are expired, accepted":                     {at(3, 2, "id-2", ms(2)), 5, true, 5, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.log.add(numbered("r", 0, 8)...)
				b.log.markers(2)
				b.log.expire(tc.start)
				b.store.pos = tc.pos
				b.cfg.AcceptExpired = tc.accept
				b.start()
				pass(time.Second)
				if tc.err != "" {
					err := <-b.done
					require.ErrorContains(t, err, tc.err)
					require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
					require.Empty(t, b.store.seen().applied)
				} else {
					require.Equal(t, Running, b.state())
					require.Len(t, b.store.seen().applied, int(8-tc.from))
					for i := tc.from; i < 8; i++ {
						require.Contains(t, b.store.seen().applied, numbered("r", int(i), 1)[0])
					}
					b.stop(t)
				}
				require.Equal(t, tc.expired, counter(t, b.metrics.expiredC, "t"))
			})
		})
	}
}

// A topic that is made anew, or whose retention overtakes the sink, while it reads.
func TestOutOfRangeWhileReading(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*fakeLog)
		err    string
	}{
		"made anew": {func(l *fakeLog) { l.mu.Lock(); l.records, l.start, l.end = nil, 0, 0; l.mu.Unlock() }, "the topic was made anew"},
		"overtaken": {func(l *fakeLog) { l.markers(20); l.expire(15) }, "removed by retention before they were read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.log.add(numbered("r", 0, 8)...)
				b.start()
				pass(time.Second)
				b.log.mu.Lock()
				b.log.fail = away
				b.log.mu.Unlock()
				pass(time.Second)
				tc.change(b.log)
				b.log.mu.Lock()
				b.log.fail = nil
				b.log.mu.Unlock()
				err := <-b.done
				require.ErrorContains(t, err, tc.err)
				require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
			})
		})
	}
}

// A topic that is made anew while the store is away, and grows past the position: nothing of it is taken for what
// came next (invariant 4).
func TestALogMadeAnewWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var down atomic.Bool
		b.store.before = func(stage string) error {
			if stage == "apply" && down.Load() {
				return away()
			}
			return nil
		}
		b.log.add(numbered("r", 0, 3)...)
		b.start()
		pass(time.Second)
		down.Store(true)
		b.log.add("r3")
		pass(time.Minute)
		b.log.remake(numbered("other", 0, 20)...)
		down.Store(false)
		pass(2 * b.cfg.RetryMax)
		err := <-b.done
		require.ErrorIs(t, err, ErrPosition)
		require.ErrorContains(t, err, "at offset 3 lies another record")
		require.Equal(t, map[string]int{"r0": 1, "r1": 1, "r2": 1, "r3": 1}, b.store.seen().applied)
	})
}
