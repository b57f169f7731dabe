package tserver

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/gateway"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/services/sink/consume"
)

func TestSendsAndRecordsOnAcknowledgement(t *testing.T) { // invariant 8
	t.Parallel()
	r := newRig(t, func(c *Config) { c.CustomerID = "Environment" })
	b := r.batch(event("a", 1, 0), attached("a", "call-1"))
	require.Equal(t, consume.Outcome{Applied: 2, ByState: acked(2)}, r.done(b))
	e := r.gateway.events[0]
	require.Equal(t, "REPORTING", e.DN)
	require.Equal(t, "SIP_Switch", e.Switch)
	require.Equal(t, "777", e.ANI)
	require.Equal(t, "Environment", e.CustomerID)
	require.Equal(t, "a/1", e.IdempotencyKey)
	require.Equal(t, gateway.UserData(b.Items[0].Value.event), e.UserData)
	require.Equal(t, "call-1", r.gateway.calls[0].IxnID)
	require.NotEqual(t, e.ReferenceID, r.gateway.calls[0].ReferenceID)
	got := r.entry("a/1")
	require.Equal(t, infomart.StateAcked, got.State)
	require.Equal(t, 1, got.Attempts)
	require.Equal(t, int64(e.ReferenceID), got.ReferenceID)
	require.Equal(t, int64(2), r.stored())
}

func TestRedeliverySendsNothing(t *testing.T) { // invariants 5, 8
	t.Parallel()
	r := newRig(t, func(c *Config) { c.DataErrorCodes = []int{9} })
	r.gateway.answer = func(key string, _ int) error {
		if key == "refused/1" {
			return eventError(9)
		}
		return nil
	}
	messages := func() []*Message {
		return []*Message{event("a", 1, 0), event("refused", 1, 0), event("old", 1, 2*time.Hour), event("a", 1, 0)}
	}
	o := r.done(r.batch(messages()...))
	require.Equal(t, 1, o.AlreadyApplied, "the same UserEvent twice in one batch")
	require.Equal(t, 1, o.Rejected)
	n := len(r.gateway.sent)
	r.restart()
	require.Equal(t, consume.Outcome{AlreadyApplied: 4, ByState: map[infomart.SendState]int{}}, r.done(r.batch(messages()...)))
	require.Len(t, r.gateway.sent, n)
}

// What a crash leaves SENDING is sent again, and the attempts say why (invariant 8).
func TestCrashBetweenSendAndRecordSendsAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.done(r.batch(event("x", 1, 0)))
	b := r.batch(event("a", 1, 0), event("b", 1, 2*time.Hour))
	r.reject = fault.Outagef("broker away") // after the sends, before anything is recorded
	_, err := r.apply(t.Context(), b)
	requireOutage(t, err)
	require.Equal(t, infomart.StateSending, r.entry("a/1").State)
	require.Equal(t, int64(1), r.stored())

	r.reject = nil
	r.restart()
	again := &consume.Batch[*Message]{PositionKey: b.PositionKey, Expected: b.Expected, To: b.To, Items: b.Items}
	o := r.done(again)
	require.Equal(t, 1, o.ByState[infomart.StateAcked])
	require.Equal(t, []string{"x/1", "a/1", "a/1"}, r.gateway.sent)
	got := r.entry("a/1")
	require.Equal(t, infomart.StateAcked, got.State)
	require.Equal(t, 2, got.Attempts)
	require.Equal(t, r.gateway.events[1].ReferenceID, r.gateway.events[2].ReferenceID, "a repeat has the same reference id")
}

// An outage of T-Server moves nothing, and what was acknowledged before it is not
// sent again, by this sink or by its successor (invariants 7, 8).
func TestOutageInTheMiddleOfABatch(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart %v", restart), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(c *Config) { c.Parallel = 1 })
			r.done(r.batch(event("x", 1, 0)))
			down := true
			r.gateway.answer = func(key string, _ int) error {
				if down && key == "b/1" {
					return errAway
				}
				return nil
			}
			b := r.batch(event("a", 1, 0), event("b", 1, 0), event("b", 2, 0), event("c", 1, 0))
			_, err := r.apply(t.Context(), b)
			requireOutage(t, err)
			require.NotContains(t, r.gateway.sent, "b/2", "in order within a session")
			require.NotContains(t, r.gateway.sent, "c/1", "an outage stops all")
			require.Equal(t, infomart.StateAcked, r.entry("a/1").State, "recorded although the batch waits")
			require.Equal(t, int64(1), r.stored())
			require.Empty(t, r.letters)

			down = false
			if restart {
				r.restart()
				b = &consume.Batch[*Message]{PositionKey: b.PositionKey, Expected: b.Expected, To: b.To, Items: b.Items}
			}
			o := r.done(b)
			require.Equal(t, []string{"x/1", "a/1", "b/1", "b/1", "b/2", "c/1"}, r.gateway.sent)
			if restart {
				require.Equal(t, consume.Outcome{Applied: 3, AlreadyApplied: 1, ByState: acked(3)}, o)
			} else {
				require.Equal(t, consume.Outcome{Applied: 4, ByState: acked(4)}, o)
			}
			require.Equal(t, 2, r.entry("b/1").Attempts)
		})
	}
}

// invariant 7: a code that does not tell of bad data waits and says so, and holds up
// its session alone.
func TestUnlistedEventErrorWaits(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) { c.DataErrorCodes = []int{9} })
	r.gateway.answer = func(key string, n int) error {
		if key == "b/1" && n < 3 {
			return eventError(50)
		}
		return nil
	}
	b := r.batch(event("a", 1, 0), event("b", 1, 0), event("b", 2, 0), event("c", 1, 0))
	for range 2 {
		_, err := r.apply(t.Context(), b)
		requireOutage(t, err)
		require.ErrorContains(t, err, "EventError 50")
		require.ErrorContains(t, err, "TSERVER_DATA_ERROR_CODES")
		require.NotContains(t, r.gateway.sent, "b/2")
		require.Contains(t, r.gateway.sent, "c/1")
		require.Empty(t, r.letters)
	}
	require.Equal(t, consume.Outcome{Applied: 4, ByState: acked(4)}, r.done(b))
	require.Equal(t, map[string]int{"a/1": 1, "b/1": 3, "b/2": 1, "c/1": 1}, r.gateway.counts)
}

func TestListedEventErrorIsDeadLettered(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) { c.DataErrorCodes = []int{9, 71} })
	r.gateway.answer = func(key string, _ int) error {
		switch key {
		case "a/1":
			return eventError(71)
		case "b/1":
			return fmt.Errorf("gateway: %w", callback.Bad(callback.ReasonRefused, "the value has 70000 bytes"))
		}
		return nil
	}
	o := r.done(r.batch(event("a", 1, 0), event("a", 2, 0), event("b", 1, 0)))
	require.Equal(t, consume.Outcome{Applied: 1, Rejected: 2, ByState: acked(1)}, o)
	require.Equal(t, callback.ReasonRefused, r.letters[0].Reason)
	require.Contains(t, r.letters[0].Detail, "EventError 71")
	require.Equal(t, "the value has 70000 bytes", r.letters[2].Detail)
	got := r.entry("a/1")
	require.Equal(t, infomart.StateRefused, got.State)
	require.Equal(t, int64(71), got.ErrorCode)
}

func TestOptionsAreThoseOfTheService(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.handler.services.byName = map[string]Options{"vip": {true, "VIP", "SIP_2", 5}}
	vip, m, call := "vip", event("a", 1, 0), attached("b", "call-1")
	m.Service, call.Service = &vip, &vip
	r.done(r.batch(m, call))
	e := r.gateway.events[0]
	require.Equal(t, Options{true, "VIP", "SIP_2", 5}, Options{true, e.DN, e.Switch, e.MediaType})
	require.Equal(t, "SIP_2", r.gateway.calls[0].Switch)
}

func TestCallGoneAndDisabled(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.handler.services.byName = map[string]Options{"quiet": {Enable: false}}
	r.gateway.answer = func(string, int) error { return fmt.Errorf("gateway: %w", gateway.ErrCallGone) }
	quiet := "quiet"
	disabled := event("d", 1, 0)
	disabled.Service = &quiet
	o := r.done(r.batch(attached("a", "call-1"), disabled))
	require.Equal(t, consume.Outcome{Applied: 2, ByState: map[infomart.SendState]int{infomart.StateCallGone: 1, infomart.StateDisabled: 1}}, o)
	require.Equal(t, []string{"a/accepted"}, r.gateway.sent)
}

func TestMisconfigurationStops(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.gateway.answer = func(string, int) error { return fault.Misconfigf("the gateway refuses the token") }
	_, err := r.apply(t.Context(), r.batch(event("a", 1, 0)))
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
}

// Sessions run side by side up to the bound, each in order (invariant 8).
func TestSessionsRunSideBySideInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.Parallel = 5 })
		var messages []*Message
		for sequence := range int32(4) {
			for s := range 20 {
				messages = append(messages, event(fmt.Sprint("s", s), sequence+1, 0))
			}
		}
		r.gateway.gate = make(chan struct{})
		go func() {
			synctest.Wait() // every sender that may run has a send under way
			for range messages {
				r.gateway.gate <- struct{}{}
			}
		}()
		r.done(r.batch(messages...))
		require.Equal(t, 5, r.gateway.most)
		last := map[string]int{}
		for _, key := range r.gateway.sent {
			var s, n int
			_, err := fmt.Sscanf(key, "s%d/%d", &s, &n)
			require.NoError(t, err)
			require.Equal(t, last[fmt.Sprint(s)]+1, n, key)
			last[fmt.Sprint(s)] = n
		}
	})
}

// A sink that is told to stop sees its batch through, so that nothing that was
// acknowledged goes unrecorded, but not for ever.
func TestStopDrainsTheBatch(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answers bool
		after   time.Duration
	}{"T-Server answers": {true, 0}, "it does not": {false, 10 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				r.gateway.gate = make(chan struct{})
				ctx, cancel := context.WithCancel(t.Context())
				b := r.batch(event("a", 1, 0))
				stopped := make(chan error, 1)
				go func() { _, err := r.apply(ctx, b); stopped <- err }()
				synctest.Wait()
				cancel()
				at := time.Now()
				synctest.Wait()
				require.Empty(t, stopped)
				if tc.answers {
					close(r.gateway.gate)
				}
				err := <-stopped
				require.Equal(t, tc.after, time.Since(at))
				if !tc.answers {
					require.Error(t, err)
					require.Equal(t, infomart.StateSending, r.entry("a/1").State)
					return
				}
				require.NoError(t, err)
				require.Equal(t, infomart.StateAcked, r.entry("a/1").State)
				require.Equal(t, int64(1), r.stored())
			})
		})
	}
}
