package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/build"
	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/embedded/broker"
	"github.com/ringback/ringback/pkg/embedded/registry"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
)

func TestEveryFaultOfTheEnvironmentIsNamed(t *testing.T) {
	t.Parallel()
	err := run(t.Context(), config.Environment{"ENRICHER_SETTLE": "soon", "ENRICHER_SETLE": "5s", "ENRICHER_MAX_ATTEMPTS": "some"}, slog.New(slog.DiscardHandler), build.Info{})
	require.ErrorContains(t, err, "ENRICHER_SETTLE: must be a duration")
	require.ErrorContains(t, err, "ENRICHER_SETLE: no such variable; did you mean ENRICHER_SETTLE?")
	require.ErrorContains(t, err, "ENRICHER_MAX_ATTEMPTS: must be an integer")
}

func TestTheServiceBecomesReadyAndStops(t *testing.T) {
	t.Parallel()
	b, err := broker.Start(broker.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	schemas, err := registry.Start(registry.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, schemas.Close()) })
	client, err := kafka.New(kafka.Config{Brokers: b.Addrs()})
	require.NoError(t, err)
	require.NoError(t, client.EnsureTopics(t.Context(), topic.Specs(2, 1)))
	client.Close()

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, config.Environment{"KAFKA_BROKERS": b.Addrs()[0], "REGISTRY_URL": schemas.URL(), "ENRICHER_ADMIN_ADDR": addr}, slog.New(slog.DiscardHandler), build.Info{Version: "v1"})
	}()
	require.Eventually(t, func() bool {
		res, err := http.Get("http://" + addr + "/readyz")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	}, 30*time.Second, 5*time.Millisecond)
	cancel()
	require.NoError(t, <-done)
}
