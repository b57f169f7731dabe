package cli_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/services/ringback/cli"
	"github.com/ringback/ringback/services/ringback/simulate"
)

// What is simulated is what a producer takes, all of it, and becomes facts.
func TestSimulatedSessionsBecomeFacts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	runOnce(t, dir, "", "--import", "-") // no longer new: no sample is played
	_, stop := live(t, dir)
	code, stdout, stderr := ringback(t, "", "simulate", "--data", dir, "--rate", "500", "--speed", "100000", "--sessions", "60", "--seed", "9", "--json")
	require.Zero(t, code, stdout+stderr)
	var c simulate.Counts
	require.NoError(t, json.Unmarshal([]byte(stdout), &c))
	require.Equal(t, []int{60, 60, 0, 0}, []int{c.Sessions, c.Finished, c.RefusedEvents(), c.Unsent})
	require.Equal(t, c.Happened, c.Accepted)
	require.Positive(t, c.Accepted)
	require.Zero(t, stop())

	s := runOnce(t, dir, "")
	require.EqualValues(t, 60, s.Store.Services)
	require.EqualValues(t, 60, s.Store.Final)
	require.Zero(t, s.Enricher.DeadLettered)
	r := open(t, dir)
	got := map[string]int{}
	for row, err := range r.AllLatest(t.Context()) {
		require.NoError(t, err)
		got[row["DISPOSITION"].(string)]++
		require.WithinDuration(t, time.Now(), time.Unix(row["SERVICE_START_TS"].(int64), 0), 5*time.Minute, "the times are of now")
	}
	require.Equal(t, c.Dispositions, got, "each ends as it was told")
}

func TestSimulateSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"detail":"A bearer token is needed."}`))
	}))
	t.Cleanup(server.Close)
	empty := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"nothing runs":   {[]string{"--data", t.TempDir()}, "no pipeline runs in"},
		"no token":       {[]string{"--url", server.URL, "--rate", "1000"}, "the producer refuses the token: 401 A bearer token is needed."},
		"no such file":   {[]string{"--url", server.URL, "--token-file", "/no/such"}, "simulate: the token: "},
		"an empty file":  {[]string{"--url", server.URL, "--token-file", empty}, "holds no token"},
		"two rates":      {[]string{"--url", server.URL, "--rate", "1", "--session-rate", "2"}, "--rate: is given and so is --session-rate"},
		"a rate of none": {[]string{"--url", server.URL, "--rate", "0"}, "--rate: must be over 0"},
		"all at once":    {[]string{"--url", server.URL, "--speed", "0", "--parallel", "-2"}, "--parallel: must be over 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := ringback(t, "", append([]string{"simulate"}, c.args...)...)
			require.Equal(t, cli.ExitMisusage, code, stderr)
			require.Contains(t, stderr, c.says)
		})
	}
}
