package admin

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

// Its name is API, and it is there although nothing else is registered yet.
func TestReadyIsAMetric(t *testing.T) {
	t.Parallel()
	waiting := errors.New("waiting for Kafka")
	why := &waiting
	h := Handler(Probes{Ready: func() error { return *why }}, prometheus.NewRegistry())
	scrape := func() string {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		require.Equal(t, http.StatusOK, w.Code)
		return w.Body.String()
	}
	golden, err := os.ReadFile("testdata/metrics.golden")
	require.NoError(t, err)
	require.Equal(t, string(golden), scrape())
	*why = nil
	require.Contains(t, scrape(), "\nringback_ready 1\n")
	require.Equal(t, 1.0, testutil.ToFloat64(newReadiness(nil)), "nothing is asked of it")
}

// A probe that is slow holds no scrape up; what it says late is told by the next one, and silence is a no.
func TestReadyOfASlowProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var takes atomic.Int64
		var asked atomic.Int32
		var err atomic.Pointer[error]
		r := newReadiness(func() error {
			asked.Add(1)
			time.Sleep(time.Duration(takes.Load()))
			if e := err.Load(); e != nil {
				return *e
			}
			return nil
		})
		scrape := func() (value float64, took time.Duration) {
			began := time.Now()
			return testutil.ToFloat64(r), time.Since(began)
		}
		value, took := scrape()
		require.Equal(t, 1.0, value)
		require.Zero(t, took)

		takes.Store(int64(2 * time.Second))
		away := errors.New("away")
		err.Store(&away)
		value, took = scrape()
		require.Equal(t, 1.0, value, "as last known")
		require.Equal(t, readyWait, took)
		time.Sleep(30 * time.Second)
		value, _ = scrape()
		require.Equal(t, 0.0, value)
		time.Sleep(30 * time.Second)

		err.Store(nil)
		takes.Store(0)
		value, _ = scrape()
		require.Equal(t, 1.0, value)
		takes.Store(int64(time.Hour))
		before := asked.Load()
		value, _ = scrape()
		require.Equal(t, 1.0, value)
		time.Sleep(readyBound)
		value, took = scrape()
		require.Equal(t, 0.0, value, "no answer is a no")
		require.Equal(t, readyWait, took)
		require.Equal(t, before+1, asked.Load(), "one question at a time")
		time.Sleep(time.Hour)
	})
}
