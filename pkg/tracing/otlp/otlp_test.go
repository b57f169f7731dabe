package otlp

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fault"
)

// What the collector asks for comes out of a file, and is in no error (invariant 10).
func TestHeadersOfAFile(t *testing.T) {
	got := make(chan http.Header, 1)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header }))
	defer collector.Close()
	path := filepath.Join(t.TempDir(), "headers")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL) // the SDK reads it by itself
	env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL, "OTEL_EXPORTER_OTLP_HEADERS_FILE": path}

	_, _, err := Start(t.Context(), env, "s", "v", slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "OTEL_EXPORTER_OTLP_HEADERS_FILE: open")
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	for _, bad := range []string{"hidden-word", "x-site=1,=hidden-word", "Authorization=hidden-word%zz", ""} {
		require.NoError(t, os.WriteFile(path, []byte(bad), 0o600))
		_, _, err := Start(t.Context(), env, "s", "v", slog.New(slog.DiscardHandler))
		require.ErrorContains(t, err, "OTEL_EXPORTER_OTLP_HEADERS_FILE: header ", bad)
		require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
		require.NotContains(t, err.Error(), "hidden-word")
	}

	require.NoError(t, os.WriteFile(path, []byte("Authorization=Bearer%20of-the-file, x-site = north\n"), 0o600))
	tracer, stop, err := Start(t.Context(), env, "s", "v", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NotNil(t, tracer)
	_, span := tracer.Request(httptest.NewRequest(http.MethodPost, "/v1/events", nil), "/v1/events")
	span.End(nil)
	stop()
	header := <-got
	require.Equal(t, "Bearer of-the-file", header.Get("Authorization"))
	require.Equal(t, "north", header.Get("X-Site"))
}
