package tserver

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/kafka"
)

func TestFormerOwnerLoses(t *testing.T) { // invariant 5
	t.Parallel()
	r := newRig(t, nil)
	b := r.batch(event("a", 1, 0))
	r.done(b)
	late := r.batch(event("b", 1, 0))
	late.Expected = nil
	_, err := r.apply(t.Context(), late)
	require.ErrorIs(t, err, infomart.ErrPositionMoved)
	require.Equal(t, int64(1), r.stored())
}

// slowLedger is a ledger whose answer is long in coming.
type slowLedger struct {
	infomart.Ledger
	pass func()
}

func (l slowLedger) Sending(ctx context.Context, entries []infomart.LedgerEntry) error {
	defer l.pass()
	return l.Ledger.Sending(ctx, entries)
}

// The time that the ledger took counts too: the process may have stood still in it.
func TestAFormerOwnerThatWaitedForTheLedgerSendsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	stoodStill := time.Duration(0)
	r.handler.now = func() time.Time { return now.Add(stoodStill) }
	r.handler.ledger = slowLedger{r.store, func() { stoodStill = time.Minute }}
	b := r.batch(event("a", 1, 0))
	b.Owned = func(context.Context) error { return kafka.ErrRebalanced }
	_, err := r.apply(t.Context(), b)
	require.ErrorIs(t, err, kafka.ErrRebalanced)
	require.Empty(t, r.gateway.sent)
}

// A process that stood still for longer than the group waits for it asks first, and sends nothing more where the
// partition has another owner; where it has not, it goes on (invariant 8).
func TestAFormerOwnerSendsNothing(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]error{"put out": kafka.ErrRebalanced, "still its own": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(c *Config) { c.Parallel = 1 })
			var stoodStill atomic.Int64
			r.handler.now = func() time.Time { return now.Add(time.Duration(stoodStill.Load())) }
			r.gateway.answer = func(key string, _ int) error {
				if key == "a/1" {
					stoodStill.Store(int64(time.Minute)) // as by SIGSTOP
				}
				return nil
			}
			asked := 0
			b := r.batch(event("a", 1, 0), event("a", 2, 0), event("b", 1, 0))
			b.Owned = func(context.Context) error {
				asked++
				stoodStill.Add(int64(time.Minute)) // and while it waits for the answer
				return lost
			}
			_, err := r.apply(t.Context(), b)
			require.Equal(t, map[bool]int{true: 2, false: 1}[lost == nil], asked, "once refused is refused")
			if lost == nil {
				require.NoError(t, err)
				require.Equal(t, []string{"a/1", "a/2", "b/1"}, r.gateway.sent)
				return
			}
			require.ErrorIs(t, err, kafka.ErrRebalanced)
			require.Equal(t, []string{"a/1"}, r.gateway.sent)
		})
	}
}
