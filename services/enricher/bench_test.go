package enricher_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/embedded/broker"
)

// BenchmarkEnricher reads sessions of 7 events each from the embedded broker: fetch,
// decode, rules, encode, transaction.
func BenchmarkEnricher(b *testing.B) {
	embedded, err := broker.Start(broker.Config{Dir: b.TempDir()})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, embedded.Close()) })
	w := newWorld(b, embedded.Addrs())
	sessions := b.N
	for first := 0; first < sessions; first += 500 {
		var events []*callback.Event
		for s := first; s < min(first+500, sessions); s++ {
			events = append(events, w.life(s)...)
		}
		w.produce(events...)
	}
	b.ResetTimer()
	m := w.start()
	w.await(m)
	b.StopTimer()
	require.NoError(b, m.stop())
	b.ReportMetric(float64(7*sessions)/b.Elapsed().Seconds(), "events/s")
}
