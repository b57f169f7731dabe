package tserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/tserverlog"
	"github.com/ringback/ringback/services/tserver"
)

// start runs a simulated T-Server until the test ends.
func start(t testing.TB, cfg tserver.Config, options ...tserver.Option) *tserver.Server {
	t.Helper()
	s, err := tserver.New(cfg, options...)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return s
}

// faultsOf reads problem details: each fault as "pointer: detail", and how many are not listed.
func faultsOf(t *testing.T, body io.Reader) []string {
	t.Helper()
	var p struct {
		Detail string
		Errors []struct{ Pointer, Detail string }
	}
	require.NoError(t, json.NewDecoder(body).Decode(&p))
	var list []string
	for _, e := range p.Errors {
		list = append(list, e.Pointer+": "+e.Detail)
	}
	if _, more, ok := strings.Cut(p.Detail, "; "); ok {
		more, _, _ = strings.Cut(more, " faults")
		list = append(list, more)
	}
	return list
}

func messages(t *testing.T, log string) []*tserverlog.Message {
	t.Helper()
	parts, err := tserver.Parts(log)
	require.NoError(t, err)
	var all []*tserverlog.Message
	for _, part := range parts {
		raw, err := os.ReadFile(part)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(raw, []byte("-- "+tserver.Banner+"\n")), "each file begins with the banner")
		for in := tserverlog.NewReader(bytes.NewReader(raw)); ; {
			m, err := in.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			all = append(all, m)
		}
	}
	return all
}
