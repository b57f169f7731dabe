package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/build"
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/embedded/broker"
	schemas "github.com/ringback/ringback/pkg/embedded/registry"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
)

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

// The whole service, on a broker and a registry: an event goes in over HTTP, and
// once it is accepted it is in the topic (invariant 1).
func TestRun(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	b, err := broker.Start(broker.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	reg, err := schemas.Start(schemas.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	defer func() { require.NoError(t, reg.Close()) }()
	client, err := kafka.New(kafka.Config{Brokers: b.Addrs()})
	require.NoError(t, err)
	defer client.Close()
	require.NoError(t, client.EnsureTopics(ctx, topic.Specs(1, 1)))

	spans := make(chan string, 100)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		spans <- r.URL.Path + " " + r.Header.Get("Content-Type") + " " + string(body)
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL) // the SDK reads it by itself

	addr, admin := freeAddr(t), freeAddr(t)
	ran := make(chan error)
	go func() {
		ran <- run(ctx, config.Environment{
			"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL,
			"PRODUCER_ADDR":               addr, "PRODUCER_ADMIN_ADDR": admin, "PRODUCER_AUTH": "off",
			"KAFKA_BROKERS": b.Addrs()[0], "REGISTRY_URL": reg.URL(),
		}, slog.New(slog.DiscardHandler), build.Info{Version: "v1"})
	}()
	require.Eventually(t, func() bool {
		status, _ := get(t, "http://"+admin+"/readyz")
		return status == http.StatusOK
	}, 20*time.Second, 5*time.Millisecond)

	res, err := http.Post("http://"+addr+"/v1/events", "application/cloudevents+json", strings.NewReader(
		`{"specversion":"1.0","id":"e1","source":"/ivr","type":"callback.offered","subject":"S-1","time":"2026-03-01T09:30:00Z","partner":"p","data":{"ewt":7}}`))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusAccepted, res.StatusCode)

	fetched, err := client.Fetch(ctx, kafka.FetchRequest{Topic: topic.Lifecycle, MaxBytes: 1 << 20, MaxWait: 10 * time.Second})
	require.NoError(t, err)
	require.Len(t, fetched.Records, 1)
	known, err := registry.New(registry.Config{URL: reg.URL()})
	require.NoError(t, err)
	defer known.Close()
	codec, err := wire.New(ctx, known)
	require.NoError(t, err)
	e, err := codec.ParseLifecycle(ctx, &fetched.Records[0])
	require.NoError(t, err)
	require.Equal(t, "S-1", e.Subject)
	require.Equal(t, callback.Offered, e.Type)
	require.Equal(t, int64(7), *e.Data.EWT)
	require.Equal(t, map[string]string{"partner": "p"}, e.Extensions)
	require.WithinDuration(t, time.Now(), fetched.Records[0].Time, time.Minute)

	status, text := get(t, "http://"+admin+"/metrics")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, `ringback_producer_events_total{outcome="accepted",reason=""} 1`)
	require.Contains(t, text, "ringback_registry_schemas ")
	require.Contains(t, text, "go_goroutines ")
	require.Contains(t, text, "\nringback_ready 1\n")
	require.Regexp(t, `ringback_build_info\{.*version="v1"\} 1`, text)
	status, _ = get(t, "http://"+admin+"/livez")
	require.Equal(t, http.StatusOK, status)
	stop()
	require.NoError(t, <-ran)

	// The last spans are sent before the process ends. Strings lie as they are in protobuf.
	sent := <-spans
	require.Contains(t, sent, "/v1/traces application/x-protobuf ")
	for _, text := range []string{"ringback-producer", "POST /v1/events", "send callback.lifecycle.v1"} {
		require.Contains(t, sent, text)
	}
}

// Invariant 7: a registry that is away is waited for; meanwhile the process lives, and says that it is not ready.
func TestRunWaitsForTheRegistry(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	admin := freeAddr(t)
	ran := make(chan error)
	go func() {
		ran <- run(ctx, config.Environment{
			"PRODUCER_ADDR": freeAddr(t), "PRODUCER_ADMIN_ADDR": admin, "PRODUCER_AUTH": "off",
			"KAFKA_BROKERS": freeAddr(t), "REGISTRY_URL": "http://" + freeAddr(t),
		}, slog.New(slog.DiscardHandler), build.Info{Version: "v1"})
	}()
	require.Eventually(t, func() bool {
		status, text := get(t, "http://"+admin+"/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(text, "waiting for the schema registry")
	}, 20*time.Second, 5*time.Millisecond)
	status, _ := get(t, "http://"+admin+"/livez")
	require.Equal(t, http.StatusOK, status)
	status, text := get(t, "http://"+admin+"/metrics")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, "\nringback_ready 0\n", "an alert can see it")
	stop()
	require.NoError(t, <-ran)
}

func TestRunNamesEveryFaultOfItsConfiguration(t *testing.T) {
	t.Parallel()
	err := run(context.Background(), config.Environment{
		"PRODUCER_MAX_BACH": "7", "PRODUCER_WRITE_TIMEOUT": "1s", "PRODUCER_AUTH": "none",
	}, slog.New(slog.DiscardHandler), build.Info{Version: "v1"})
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	for _, part := range []string{"PRODUCER_MAX_BACH: no such variable; did you mean PRODUCER_MAX_BATCH?", "PRODUCER_WRITE_TIMEOUT: must be longer", "PRODUCER_AUTH: must be token, oidc, both or off"} {
		require.ErrorContains(t, err, part)
	}
	err = run(context.Background(), config.Environment{"PRODUCER_AUTH": "off"}, slog.New(slog.DiscardHandler), build.Info{Version: "v1"})
	require.ErrorContains(t, err, "KAFKA_BROKERS")
}
