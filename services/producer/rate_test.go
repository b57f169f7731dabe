package producer_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/services/producer"
)

func eventsOf(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = event(fmt.Sprint("e", i), "")
	}
	return "[" + strings.Join(all, ",") + "]"
}

// Each token has its own rate. What is over it is answered 429 with the time to wait, and nothing of it is written.
func TestRateOfEachToken(t *testing.T) {
	t.Parallel()
	clock := now
	b := setup(t, func(c *producer.Config, d *producer.Deps) {
		c.Auth, c.TokensFile = producer.AuthToken, tokenFile(t, "alpha\nbeta\n")
		c.MaxBatch, c.Rate = 10, producer.Rate{Events: 2, Burst: 10}
		d.Now = func() time.Time { return clock }
	})
	ask := func(token, body string) (*http.Response, answer) {
		return b.ask(t, with(post(batch, body), "Authorization", "Bearer "+token))
	}
	res, _ := ask("alpha", eventsOf(10))
	require.Equal(t, http.StatusAccepted, res.StatusCode)
	written := len(b.publisher.ids())
	res, a := ask("alpha", eventsOf(6))
	require.Equal(t, http.StatusTooManyRequests, res.StatusCode)
	require.Equal(t, "RATE_LIMITED", a.Code)
	require.Equal(t, "2", res.Header.Get("Retry-After"), "of the configuration: half a second for one event, rounded up, would be less")
	require.Len(t, b.publisher.ids(), written)
	res, _ = ask("beta", eventsOf(10))
	require.Equal(t, http.StatusAccepted, res.StatusCode, "another token is not held up")

	clock = clock.Add(time.Second) // two events more; one of them is the request's own
	res, _ = ask("alpha", eventsOf(10))
	require.Equal(t, http.StatusTooManyRequests, res.StatusCode)
	require.Equal(t, "5", res.Header.Get("Retry-After"), "ten events at two a second, of which one is there, rounded up")
	res, _ = ask("alpha", eventsOf(1))
	require.Equal(t, http.StatusAccepted, res.StatusCode)
	res, _ = ask("alpha", "no JSON")
	require.Equal(t, http.StatusTooManyRequests, res.StatusCode, "what cannot be read counts too")
	clock = clock.Add(time.Minute)
	res, _ = ask("alpha", eventsOf(10))
	require.Equal(t, http.StatusAccepted, res.StatusCode)
	res, _ = ask("nobody", eventsOf(1))
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
}

func TestRateFaults(t *testing.T) {
	t.Parallel()
	for want, rate := range map[string]producer.Rate{
		"PRODUCER_RATE_EVENTS: must not be negative": {Events: -1},
		"PRODUCER_RATE_BURST: must be 0 or at least": {Events: 1, Burst: 10},
	} {
		cfg := config()
		cfg.Rate = rate
		_, err := producer.New(cfg, producer.Deps{})
		require.ErrorContains(t, err, want)
	}
}
