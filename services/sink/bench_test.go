package sink_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/services/sink"
	"github.com/ringback/ringback/services/sink/tserver"
)

// benchmark measures a sink from the topic to its store: UserEvents per second.
func benchmark(b *testing.B, build func(*world, sink.Deps) (*sink.Sink, error)) {
	const n = 20_000
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b)
		recs := make([]kafka.Record, 0, n)
		for i := range n / 2 {
			service := fmt.Sprint("s", i)
			recs = append(recs, w.full(service, 1), w.full(service, 2))
		}
		w.produce(recs...)
		ends := w.ends(topic.UserEvents)
		b.StartTimer()
		m := w.start(func(d sink.Deps) (*sink.Sink, error) { return build(w, d) })
		require.NoError(b, m.WaitFor(context.Background(), topic.UserEvents, ends))
		b.StopTimer()
		require.NoError(b, m.stop())
		b.StartTimer()
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkInfomart(b *testing.B) {
	benchmark(b, func(w *world, d sink.Deps) (*sink.Sink, error) { return sink.NewInfomart(sink.Defaults(), w.store, d) })
}

// The T-Server of this one answers at once: it measures the ledger and the loop.
func BenchmarkTServer(b *testing.B) {
	benchmark(b, func(w *world, d sink.Deps) (*sink.Sink, error) {
		return sink.NewTServer(sink.Defaults(), tserver.Defaults("SIP_Switch"), w.store, w.gateway, d)
	})
}

// full is a UserEvent with about as many KVPs as a real one.
func (w *world) full(service string, sequence int32) kafka.Record {
	w.Helper()
	u := w.event(service, sequence)
	for k := range callback.KVP(callback.NumKVPs) {
		switch {
		case k%2 == 0 || u.KVPs[k].Set:
		case k.Info().Kind == callback.String:
			u.KVPs.SetStr(k, "value", 0)
		default:
			u.KVPs.SetInt(k, int64(k), 0)
		}
	}
	rec, err := w.codec.UserEvent(u)
	require.NoError(w, err)
	return rec
}
