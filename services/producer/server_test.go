package producer_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/services/producer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func send(t *testing.T, b *bundle, body string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+b.server.Addr().String()+"/v1/events", strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", structured)
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err == nil {
		t.Cleanup(func() { _ = res.Body.Close() })
	}
	return res, err
}

func TestRunServesAndDrains(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	under, release := make(chan struct{}), make(chan struct{})
	b.publisher.produce = func(_ context.Context, records []kafka.Record) []kafka.Delivery {
		close(under)
		<-release
		return make([]kafka.Delivery, len(records))
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error)
	go func() { ran <- b.server.Run(ctx) }()
	require.NoError(t, b.server.Ready())

	first := make(chan int)
	go func() {
		res, err := send(t, b, event("e1", ""))
		if err != nil {
			first <- 0
			return
		}
		first <- res.StatusCode
	}()
	<-under
	stop()
	// The listener goes at once; the request under way is waited for.
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", b.server.Addr().String())
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	}, 10*time.Second, time.Millisecond)
	require.ErrorContains(t, b.server.Ready(), "draining")
	select {
	case err := <-ran:
		require.FailNow(t, "returned before its request", "%v", err)
	default:
	}
	close(release)
	require.Equal(t, http.StatusAccepted, <-first)
	require.NoError(t, <-ran)
}

func TestDrainHasAnEnd(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *producer.Config, _ *producer.Deps) { c.DrainTimeout = time.Millisecond })
	under, release := make(chan struct{}), make(chan struct{})
	b.publisher.produce = func(_ context.Context, records []kafka.Record) []kafka.Delivery {
		close(under)
		<-release
		return make([]kafka.Delivery, len(records))
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error)
	go func() { ran <- b.server.Run(ctx) }()
	cut := make(chan error)
	go func() {
		_, err := send(t, b, event("e1", ""))
		cut <- err
	}()
	<-under
	stop()
	require.ErrorContains(t, <-ran, "PRODUCER_DRAIN_TIMEOUT")
	require.Error(t, <-cut)
	close(release)
}

func TestReadyAsksKafka(t *testing.T) {
	t.Parallel()
	var down error
	b := setup(t, func(_ *producer.Config, d *producer.Deps) {
		d.Reachable = func(ctx context.Context) error {
			_, bounded := ctx.Deadline()
			require.True(t, bounded, "a probe must get its answer")
			return down
		}
	})
	require.NoError(t, b.server.Ready())
	down = errors.New("no broker")
	require.ErrorContains(t, b.server.Ready(), "no broker")
}

func TestNewNamesEveryFault(t *testing.T) {
	t.Parallel()
	_, err := producer.New(producer.Config{Addr: "nowhere", Auth: "maybe"}, producer.Deps{})
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	for _, name := range []string{"PRODUCER_ADDR", "PRODUCER_AUTH", "PRODUCER_MAX_BODY", "PRODUCER_MAX_BATCH", "PRODUCER_ACK_TIMEOUT", "PRODUCER_DRAIN_TIMEOUT"} {
		require.ErrorContains(t, err, name)
	}

	for name, change := range map[string]func(*producer.Config){
		"PRODUCER_TOKENS_FILE: is required":  func(c *producer.Config) { c.Auth = producer.AuthToken },
		"PRODUCER_AUTH: is off although":     func(c *producer.Config) { c.TokensFile = "x" },
		"PRODUCER_WRITE_TIMEOUT: must be lo": func(c *producer.Config) { c.WriteTimeout = c.AckTimeout },
		"token file: open":                   func(c *producer.Config) { c.Auth, c.TokensFile = producer.AuthToken, "/nonexistent/tokens" },
	} {
		cfg := config()
		change(&cfg)
		_, err := producer.New(cfg, producer.Deps{})
		require.ErrorContains(t, err, name)
		require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	}

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	cfg := config()
	cfg.Addr = taken.Addr().String()
	_, err = producer.New(cfg, producer.Deps{})
	require.ErrorContains(t, err, "PRODUCER_ADDR")
}

// lines collects a log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// The token file is looked at every five seconds; a bad one is told once and changes nothing.
func TestTokenFileIsWatched(t *testing.T) {
	t.Parallel()
	path := tokenFile(t, "alpha\n")
	synctest.Test(t, func(t *testing.T) {
		var log lines
		b := setup(t, func(c *producer.Config, d *producer.Deps) {
			c.Auth, c.TokensFile = producer.AuthToken, path
			d.Logger = slog.New(slog.NewTextHandler(&log, nil))
		})
		ctx, stop := context.WithCancel(t.Context())
		var watch sync.WaitGroup
		watch.Go(func() { b.server.WatchTokens(ctx) })
		status := func(token string) int {
			res, _ := b.ask(t, with(post(structured, event("e1", "")), "Authorization", "Bearer "+token))
			return res.StatusCode
		}
		next := func() {
			time.Sleep(5 * time.Second) // of the bubble's clock
			synctest.Wait()
		}
		require.NoError(t, os.WriteFile(path, []byte("beta\n"), 0o600))
		require.Equal(t, http.StatusAccepted, status("alpha"))
		next()
		require.Equal(t, http.StatusUnauthorized, status("alpha"))
		require.Equal(t, http.StatusAccepted, status("beta"))
		require.Empty(t, log.String(), "normal work logs nothing")

		require.NoError(t, os.Remove(path))
		next()
		next()
		require.Equal(t, http.StatusAccepted, status("beta"))
		require.Equal(t, 1, strings.Count(log.String(), "\n"), "an outage is told once: %s", log.String())
		require.NotContains(t, log.String(), "beta")
		require.NoError(t, testutil.GatherAndCompare(b.metrics, strings.NewReader(`
# HELP ringback_producer_token_reloads_total Times that the token file was read again, by outcome (changed, failed).
# TYPE ringback_producer_token_reloads_total counter
ringback_producer_token_reloads_total{outcome="changed"} 1
ringback_producer_token_reloads_total{outcome="failed"} 2
`), "ringback_producer_token_reloads_total"))
		stop()
		watch.Wait()
		b.server.Close()
	})
}

// Whether events can be written is logged when it changes, not for every event.
func TestTroubleIsLoggedOnce(t *testing.T) {
	t.Parallel()
	var log lines
	b := setup(t, func(_ *producer.Config, d *producer.Deps) { d.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	b.publisher.produce = each(map[string]error{"e1": fault.Outagef("kafka: no route to kafka-1:9092")})
	for range 3 {
		b.ask(t, post(structured, event("e1", "")))
	}
	require.Equal(t, 1, strings.Count(log.String(), "\n"), log.String())
	require.Contains(t, log.String(), "no route to kafka-1:9092")
	b.ask(t, post(structured, event("e2", "")))
	b.ask(t, post(structured, event("e3", "")))
	require.Equal(t, 2, strings.Count(log.String(), "\n"), log.String())
}
