package poison

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ringback/ringback/pkg/callback"
)

// observe feeds the records and returns the index of the first that pauses, -1 without one.
func observe(w *Window, records ...bool) int {
	for i, bad := range records {
		if w.Observe(bad) {
			return i
		}
	}
	return -1
}

func repeat(n int, bad ...bool) []bool {
	var out []bool
	for range n {
		out = append(out, bad...)
	}
	return out
}

func TestWindowPausesOverHalf(t *testing.T) { // invariant 7
	t.Parallel()
	const good, bad = false, true
	for name, tc := range map[string]struct {
		records []bool
		pause   int
	}{
		"all bad: 49 go through, the 50th pauses":        {repeat(100, bad), 49},
		"one bad among 500":                              {append(append(repeat(250, good), bad), repeat(249, good)...), -1},
		"exactly half never pauses":                      {repeat(500, good, bad), -1},
		"half, with the bad one first, pauses at once":   {repeat(500, bad, good), 50},
		"two of three pause at the first chance":         {repeat(100, good, bad, bad), 49},
		"a good topic that turns bad: at the 101st bad":  {append(repeat(1000, good), repeat(500, bad)...), 1100},
		"30 good, then bad: at the 31st bad":             {append(repeat(30, good), repeat(500, bad)...), 60},
		"49 bad and no more":                             {repeat(49, bad), -1},
		"49 bad, good ones until they are under a half":  {append(append(repeat(49, bad), repeat(50, good)...), bad), -1},
		"49 bad, then a good one, then a bad one pauses": {append(repeat(49, bad), good, bad), 50},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var w Window
			require.Equal(t, tc.pause, observe(&w, tc.records...))
		})
	}
}

func TestWindowDoesNotRecordTheRecordItPausesOn(t *testing.T) {
	t.Parallel()
	var w Window
	require.Equal(t, 49, observe(&w, repeat(60, true)...))
	before := w.Snapshot()
	for range 10 {
		require.True(t, w.Observe(true), "the same record, read again, pauses again")
	}
	require.Equal(t, before, w)
	bad, of := w.Counts()
	require.Equal(t, 49, bad)
	require.Equal(t, 49, of)

	require.False(t, w.Observe(false), "a record that can be decoded after all goes on")
	w.Restore(before)
	require.Equal(t, before, w)
	w.Reset()
	require.Equal(t, 49, observe(&w, repeat(60, true)...), "after a reset it needs 50 again")
}

// The ring agrees with the rule as it is written, counted over the whole history.
func TestWindowIsTheRule(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var w Window
		var history []bool
		runs := rapid.SliceOfN(rapid.IntRange(1, 150), 1, 12).Draw(t, "runs")
		for i, run := range runs {
			for range run {
				bad := (i%2 == 0) != rapid.Bool().Draw(t, "flip")
				last := append(history[max(0, len(history)-Size+1):], bad)
				sum := 0
				for _, b := range last {
					if b {
						sum++
					}
				}
				want := bad && len(last) >= Min && 2*sum > len(last)
				if got := w.Observe(bad); got != want {
					t.Fatalf("record %d: pause %v, want %v (%d bad of %d)", len(history), got, want, sum, len(last))
				}
				if !want {
					history = append(history, bad)
				}
			}
		}
	})
}

func TestCountsAs(t *testing.T) {
	t.Parallel()
	for reason, counts := range map[callback.Reason]bool{
		callback.ReasonUndecodable: true, callback.ReasonUnknownSchema: true, callback.ReasonNotCloudEvent: true,
		callback.ReasonLate: false, callback.ReasonConflict: false, callback.ReasonMissingKVP: false, callback.ReasonMiskeyed: false,
		callback.ReasonTooLarge: false, callback.ReasonRefused: false, callback.ReasonFutureTime: false,
		callback.ReasonUnknownType: false, callback.ReasonInvalidField: false,
	} {
		require.Equal(t, counts, CountsAs(reason), reason)
	}
}
