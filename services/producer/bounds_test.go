package producer_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/services/producer"
)

func TestLimitsOfTheBody(t *testing.T) {
	t.Parallel()
	limit := len(event("e1", ""))
	b := setup(t, func(cfg *producer.Config, _ *producer.Deps) { cfg.MaxBody = int64(limit) })
	res, _ := b.ask(t, post(structured, event("e1", "")))
	require.Equal(t, http.StatusAccepted, res.StatusCode, "exactly the limit")
	res, a := b.ask(t, post(structured, event("e1", " ")))
	require.Equal(t, http.StatusRequestEntityTooLarge, res.StatusCode)
	require.Equal(t, fmt.Sprintf("The body is larger than %d bytes.", limit), a.Detail)
	r := post(structured, event("e1", " "))
	r.ContentLength = -1 // chunked: how long it is shows only on reading
	res, _ = b.ask(t, r)
	require.Equal(t, http.StatusRequestEntityTooLarge, res.StatusCode)
	require.Len(t, b.publisher.ids(), 1)
}

// Invariant 1: what Kafka has not acknowledged is not accepted, event by event.
// An answer is no larger than some times its request, whatever is wrong with it; every event has its first fault.
func TestAnswerIsBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	var stray []string
	for i := range 90 {
		stray = append(stray, fmt.Sprintf(`"x%d":1`, i))
	}
	one := event("e", `,"data":{`+strings.Join(stray, ",")+`}`)
	body := "[" + strings.Repeat(one+",", 999) + one + "]"
	require.Less(t, len(body), 1<<20)
	res, a := b.ask(t, post(batch, body))
	require.Equal(t, http.StatusUnprocessableEntity, res.StatusCode)
	require.Len(t, a.Events, 1000)
	require.LessOrEqual(t, len(a.Errors), 3000)
	of := map[int]int{}
	for _, e := range a.Errors {
		of[e.Index]++
	}
	require.Equal(t, 90, of[0])
	require.Equal(t, 2, of[999], "the first, and how many there are more")
}

// Invariant 1: no acknowledgement in 10 s is 503 OUTCOME_UNKNOWN, neither earlier nor later.
func TestNoAcknowledgementInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, func(_ *producer.Config, d *producer.Deps) {
			d.Now = nil
			d.Publisher = &publisher{produce: func(ctx context.Context, records []kafka.Record) []kafka.Delivery {
				<-ctx.Done()
				return []kafka.Delivery{{Offset: -1, Err: fault.Outagef("kafka: %w: %w", kafka.ErrOutcomeUnknown, ctx.Err())}}
			}}
		})
		start := time.Now()
		asked, cancel := context.WithCancel(t.Context())
		cancel() // a client that leaves does not take its event back
		at := strings.Replace(event("e1", ""), "2026-03-01", time.Now().Format(time.DateOnly), 1)
		res, a := b.ask(t, post(structured, at).WithContext(asked))
		require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
		require.Equal(t, "OUTCOME_UNKNOWN", a.Code)
		require.Contains(t, a.Detail, "within 10s")
		require.Equal(t, 10*time.Second, time.Since(start))
		b.server.Close()
	})
}

func TestMoreRequestsThanWorkedOn(t *testing.T) {
	t.Parallel()
	b := setup(t, func(cfg *producer.Config, _ *producer.Deps) { cfg.MaxInFlight = 1 })
	under, release := make(chan struct{}), make(chan struct{})
	b.publisher.produce = func(_ context.Context, records []kafka.Record) []kafka.Delivery {
		close(under)
		<-release
		return make([]kafka.Delivery, len(records))
	}
	first := make(chan int)
	go func() {
		w := httptest.NewRecorder()
		b.server.Handler().ServeHTTP(w, post(structured, event("e1", "")))
		first <- w.Code
	}()
	<-under
	res, a := b.ask(t, post(structured, event("e2", "")))
	require.Equal(t, http.StatusTooManyRequests, res.StatusCode)
	require.Equal(t, "TOO_MANY_REQUESTS", a.Code)
	require.Equal(t, "2", res.Header.Get("Retry-After"))
	close(release)
	require.Equal(t, http.StatusAccepted, <-first)
}

// What is worked on at once is bounded by the size of the bodies too, whether or not they say how large they are.
func TestMoreBytesThanWorkedOn(t *testing.T) {
	t.Parallel()
	b := setup(t, func(cfg *producer.Config, _ *producer.Deps) { cfg.MaxBody, cfg.MaxInFlightBytes = 2000, 2000 })
	under, release := make(chan struct{}), make(chan struct{})
	b.publisher.produce = func(_ context.Context, records []kafka.Record) []kafka.Delivery {
		under <- struct{}{}
		<-release
		return make([]kafka.Delivery, len(records))
	}
	first := make(chan int)
	go func() {
		w := httptest.NewRecorder()
		b.server.Handler().ServeHTTP(w, post(structured, event("e1", "")))
		first <- w.Code
	}()
	<-under
	for _, length := range []int64{1900, -1} {
		r := post(structured, event("e2", "")+strings.Repeat(" ", 1000))
		r.ContentLength = length
		res, a := b.ask(t, r)
		require.Equal(t, http.StatusTooManyRequests, res.StatusCode, length)
		require.Equal(t, "TOO_MANY_REQUESTS", a.Code)
	}
	close(release)
	require.Equal(t, http.StatusAccepted, <-first)
	go func() { <-under }()
	res, _ := b.ask(t, post(structured, event("e3", "")))
	require.Equal(t, http.StatusAccepted, res.StatusCode, "the room is given back")
}
