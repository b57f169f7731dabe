package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
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

	addr := freeAddr(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, config.Environment{"KAFKA_BROKERS": b.Addrs()[0], "REGISTRY_URL": schemas.URL(), "ENRICHER_ADMIN_ADDR": addr}, slog.New(slog.DiscardHandler), build.Info{Version: "v1"})
	}()
	require.Eventually(t, func() bool {
		status, _ := get(t, "http://"+addr+"/readyz")
		return status == http.StatusOK
	}, 30*time.Second, 5*time.Millisecond)
	_, text := get(t, "http://"+addr+"/metrics")
	require.Contains(t, text, "\nringback_ready 1\n")
	cancel()
	require.NoError(t, <-done)
}

// Invariant 7: Kafka that is away is waited for; meanwhile the process lives, and its metrics say that it is not ready.
func TestTheServiceWaitsForKafka(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, config.Environment{"KAFKA_BROKERS": freeAddr(t), "REGISTRY_URL": "http://" + freeAddr(t), "ENRICHER_ADMIN_ADDR": addr}, slog.New(slog.DiscardHandler), build.Info{Version: "v1"})
	}()
	require.Eventually(t, func() bool {
		status, text := get(t, "http://"+addr+"/metrics")
		return status == http.StatusOK && strings.Contains(text, "\nringback_ready 0\n")
	}, 30*time.Second, 5*time.Millisecond)
	status, _ := get(t, "http://"+addr+"/livez")
	require.Equal(t, http.StatusOK, status)
	cancel()
	require.NoError(t, <-done)
}

// freeAddr is an address that nobody listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(body)
}
