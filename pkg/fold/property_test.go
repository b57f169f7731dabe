package fold_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fold"
	"github.com/ringback/ringback/pkg/fold/foldtest"
)

// session draws a realistic session or a soup of events, in order of arrival.
func session(t *rapid.T) []callback.Event {
	if rapid.Bool().Draw(t, "realistic") {
		return foldtest.Lifecycle(t)
	}
	return foldtest.Soup(t)
}

// sorted returns the events in fold order.
func sorted(events []callback.Event) []callback.Event {
	events = slices.Clone(events)
	fold.Sort(events)
	return events
}

func options(t *rapid.T) fold.Options {
	return fold.Options{
		ServiceStartRequest: rapid.Bool().Draw(t, "service start is the request"),
		MaxAttempts:         int64(rapid.IntRange(1, 5).Draw(t, "limit of attempts")),
	}
}

// equalsReference holds fold.Session and fold.Attached against the reference.
func equalsReference(t *rapid.T) {
	arrived, o := session(t), options(t)
	reference := foldtest.Session(foldtest.FromEvents(arrived), foldtest.Options(o), false)
	timedOut := false
	if reference.Terminal < 0 && rapid.Bool().Draw(t, "timed out") {
		timedOut = true // only a session without its terminal event times out
		reference = foldtest.Session(foldtest.FromEvents(arrived), foldtest.Options(o), true)
	}
	events := sorted(arrived)
	result := fold.Session(events, o, timedOut)
	got := facts(events, &result)
	for k := range callback.KVP(callback.NumKVPs) {
		require.Equal(t, reference.KVPs[k.String()], got.KVPs[k.String()], "%s: the rule says the first, the fold the second", k)
	}
	require.Equal(t, reference, got)
}

// The rules have more corners than the hundred sessions of one check reach.
func TestSessionEqualsReference(t *testing.T) {
	t.Parallel()
	for range 20 {
		rapid.Check(t, equalsReference)
	}
}

func FuzzSessionEqualsReference(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(equalsReference))
}

// Invariant 3: order of arrival plays no part.
func TestPermutationsFoldAlike(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events, o := session(t), options(t)
		shuffled := rapid.Permutation(events).Draw(t, "shuffled")
		want, got := fold.Session(sorted(events), o, false), fold.Session(sorted(shuffled), o, false)
		require.Equal(t, want, got)
		require.Equal(t, fold.Digest(&want), fold.Digest(&got))
		require.Equal(t, fold.Attached(sorted(events), &want), fold.Attached(sorted(shuffled), &got))
	})
}

// What a fold of the first part read, or kept, has no effect on a fold of the whole.
func TestSplitsFoldAlike(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events, o := session(t), options(t)
		want := fold.Session(sorted(events), o, false)
		cut := rapid.IntRange(0, len(events)).Draw(t, "cut")
		part := sorted(events[:cut])
		before := slices.Clone(part)
		result := fold.Session(part, o, false)
		fold.Attached(part, &result)
		require.Equal(t, before, part, "the fold changed its input")
		whole := append(part, events[cut:]...)
		require.Equal(t, want, fold.Session(sorted(whole), o, false))
	})
}

// Every value names the event that set it, where one did.
func TestProvenance(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events, o := sorted(session(t)), options(t)
		result := fold.Session(events, o, false)
		for k := range callback.KVP(callback.NumKVPs) {
			v := result.KVPs[k]
			if !v.Set {
				continue
			}
			require.True(t, v.By >= -1 && int(v.By) < len(events), "%s: event %d of %d", k, v.By, len(events))
			if k.Info().Kind != callback.Timestamp {
				continue
			}
			require.GreaterOrEqual(t, v.By, int32(0), "%s: a time is an event's", k)
			e := &events[v.By]
			if _, overridden := e.Data.Parameters[k.Info().Parameter]; overridden && k.Info().Parameter != "" {
				continue
			}
			at := e.Time
			if k == callback.KeyTNextRedialAttempt {
				at = *e.Data.NextAttemptAt
			}
			require.Equal(t, at.Seconds(), v.Int, "%s: not the time of the event that set it", k)
		}
	})
}

// The drawn events are events that the intake accepts: what the fold is held against can happen.
func TestDrawnEventsAreValid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		for _, e := range session(t) {
			require.Empty(t, e.Validate(), "%s", e.Type)
		}
	})
}
