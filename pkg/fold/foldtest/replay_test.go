package foldtest_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fold"
	"github.com/ringback/ringback/pkg/fold/foldtest"
	"github.com/ringback/ringback/pkg/session"
)

// enrich runs the enricher's rules on the events in order of arrival, in batches, and
// then makes settle and offer grace due.
func enrich(t require.TestingT, arrivals []callback.Event, o fold.Options, cuts []int) (*session.Effects, session.Position) {
	p := session.NewPartition(session.Rules{Fold: o}, 0)
	const at = 1_772_500_000_000
	all := &session.Effects{}
	process := func(records []session.Record, next int64) {
		fx, err := p.Process(records, next)
		require.NoError(t, err)
		all.UserEvents = append(all.UserEvents, fx.UserEvents...)
		all.Attached = append(all.Attached, fx.Attached...)
		all.DeadLetters = append(all.DeadLetters, fx.DeadLetters...)
	}
	var batch []session.Record
	for i := range arrivals {
		batch = append(batch, session.Record{Offset: int64(i), Time: at + int64(i), Event: &arrivals[i]})
		if slices.Contains(cuts, i) {
			process(batch, int64(i+1))
			batch = nil
		}
	}
	n := int64(len(arrivals))
	batch = append(batch, session.Record{Offset: n, Time: at + n, Tick: true, Flush: true})
	process(batch, n+1)
	return all, p.Position()
}

// arrivals draws a session's events as they arrive: shuffled or not, some twice, some with other content.
func arrivals(t *rapid.T) []callback.Event {
	var events []callback.Event
	if rapid.Bool().Draw(t, "realistic") {
		events = foldtest.Lifecycle(t)
	} else {
		events = foldtest.Soup(t)
	}
	for range rapid.IntRange(0, 3).Draw(t, "repeated") {
		events = append(events, events[rapid.IntRange(0, len(events)-1).Draw(t, "which")])
	}
	if rapid.IntRange(0, 3).Draw(t, "conflict") == 0 {
		other := events[rapid.IntRange(0, len(events)-1).Draw(t, "which")]
		other.Time += 3_000_000
		events = append(events, other)
	}
	if rapid.Bool().Draw(t, "shuffled") {
		events = rapid.Permutation(events).Draw(t, "order")
	}
	return events
}

// The enricher's rules make the UserEvents and attached data that the reference
// makes, in the same sequence, however the log is cut into batches (invariant 3).
func TestEnricherEqualsReplay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events := arrivals(t)
		o := fold.Options{MaxAttempts: int64(rapid.IntRange(1, 5).Draw(t, "limit of attempts"))}
		cuts := rapid.SliceOf(rapid.IntRange(0, len(events))).Draw(t, "batches end")
		want := foldtest.Replay(foldtest.FromEvents(events), foldtest.Options(o), false)
		got, position := enrich(t, events, o, cuts)

		require.Len(t, got.UserEvents, len(want.UserEvents))
		for i, w := range want.UserEvents {
			g := &got.UserEvents[i].What
			require.Equal(t, w.Sequence, int(g.Sequence))
			require.Equal(t, w.Cause, string(g.Cause), "UserEvent %d", w.Sequence)
			require.Equal(t, w.KVPs, foldtest.FromKVPs(&g.KVPs), "UserEvent %d", w.Sequence)
			require.Equal(t, w.Columns, columns(g), "UserEvent %d", w.Sequence)
			require.Equal(t, w.LastTime, int64(g.LastEventTime), "UserEvent %d", w.Sequence)
			require.Equal(t, w.ServiceName, plain(g.ServiceName), "UserEvent %d", w.Sequence)
			require.Equal(t, w.MediaType, plain(g.MediaType), "UserEvent %d", w.Sequence)
		}
		var attached []foldtest.Attached
		for i := range got.Attached {
			attached = append(attached, foldtest.FromAttachedData(&got.Attached[i].What))
		}
		require.Equal(t, want.Attached, attached)
		require.Equal(t, int64(want.Applied), position.Applied)
		require.Equal(t, int64(want.AlreadyApplied), position.AlreadyApplied)
		require.Len(t, got.DeadLetters, want.Conflicts)
	})
}

// Order of arrival, redelivery and batches change nothing in what the last UserEvent of an ended session says (invariant 3).
func TestLastUserEventIsAFunctionOfTheSet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events := foldtest.Lifecycle(t)
		o := fold.Options{MaxAttempts: 3}
		facts := foldtest.Session(foldtest.FromEvents(events), foldtest.Options(o), false)
		arrived := append(slices.Clone(events), events[:rapid.IntRange(0, len(events)).Draw(t, "repeated")]...)
		got, _ := enrich(t, rapid.Permutation(arrived).Draw(t, "order"), o, []int{len(events) / 2})
		if facts.Terminal < 0 {
			return // it goes on
		}
		last := &got.UserEvents[len(got.UserEvents)-1].What
		facts.KVPs["_CB_FINAL_RECORD"] = int64(1)
		require.Equal(t, facts.KVPs, foldtest.FromKVPs(&last.KVPs))
		require.Equal(t, facts.Columns, columns(last))
	})
}

// In lifecycle order a session that ends, and then stays ended, makes two UserEvents.
func TestInLifecycleOrderTwoUserEvents(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events := foldtest.Lifecycle(t)
		fold.Sort(events)
		end := slices.IndexFunc(events, func(e callback.Event) bool { return e.Type == callback.Completed || e.Type == callback.Cancelled })
		if end < 0 || end != len(events)-1 {
			return
		}
		for i := range events {
			// A caller who declined and hung up, and then asks for a callback all the same, ends twice.
			if events[i].Type == callback.InboundCallEnded {
				return
			}
		}
		got := foldtest.Replay(foldtest.FromEvents(events), foldtest.Options{MaxAttempts: 3}, false)
		require.Len(t, got.UserEvents, 2)
		require.Equal(t, "START", got.UserEvents[0].Cause)
		require.Equal(t, "FINAL", got.UserEvents[1].Cause)
	})
}

func columns(u *callback.UserEvent) map[string]int64 {
	value := func(n *int64) int64 {
		if n == nil {
			return 0
		}
		return *n
	}
	return map[string]int64{
		"DESIRED_TIME_TS":                value(u.DesiredTime),
		"PUSH_DELIVERY_CONFIRMED_TS":     value(u.PushDeliveryConfirmed),
		"CUSTOMER_READY_TO_START_IXN_TS": value(u.CustomerReadyToStartIxn),
	}
}

func plain(s *string) any {
	if s == nil {
		return nil
	}
	return *s
}
