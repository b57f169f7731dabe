package enricher_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/embedded/broker"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
)

// sample sums a metric over its labels but the one given; of a histogram it is the sum of what was observed.
func (m *member) sample(t *testing.T, name, label, value string) float64 {
	t.Helper()
	families, err := m.metrics.Gather()
	require.NoError(t, err)
	sum, found := 0.0, false
	for _, f := range families {
		for _, x := range f.GetMetric() {
			matches := label == ""
			for _, l := range x.GetLabel() {
				matches = matches || l.GetName() == label && l.GetValue() == value
			}
			if f.GetName() == "ringback_enricher_"+name && matches {
				found = true
				sum += x.GetCounter().GetValue() + x.GetGauge().GetValue() + x.GetHistogram().GetSampleSum()
			}
		}
	}
	require.True(t, found, "there is no %s{%s=%q}", name, label, value)
	return sum
}

// Invariant 2, as PromQL checks it: what was read is the sum of how it ended, in batches that add up to it.
func TestMetricsBalance(t *testing.T) {
	t.Parallel()
	embedded, err := broker.Start(broker.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, embedded.Close()) })
	w := newWorld(t, embedded.Addrs())
	first := w.life(0)
	w.produce(first...)
	w.produce(first[0])
	w.produce(w.life(1)[:3]...)
	w.produce(w.event(1, 9, 9, callback.Cancelled, callback.Data{}))
	w.write(kafka.Record{Topic: topic.Lifecycle, Partition: kafka.AnyPartition, Key: []byte("bad"), Value: []byte("garbage")})
	m := w.start()
	w.await(m)

	read := float64(len(first) + 1 + 3 + 1 + 1)
	require.Equal(t, read, m.sample(t, "records_read_total", "", ""))
	require.Equal(t, read, m.sample(t, "records_total", "", ""), "invariant 2")
	require.Equal(t, 1.0, m.sample(t, "records_total", "outcome", "already_applied"))
	require.Equal(t, 1.0, m.sample(t, "records_total", "outcome", "dead_lettered"))
	require.Equal(t, read, m.sample(t, "batch_records", "", ""))
	require.Equal(t, 0.0, m.sample(t, "lag_records", "", ""))
	require.Equal(t, 1.0, m.sample(t, "sessions_ended_total", "cause", "completed"))
	require.Equal(t, 1.0, m.sample(t, "sessions_ended_total", "cause", "cancelled"))
	require.Equal(t, 1.0, m.sample(t, "joins_total", "", ""))
	require.Equal(t, float64(partitions), m.sample(t, "assigned_partitions", "", ""))
}
