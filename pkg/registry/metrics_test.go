package registry_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"
)

// Names and labels of the metrics are API; each look-up counts by how it ended.
func TestMetricsGolden(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/schemas/ids/1":
			fmt.Fprintf(w, `{"schema":%q}`, schema)
		case "/schemas/ids/2":
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"error_code":40403,"message":"no"}`)
		case "/schemas/ids/3":
			fmt.Fprint(w, `{"schema":"{}","schemaType":"JSON"}`)
		default:
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	c := newClient(t, server.URL)
	for _, id := range []int{1, 1, 1, 2, 3, 4} {
		_, err := c.SchemaByID(t.Context(), id)
		require.Equal(t, id == 1, err == nil, "id %d: %v", id, err)
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(c)
	got := httptest.NewRecorder()
	promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}).ServeHTTP(got, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	want, err := os.ReadFile("testdata/metrics.golden")
	require.NoError(t, err)
	require.Equal(t, string(want), got.Body.String())
}
