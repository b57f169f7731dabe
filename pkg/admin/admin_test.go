package admin_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/admin"
)

func TestProbesSayWhyNot(t *testing.T) {
	t.Parallel()
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "demo_total"}))
	h := admin.Handler(admin.Probes{Ready: func() error { return errors.New("restoring its state") }}, metrics)
	for _, c := range []struct {
		path string
		code int
		body string
	}{
		{"/livez", http.StatusOK, "ok"},
		{"/readyz", http.StatusServiceUnavailable, "restoring its state"},
		{"/metrics", http.StatusOK, "demo_total 0"},
		{"/other", http.StatusNotFound, ""},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, c.path, nil))
		require.Equal(t, c.code, w.Code, c.path)
		require.Contains(t, w.Body.String(), c.body, c.path)
	}
}
