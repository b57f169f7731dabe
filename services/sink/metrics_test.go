package sink_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/gateway"
	"github.com/ringback/ringback/pkg/topic"
)

var update = flag.Bool("update", false, "write the golden files anew")

// metric sums a metric over its labels; of a histogram it is how often it was observed.
func metric(t *testing.T, m *member, name string) float64 {
	t.Helper()
	families, err := m.metrics.Gather()
	require.NoError(t, err)
	sum := 0.0
	for _, f := range families {
		if f.GetName() == name {
			for _, x := range f.GetMetric() {
				sum += x.GetCounter().GetValue() + x.GetGauge().GetValue() + float64(x.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

// The names and labels of the metrics are API.
func TestMetricNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.tserver()
	failed := false
	w.gateway.answer = func() error {
		if !failed {
			failed = true
			return fmt.Errorf("gateway: %w", &gateway.EventError{Code: 50, Message: "no"})
		}
		return nil
	}
	bad := w.userEvent("bad", 1)
	bad.Value = []byte("garbage")
	w.produce(w.userEvent("a", 1), bad)
	w.wait(m, topic.UserEvents)
	require.Equal(t, 2.0, metric(t, m, "ringback_sink_records_read_total"))
	require.Equal(t, 2.0, metric(t, m, "ringback_sink_records_total"), "invariant 2")
	require.Equal(t, 1.0, metric(t, m, "ringback_sink_joins_total"))
	require.Positive(t, metric(t, m, "ringback_sink_assigned_partitions"))
	require.Equal(t, 1.0, metric(t, m, "ringback_sink_accept_to_store_seconds"), "what was set aside has no age")
	require.Equal(t, 1.0, metric(t, m, "ringback_sink_event_to_store_seconds"))

	require.Eventually(t, func() bool { return metric(t, m, "ringback_sink_topic_partitions") == 2*partitions }, 20*time.Second, time.Millisecond)
	families, err := m.metrics.Gather()
	require.NoError(t, err)
	var lines []string
	for _, f := range families {
		labels := map[string]bool{}
		for _, x := range f.GetMetric() {
			for _, l := range x.GetLabel() {
				labels[l.GetName()] = true
			}
		}
		var names []string
		for l := range labels {
			names = append(names, l)
		}
		slices.Sort(names)
		lines = append(lines, f.GetName()+"{"+strings.Join(names, ",")+"} "+strings.ToLower(f.GetType().String())+": "+f.GetHelp())
	}
	got := strings.Join(lines, "\n") + "\n"
	const golden = "testdata/metrics.golden"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}
