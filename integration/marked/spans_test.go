//go:build realkafka && realpostgres && realregistry

package marked

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/integration/process"
)

// collector takes spans in by OTLP over HTTP and keeps their bytes. Texts stand in protobuf as they are.
type collector struct {
	url string

	mu   sync.Mutex
	kept bytes.Buffer
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Content-Encoding") != "" {
			http.Error(w, "a body that cannot be searched", http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.kept.Write(append(body, '\n'))
		w.Header().Set("Content-Type", "application/x-protobuf") // of an answer without fields
	})
	c.url = serve(t, mux)
	return c
}

// environment has every span sent there at once, whatever the senders of events say of theirs.
func (c *collector) environment(token string) map[string]string {
	return map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": c.url, "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20" + token,
		"OTEL_TRACES_SAMPLER": "always_on", "OTEL_BSP_SCHEDULE_DELAY": "200",
	}
}

func (c *collector) bytes() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.kept.Bytes())
}

// await waits until spans with these texts have come: that of every service, and of what failed.
func (c *collector) await(ctx context.Context, t *testing.T, texts ...string) {
	t.Helper()
	require.NoError(t, process.Until(ctx, func() error {
		kept := c.bytes()
		for _, text := range texts {
			if !bytes.Contains(kept, []byte(text)) {
				return fmt.Errorf("no span of %d bytes of them speaks of %q", len(kept), text)
			}
		}
		return nil
	}))
}

// plant sends what a span that leaks would be.
func (c *collector) plant(ctx context.Context, t *testing.T, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/v1/traces", strings.NewReader("\x0a\x00error.message"+text))
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
}
