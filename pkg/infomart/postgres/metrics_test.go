package postgres

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"
)

// Names and labels of the metrics are API. The pool has not connected yet.
func TestMetricsGolden(t *testing.T) {
	t.Parallel()
	pool, err := pgxpool.New(t.Context(), "postgres://nobody@127.0.0.1:1/none?pool_max_conns=4")
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	metrics := prometheus.NewRegistry()
	metrics.MustRegister((&Store{pool: pool}).Metrics())
	got := httptest.NewRecorder()
	promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}).ServeHTTP(got, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	want, err := os.ReadFile("testdata/metrics.golden")
	require.NoError(t, err)
	require.Equal(t, string(want), got.Body.String())
}
