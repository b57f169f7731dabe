package tserver_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

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
