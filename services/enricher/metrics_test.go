package enricher_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/embedded/broker"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/services/enricher"
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
	require.Equal(t, float64(partitions), m.sample(t, "topic_partitions", "", ""))
}

// An alert compares what is read with what is accepted: an enricher that has read nothing yet says so.
func TestOutcomesAreShownAtZero(t *testing.T) {
	t.Parallel()
	m := &member{metrics: prometheus.NewRegistry()}
	_, err := enricher.New(valid(), enricher.Deps{Registerer: m.metrics})
	require.NoError(t, err)
	for _, outcome := range []string{"applied", "already_applied", "dead_lettered", "tick"} {
		require.Zero(t, m.sample(t, "records_total", "outcome", outcome))
	}
}

// A schema id that the registry does not know is counted from the first look-up, and not only once it is bad data.
func TestUnknownSchemaIsCounted(t *testing.T) {
	t.Parallel()
	embedded, err := broker.Start(broker.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, embedded.Close()) })
	w := newWorld(t, embedded.Addrs())
	var later atomic.Int64
	w.now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	unknown, err := w.codec.Lifecycle(w.event(0, 1, 0, callback.Offered, callback.Data{}))
	require.NoError(t, err)
	unknown.Value = slices.Clone(unknown.Value)
	binary.BigEndian.PutUint32(unknown.Value[1:], 4711)
	m := w.start()
	require.Zero(t, m.sample(t, "unknown_schema_retries_total", "", ""))
	w.write(unknown)
	require.Eventually(t, func() bool { return m.sample(t, "unknown_schema_retries_total", "", "") > 1 }, 30*time.Second, time.Millisecond)
	require.Zero(t, m.sample(t, "records_read_total", "", ""))
	// Each partition that is not ready may be the one that is told; the others will be.
	require.Eventually(t, func() bool { err := m.Ready(); return err != nil && strings.Contains(err.Error(), "unknown schema id") }, 30*time.Second, time.Millisecond)
	later.Store(int64(time.Minute))
	w.await(m)
	require.Equal(t, 1.0, m.sample(t, "dead_letters_total", "reason", string(callback.ReasonUnknownSchema)))
}
