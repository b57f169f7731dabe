package enricher_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/embedded/broker"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
)

// Invariant 3: a UserEvent's trace is the one of the event that made it due, byte for byte, and so follows
// from the log alone. What a deadline made due has none, and what is no trace context is not handed on
// (invariant 10).
func TestUserEventsCarryTheTraceOfTheirEvent(t *testing.T) {
	t.Parallel()
	embedded, err := broker.Start(broker.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, embedded.Close()) })
	w := newWorld(t, embedded.Addrs())
	w.config.Settle = 100 * time.Millisecond
	trace := func(n byte) string {
		return "00-" + strings.Repeat("a", 31) + string('0'+n) + "-" + strings.Repeat("b", 16) + "-01"
	}
	write := func(parent string, events ...*callback.Event) {
		for i, e := range events {
			r, err := w.codec.Lifecycle(e)
			require.NoError(t, err)
			r.Headers = append(r.Headers,
				kafka.Header{Key: "traceparent", Value: []byte(strings.Replace(parent, "?", string(rune('0'+i)), 1))},
				kafka.Header{Key: "tracestate", Value: []byte("vendor=value")})
			w.write(r)
		}
	}
	first := w.life(0)
	write("00-"+strings.Repeat("a", 31)+"?-"+strings.Repeat("b", 16)+"-01", first...)
	write(trace(9), first[0]) // a repetition is no news, whatever its trace
	write("call 5550142317", w.life(1)...)
	m := w.start()
	w.await(m)
	// A correction: only the settle time makes it due.
	late := w.event(0, 20, 1, callback.Requested, callback.Data{CallbackType: ptr("IMMEDIATE"), ServiceName: ptr("late")})
	write(trace(8), late)
	require.Eventually(t, func() bool { return len(w.userEvents()[w.id(0)]) == 3 }, 30*time.Second, 50*time.Millisecond)

	parents := map[string][]string{}
	for _, r := range w.read(topic.UserEvents) {
		parent, _ := r.Header("traceparent")
		state, found := r.Header("tracestate")
		require.Equal(t, len(parent) > 0, found)
		require.Equal(t, len(parent) > 0, string(state) == "vendor=value")
		parents[string(r.Key)] = append(parents[string(r.Key)], string(parent))
	}
	// START was due with the offer accepted, FINAL with the completion.
	require.Equal(t, []string{trace(1), trace(6), ""}, parents[w.id(0)])
	require.Equal(t, []string{"", ""}, parents[w.id(1)])
}
