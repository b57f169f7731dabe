package main

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func fixed(name string, order *[]string, rates ...float64) arm {
	n := 0
	return arm{name, func(context.Context) (sample, error) {
		*order = append(*order, name)
		s := sample{units: 1000, elapsed: time.Duration(1000 / rates[n%len(rates)] * float64(time.Second))}
		n++
		return s, nil
	}}
}

func TestMeasureHoldsArmsOfOneRoundAgainstEachOther(t *testing.T) {
	t.Parallel()
	var order []string
	c := comparison{
		name: "c", unit: "events", aim: 0.7,
		// The first two runs warm up; the machine is twice as slow in the last round.
		baseline: fixed("bare", &order, 1, 1, 100, 120, 90, 110, 50, 50),
		subjects: []arm{fixed("service", &order, 1, 77, 80, 35)},
	}
	r, err := measure(t.Context(), c, 3, func(string, ...any) {})
	require.NoError(t, err)
	require.Equal(t, []string{"bare", "service", "bare"}, order[:3])
	require.Len(t, order, 12)
	require.InDeltaSlice(t, []float64{0.7, 0.8, 0.7}, r.Subjects[0].Ratio.All, 0.001)
	require.InDelta(t, 0.7, r.Subjects[0].Ratio.Median, 0.001)
	require.InDeltaSlice(t, []float64{1.2, 1.222, 1}, r.Control.All, 0.001)
	require.InDelta(t, 95, r.Baseline.Rate, 0.001)

	var out bytes.Buffer
	require.NoError(t, writeMarkdown(&out, report{Comparisons: []result{r}}))
	require.Contains(t, out.String(), "| c | service | 77 events/s | 95 events/s | **0.70** (0.70 to 0.80) | 1.20 (1.00 to 1.22) | 0.7 |")
}

func TestMeasureStopsAtAnArmThatFailed(t *testing.T) {
	t.Parallel()
	var order []string
	broken := errors.New("999 rows, not 1000")
	c := comparison{name: "c", baseline: fixed("bare", &order, 1), subjects: []arm{{"service", func(context.Context) (sample, error) { return sample{}, broken }}}}
	_, err := measure(t.Context(), c, 1, func(string, ...any) {})
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "c: service")
}

func TestMedianAndPercentile(t *testing.T) {
	t.Parallel()
	require.Equal(t, 2.0, median([]float64{3, 1, 2}))
	require.Equal(t, 2.5, median([]float64{4, 1, 2, 3}))
	ms := make([]time.Duration, 1000)
	for i := range ms {
		ms[len(ms)-1-i] = time.Duration(i+1) * time.Millisecond
	}
	require.Equal(t, 500*time.Millisecond, percentile(ms, 0.5))
	require.Equal(t, 990*time.Millisecond, percentile(ms, 0.99))
}
