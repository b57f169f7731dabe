package tserver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/infomart"
)

func TestMaxAge(t *testing.T) {
	t.Parallel()
	const old, fresh = 61 * time.Minute, 59 * time.Minute
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for name, tc := range map[string]struct {
		maxAge  time.Duration
		age     time.Duration // of the last event
		arrival time.Time
		held    time.Time
		skipped bool
	}{
		"fresh":                              {time.Hour, fresh, now, time.Time{}, false},
		"old":                                {time.Hour, old, now, time.Time{}, true},
		"old, without a limit":               {0, 365 * 24 * time.Hour, now, time.Time{}, false},
		"old, and read late for no reason":   {time.Hour, old, ago(old), time.Time{}, true},
		"came in time during an outage":      {time.Hour, 3 * time.Hour, ago(3 * time.Hour), ago(5 * time.Hour), false},
		"was in time when an outage began":   {time.Hour, 5 * time.Hour, ago(5 * time.Hour), ago(4*time.Hour + 30*time.Minute), false},
		"was too old when an outage began":   {time.Hour, 6 * time.Hour, ago(6 * time.Hour), ago(4 * time.Hour), true},
		"came too old during an outage":      {time.Hour, 5 * time.Hour, ago(3 * time.Hour), ago(5 * time.Hour), true},
		"last year's, imported in an outage": {time.Hour, 365 * 24 * time.Hour, ago(time.Hour), ago(2 * time.Hour), true},
		"arrives from the future":            {time.Hour, old, now.Add(time.Hour), ago(time.Minute), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(c *Config) { c.MaxAge = tc.maxAge })
			b := r.batch(event("a", 1, tc.age))
			b.Items[0].Record.Time, b.Held = tc.arrival, tc.held
			o := r.done(b)
			want := infomart.StateAcked
			if tc.skipped {
				want = infomart.StateSkippedOld
			}
			require.Equal(t, map[infomart.SendState]int{want: 1}, o.ByState)
			require.Equal(t, !tc.skipped, len(r.gateway.sent) == 1)
		})
	}
}

// A session of which T-Server has the beginning gets its end, however late: a time-out
// comes 26 h after the last event.
func TestSessionThatWasBegunIsFinished(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.done(r.batch(event("a", 1, 0), event("b", 1, 2*time.Hour)))
	o := r.done(r.batch(event("a", 2, 26*time.Hour), event("b", 2, 26*time.Hour), event("a", 3, 26*time.Hour)))
	require.Equal(t, map[infomart.SendState]int{infomart.StateAcked: 2, infomart.StateSkippedOld: 1}, o.ByState)
	require.Equal(t, []string{"a/1", "a/2", "a/3"}, r.gateway.sent)
}

// What was begun to be sent is sent again after a restart, even if it has grown too old meanwhile (invariant 8).
func TestSendingIsFinishedWhateverItsAge(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	m := event("a", 1, 10*time.Hour)
	require.NoError(t, r.store.Sending(t.Context(), []infomart.LedgerEntry{m.entry(infomart.StateSending)}))
	require.Equal(t, acked(1), r.done(r.batch(m)).ByState)
	require.Equal(t, 2, r.entry("a/1").Attempts)
}

// A sink without a position reads years of UserEvents, and sends none of them; nor
// does it after a restart halfway, when it looks like a sink that was away.
func TestNewSinkOnAnOldTopicDoesNotFlood(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	year := 365 * 24 * time.Hour
	b := r.batch(event("a", 1, year))
	b.Items[0].Record.Time = now.Add(-year)
	b.To.LastTime = now.Add(-year)
	r.done(b)
	r.restart()
	b = r.batch(event("b", 1, year))
	b.Items[0].Record.Time = now.Add(-year)
	b.Held = now.Add(-year)
	require.Equal(t, map[infomart.SendState]int{infomart.StateSkippedOld: 1}, r.done(b).ByState)
	require.Empty(t, r.gateway.sent)

	// Once it has caught up, an outage makes nothing too old again.
	r.done(r.batch(event("c", 1, 0)))
	b = r.batch(event("d", 1, 3*time.Hour))
	b.Items[0].Record.Time, b.Held = now.Add(-3*time.Hour), now.Add(-4*time.Hour)
	require.Equal(t, acked(1), r.done(b).ByState)
}
