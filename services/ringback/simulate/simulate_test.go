package simulate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/services/ringback/simulate"
)

// producer answers as one does, and keeps what it accepted. Its clock is the test's.
type producer struct {
	mu       sync.Mutex
	events   []sent
	ids      map[string]int // how often each was sent
	requests int
	// answer may answer a request another way; nil takes everything.
	answer func(n int, events []sent) (*http.Response, error)
}

type sent struct {
	ID, Type, Subject string
	Time              time.Time
	at                time.Time // when it came
}

func newProducer() *producer { return &producer{ids: map[string]int{}} }

func (p *producer) do(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var events []sent
	if err := json.Unmarshal(body, &events); err != nil {
		return nil, err
	}
	if r.Header.Get("Authorization") != "Bearer t0ken" || r.Header.Get("Content-Type") != "application/cloudevents-batch+json" || r.URL.Path != "/v1/events" {
		return response(http.StatusUnauthorized, `{"code":"UNAUTHENTICATED","detail":"A token is needed."}`), nil
	}
	p.requests++
	for i := range events {
		events[i].at = time.Now()
		p.ids[events[i].ID]++
	}
	if p.answer != nil {
		if res, err := p.answer(p.requests, events); res != nil || err != nil {
			return res, err
		}
	}
	return p.accept(events, nil), nil
}

// accept accepts the events but those that a problem is given for.
func (p *producer) accept(events []sent, problems map[int]string) *http.Response {
	fates := make([]string, len(events))
	for i, e := range events {
		fates[i] = fmt.Sprintf(`{"index":%d,"status":202}`, i)
		if problem, ok := problems[i]; ok {
			fates[i] = fmt.Sprintf(`{"index":%d,%s}`, i, problem)
			continue
		}
		p.events = append(p.events, e)
	}
	return response(http.StatusMultiStatus, `{"events":[`+strings.Join(fates, ",")+`]}`)
}

func response(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func (p *producer) config() simulate.Config {
	return simulate.Config{URL: "http://producer/", Token: "t0ken", SessionRate: 2, Speed: 60, Parallel: 3, Seed: 5, Do: p.do}
}

// Events are sent when they happen, with the time at which they happen, those of a session in order.
func TestEventsAreSentWhenTheyHappen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProducer()
		cfg := p.config()
		cfg.Duration = 5 * time.Minute
		began := time.Now()
		counts, err := simulate.Run(t.Context(), cfg)
		require.NoError(t, err)
		require.InDelta(t, 600, counts.Sessions, 100, "two a second, at random")
		require.Equal(t, counts.Sessions, counts.Finished, "those under way go to their end")
		require.Equal(t, counts.Happened, counts.Accepted)
		require.Len(t, p.events, counts.Accepted)
		require.Less(t, time.Since(began), cfg.Duration+4*time.Minute, "three hours of life at most")
		last, ended := map[string]time.Time{}, 0
		for _, e := range p.events {
			require.WithinDuration(t, e.Time, e.at, 2*time.Millisecond)
			require.False(t, e.Time.Before(last[e.Subject]), "in order")
			last[e.Subject] = e.Time
			require.Equal(t, 1, p.ids[e.ID])
		}
		require.Len(t, last, counts.Sessions)
		for _, n := range counts.Dispositions {
			ended += n
		}
		require.Equal(t, counts.Sessions, ended)
		require.Positive(t, counts.Dispositions["COMPLETED.AGENT"])
		require.Zero(t, counts.Again+counts.RefusedEvents()+counts.Unsent+counts.Ahead)
	})
}

// 429 and 503 are waited for, as long as is asked; what is sent again has the same id, and what was accepted
// is not sent again.
func TestAProducerThatCannotWriteIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProducer()
		var told []string
		busy, stop := time.Time{}, false
		p.answer = func(n int, events []sent) (*http.Response, error) {
			if !stop {
				require.False(t, time.Now().Before(busy), "it asked to be left alone until %s", busy)
			}
			switch n {
			case 1:
				res := response(http.StatusServiceUnavailable, `{"code":"OUTCOME_UNKNOWN"}`)
				res.Header.Set("Retry-After", "7")
				busy = time.Now().Add(7 * time.Second)
				return res, nil
			case 2:
				return nil, errors.New("connection refused")
			case 3:
				return response(http.StatusBadGateway, "<html>"), nil
			case 4:
				stop = true
				res := p.accept(events, map[int]string{0: `"status":429,"problem":{"code":"QUEUE_FULL"}`})
				return res, nil
			}
			return nil, nil
		}
		cfg := p.config()
		cfg.Sessions, cfg.Parallel = 20, 1
		cfg.Say = func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) }
		counts, err := simulate.Run(t.Context(), cfg)
		require.NoError(t, err)
		require.Equal(t, 20, counts.Finished)
		require.Equal(t, counts.Happened, counts.Accepted)
		require.Len(t, p.events, counts.Accepted, "none was accepted twice")
		require.GreaterOrEqual(t, counts.Again, 4)
		require.GreaterOrEqual(t, counts.LatestMillis, int64(7000))
		require.Equal(t, []string{
			"the producer answered 503 OUTCOME_UNKNOWN", "the producer does not answer: connection refused", "the producer answered 502 ", "the producer answered 429 QUEUE_FULL",
		}, told)
		once := 0
		for _, n := range p.ids {
			if n == 1 {
				once++
			}
		}
		require.Greater(t, once, counts.Accepted/2, "what was accepted is not sent again")
	})
}

func TestRefusedEventsAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProducer()
		p.answer = func(n int, events []sent) (*http.Response, error) {
			if n == 3 {
				return p.accept(events, map[int]string{0: `"status":422,"problem":{"code":"INVALID_FIELD"}`}), nil
			}
			return nil, nil
		}
		cfg := p.config()
		cfg.Sessions = 10
		counts, err := simulate.Run(t.Context(), cfg)
		require.NoError(t, err)
		require.Equal(t, map[string]int{"INVALID_FIELD": 1}, counts.Refused)
		require.Equal(t, counts.Happened, counts.Accepted+1)
		require.Equal(t, 10, counts.Finished)
	})
}

// Told to stop, it sends nothing more, sees the requests under way through, and every event is counted.
func TestItEndsGracefully(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		p := newProducer()
		p.answer = func(n int, events []sent) (*http.Response, error) {
			if n == 50 {
				cancel()
			}
			if n > 50 {
				require.LessOrEqual(t, n, 52, "only the other lanes' requests were under way")
			}
			return nil, nil
		}
		counts, err := simulate.Run(ctx, p.config())
		require.NoError(t, err)
		require.Equal(t, counts.Happened, counts.Accepted+counts.Unsent)
		require.Len(t, p.events, counts.Accepted, "what was accepted is counted")
		require.Positive(t, counts.Ahead)
		require.Greater(t, counts.Sessions, counts.Finished)
		var out bytes.Buffer
		require.NoError(t, counts.Print(&out))
		require.Contains(t, out.String(), fmt.Sprintf("%d accepted, 0 refused, %d unsent; %d still to come\n", counts.Accepted, counts.Unsent, counts.Ahead))
	})
}

// A producer that takes nothing is not flooded: with so many events waiting no more sessions begin.
func TestNoMoreBeginsThanCanWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		p := newProducer()
		p.answer = func(int, []sent) (*http.Response, error) { return nil, errors.New("away") }
		cfg := p.config()
		cfg.SessionRate, cfg.Speed = 1000, 1e6
		counts, err := simulate.Run(ctx, cfg)
		require.NoError(t, err)
		require.Positive(t, counts.HeldBack)
		require.Zero(t, counts.Accepted)
		require.Equal(t, counts.Happened, counts.Unsent)
		require.Less(t, counts.Unsent, 25_000)
	})
}

func TestWhatNeedsAnOperatorEndsIt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*simulate.Config, *producer)
		says   string
		class  fault.Class
	}{
		"another token": {func(c *simulate.Config, _ *producer) { c.Token = "marked" }, "the producer refuses the token: 401 A token is needed.", fault.Misconfiguration},
		"no producer": {func(_ *simulate.Config, p *producer) {
			p.answer = func(int, []sent) (*http.Response, error) { return response(http.StatusOK, "hello"), nil }
		}, "is it a producer?", fault.Bug},
		"no rate": {func(c *simulate.Config, _ *producer) { c.SessionRate, c.Speed, c.Sessions = 0, -1, -1 }, "--speed: must be over 0, is -1\n--sessions: must not", fault.Misconfiguration},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newProducer()
				cfg := p.config()
				tc.change(&cfg, p)
				_, err := simulate.Run(t.Context(), cfg)
				require.ErrorContains(t, err, tc.says)
				require.Equal(t, tc.class, fault.ClassOf(err))
				require.NotContains(t, err.Error(), "marked") // invariant 10
			})
		})
	}
}
