package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/build"
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/embedded/broker"
	embedded "github.com/ringback/ringback/pkg/embedded/registry"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart/sqlite"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
	"github.com/ringback/ringback/services/sink"
)

func TestFaultsOfTheConfigurationAreNamedTogether(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		sink string
		env  config.Environment
		want []string
	}{
		"nothing is set": {sink.TServer, config.Environment{}, []string{
			"KAFKA_BROKERS", "STORE_URL: is required", "TSERVER_GATEWAY_URL: ", "TSERVER_REP_USEREVENT_SWITCH: is required",
		}},
		"two stores":       {sink.Infomart, config.Environment{"STORE_PATH": "x", "POSTGRES_HOST": "y"}, []string{"STORE_PATH: names a SQLite store"}},
		"misspelt":         {sink.Infomart, config.Environment{"SINK_BATHC_RECORDS": "5"}, []string{"SINK_BATHC_RECORDS: no such variable; did you mean SINK_BATCH_RECORDS?"}},
		"wrong and absent": {sink.Infomart, config.Environment{"SINK_RETRY_MIN": "soon", "KAFKA_BROKERS": "nowhere"}, []string{"SINK_RETRY_MIN: must be a duration", "nowhere", "STORE_URL"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := sink.LoadSettings(t.Context(), tc.sink, tc.env)
			for _, want := range tc.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
	good := config.Environment{
		"KAFKA_BROKERS": "a:9092,b:9092", "STORE_URL": "postgres://u:secret@db/ringback", "TSERVER_GATEWAY_URL": "http://gw", "TSERVER_REP_USEREVENT_SWITCH": "S",
		"TSERVER_DATA_ERROR_CODES": "50,71", "TSERVER_SIM_ADDR": "of the simulator",
	}
	s, err := sink.LoadSettings(t.Context(), sink.TServer, good)
	require.NoError(t, err)
	require.Equal(t, []int{50, 71}, s.TServer.DataErrorCodes)
	require.NotContains(t, fmt.Sprintf("%v %+v", s, s), "secret") // invariant 10
}

// freeAddr is an address that nobody listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

// The binary waits for what is away, says so, works, and ends when it is told to.
func TestRunWaitsForTheRegistryAndWorks(t *testing.T) {
	t.Parallel()
	b, err := broker.Start(broker.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close() })
	client, err := kafka.New(kafka.Config{Brokers: b.Addrs()})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	require.NoError(t, client.EnsureTopics(t.Context(), topic.Specs(1, 1)))
	admin, schemas := freeAddr(t), freeAddr(t)
	store, tokens := filepath.Join(t.TempDir(), "infomart.db"), filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(tokens, []byte("accept-0123456789abcdef oncall scopes=admin:accept\n"), 0o600))

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, sink.Infomart, config.Environment{
			"KAFKA_BROKERS": strings.Join(b.Addrs(), ","), "REGISTRY_URL": "http://" + schemas, "STORE_PATH": store, "SINK_ADMIN_ADDR": admin, "SINK_ADMIN_TOKENS_FILE": tokens,
		}, slog.New(slog.DiscardHandler), build.Info{Version: "v1"})
	}()
	ready := func(want int, why string) func() bool {
		return func() bool {
			code, body := get(t, "http://"+admin+"/readyz")
			return code == want && strings.Contains(body, why)
		}
	}
	require.Eventually(t, ready(http.StatusServiceUnavailable, "waiting for the schema registry"), 20*time.Second, 20*time.Millisecond)
	code, _ := get(t, "http://"+admin+"/livez")
	require.Equal(t, http.StatusOK, code, "it is alive meanwhile")
	_, text := get(t, "http://"+admin+"/metrics")
	require.Contains(t, text, "\nringback_ready 0\n")

	_, port, err := net.SplitHostPort(schemas)
	require.NoError(t, err)
	var n int
	_, err = fmt.Sscan(port, &n)
	require.NoError(t, err)
	server, err := embedded.Start(embedded.Config{Dir: t.TempDir(), Port: n})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	require.Eventually(t, ready(http.StatusOK, "ok"), 20*time.Second, 20*time.Millisecond)
	_, text = get(t, "http://"+admin+"/metrics")
	require.Contains(t, text, "\nringback_ready 1\n")

	produce(t, client, "http://"+schemas)
	require.Eventually(t, func() bool {
		_, body := get(t, "http://"+admin+"/metrics")
		return strings.Contains(body, `ringback_sink_records_total{outcome="applied",sink="infomart",topic="callback.userevents.v1"} 1`) && strings.Contains(body, `version="v1"} 1`)
	}, 20*time.Second, 20*time.Millisecond)
	req, err := http.NewRequest(http.MethodPost, "http://"+admin+"/admin/accept", strings.NewReader(`{"topic":"callback.userevents.v1","partition":0,"upTo":3}`))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer accept-0123456789abcdef")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusConflict, resp.StatusCode, "nothing is paused")

	cancel()
	require.NoError(t, <-ended)
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: store, CacheMiB: 4})
	require.NoError(t, err)
	rows, err := db.Counts(t.Context())
	require.NoError(t, err)
	require.NoError(t, db.Close())
	require.Equal(t, int64(1), rows.Facts)
}

// Invariant 7: whatever a sink waits for at its start, it is alive, and its metrics say that it is not ready.
func TestNotReadyWhileWaiting(t *testing.T) {
	t.Parallel()
	b, err := broker.Start(broker.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close() })
	server, err := embedded.Start(embedded.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	client, err := kafka.New(kafka.Config{Brokers: b.Addrs()})
	require.NoError(t, err)
	require.NoError(t, client.EnsureTopics(t.Context(), topic.Specs(1, 1)))
	client.Close()
	brokers := strings.Join(b.Addrs(), ",")
	for name, tc := range map[string]struct {
		sink, brokers, registry, why string
	}{
		"infomart, PostgreSQL is away": {sink.Infomart, brokers, server.URL(), "waiting for the store"},
		"tserver, the registry is":     {sink.TServer, brokers, "http://" + freeAddr(t), "waiting for the schema registry"},
		"tserver, Kafka is":            {sink.TServer, freeAddr(t), server.URL(), "waiting for Kafka"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			admin := freeAddr(t)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			env := config.Environment{
				"KAFKA_BROKERS": tc.brokers, "REGISTRY_URL": tc.registry, "STORE_URL": "postgres://u:secret@" + freeAddr(t) + "/ringback", "SINK_ADMIN_ADDR": admin,
			}
			if tc.sink == sink.TServer {
				env["TSERVER_GATEWAY_URL"], env["TSERVER_REP_USEREVENT_SWITCH"] = "http://"+freeAddr(t), "S"
			}
			go func() { ended <- run(ctx, tc.sink, env, slog.New(slog.DiscardHandler), build.Info{Version: "v1"}) }()
			require.Eventually(t, func() bool {
				code, why := get(t, "http://"+admin+"/readyz")
				return code == http.StatusServiceUnavailable && strings.Contains(why, tc.why)
			}, 30*time.Second, 20*time.Millisecond)
			code, text := get(t, "http://"+admin+"/metrics")
			require.Equal(t, http.StatusOK, code)
			require.Contains(t, text, "\nringback_ready 0\n")
			code, _ = get(t, "http://"+admin+"/livez")
			require.Equal(t, http.StatusOK, code)
			cancel()
			require.NoError(t, <-ended)
		})
	}
}

// produce writes one UserEvent.
func produce(t *testing.T, client *kafka.Client, schemas string) {
	t.Helper()
	reg, err := registry.New(registry.Config{URL: schemas})
	require.NoError(t, err)
	defer reg.Close()
	codec, err := wire.New(t.Context(), reg)
	require.NoError(t, err)
	u := &callback.UserEvent{Sequence: 1, Cause: callback.CauseStart, LogicVersion: callback.LogicVersion}
	u.KVPs.SetStr(callback.KeyServiceID, "s", 0)
	for _, k := range callback.Mandatory()[1:] {
		u.KVPs.SetInt(k, 1_772_000_000, 0)
	}
	rec, err := codec.UserEvent(u)
	require.NoError(t, err)
	producer := client.NewProducer(kafka.ProducerConfig{})
	require.NoError(t, producer.Produce(t.Context(), []kafka.Record{rec})[0].Err)
	require.NoError(t, producer.Close(t.Context()))
}

func TestMisconfigurationEndsTheProcess(t *testing.T) {
	t.Parallel()
	err := run(t.Context(), sink.Infomart, config.Environment{"KAFKA_BROKERS": "127.0.0.1:1", "STORE_PATH": "x", "SINK_ADMIN_ADDR": "nowhere:x"}, slog.New(slog.DiscardHandler), build.Info{Version: "v1"})
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
}
