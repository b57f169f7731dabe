package producer_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Names, types and labels of the metrics are API.
func TestMetricsGolden(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.publisher.produce = each(map[string]error{
		"full": fault.Outagef("kafka: %w", kafka.ErrQueueFull), "unknown": fault.Outagef("kafka: %w", kafka.ErrOutcomeUnknown),
		"away": fault.Outagef("kafka: away"),
	})
	for _, r := range []*http.Request{
		post(structured, event("e1", "")), binary("e1", ""), post(structured, "x"), post("text/plain", ""),
		post(batch, "["+event("full", "")+","+event("unknown", "")+","+event("away", "")+"]"),
	} {
		b.ask(t, r)
	}
	families, err := b.metrics.Gather()
	require.NoError(t, err)
	var out []string
	for _, f := range families {
		for _, m := range f.GetMetric() {
			line := f.GetName() + " " + strings.ToLower(f.GetType().String())
			for _, l := range m.GetLabel() {
				line += fmt.Sprintf(" %s=%q", l.GetName(), l.GetValue())
			}
			if f.GetType() == dto.MetricType_COUNTER {
				line += fmt.Sprintf(" = %v", m.GetCounter().GetValue())
			}
			out = append(out, line)
		}
	}
	slices.Sort(out)
	got := strings.Join(out, "\n") + "\n"
	const golden = "testdata/metrics.golden"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}
