//go:build realpostgres

package postgres_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/postgres"
)

// What the metrics say of the pool is what the store has done with it.
func TestRealPoolMetrics(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	store, err := d.Open(t.Context(), infomart.EventData{}, time.Now)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	value := func(name, state string) float64 {
		metrics := prometheus.NewRegistry()
		metrics.MustRegister(store.(*postgres.Store).Metrics())
		families, err := metrics.Gather()
		require.NoError(t, err)
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == "ringback_postgres_pool_"+name && (state == "" || m.GetLabel()[0].GetValue() == state) {
					return m.GetGauge().GetValue() + m.GetCounter().GetValue()
				}
			}
		}
		t.Fatalf("there is no ringback_postgres_pool_%s %s", name, state)
		return 0
	}
	before := value("acquires_total", "")
	_, _, err = store.Position(t.Context(), infomart.PositionKey{Group: "g", Topic: "t"})
	require.NoError(t, err)
	require.Greater(t, value("acquires_total", ""), before)
	require.Equal(t, 4.0, value("max_connections", ""))
	require.Equal(t, 0.0, value("connections", "acquired"))
	require.Equal(t, 1.0, value("connections", "idle"))
	require.Equal(t, 1.0, value("opened_total", ""))
}
