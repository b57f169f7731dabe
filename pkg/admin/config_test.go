package admin

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

const (
	acceptBody   = `{"topic":"callback.lifecycle.v1","partition":1,"upTo":4711}`
	acceptToken  = "accept-0123456789abcdef"
	profileToken = "profile-0123456789abcdef"
)

// Who may do what on the admin port: probes and metrics anyone, the rest by scope, and profiles only where they are asked for.
func TestHandler(t *testing.T) {
	t.Parallel()
	tokens := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(tokens, []byte(acceptToken+" oncall scopes=admin:accept\n"+profileToken+" expert scopes=admin:profile\n"), 0o600))
	open, guarded := Config{}, Config{TokensFile: tokens, Profile: true}
	for _, tc := range []struct {
		name, method, path, token string
		config                    Config
		want                      int
	}{
		{"no profiles unless asked for", "GET", "/debug/pprof/", "", open, http.StatusNotFound},
		{"no profiles unless asked for, whoever asks", "GET", "/debug/pprof/", profileToken, Config{TokensFile: tokens}, http.StatusNotFound},
		{"profiles without a token", "GET", "/debug/pprof/", "", guarded, http.StatusUnauthorized},
		{"profiles with a token for something else", "GET", "/debug/pprof/goroutine", acceptToken, guarded, http.StatusForbidden},
		{"profiles", "GET", "/debug/pprof/goroutine", profileToken, guarded, http.StatusOK},
		{"the command line", "GET", "/debug/pprof/cmdline", profileToken, guarded, http.StatusNotFound},
		{"accept without a token", "POST", AcceptPath, "", guarded, http.StatusUnauthorized},
		{"accept with a token for something else", "POST", AcceptPath, profileToken, guarded, http.StatusForbidden},
		{"accept with a wrong token", "POST", AcceptPath, "wrong-0123456789abcdef", guarded, http.StatusUnauthorized},
		{"accept", "POST", AcceptPath, acceptToken, guarded, http.StatusOK},
		{"accept where there are no tokens", "POST", AcceptPath, "", open, http.StatusForbidden},
		{"accept where there are no tokens, whoever asks", "POST", AcceptPath, acceptToken, open, http.StatusForbidden},
		{"probes need none", "GET", "/livez", "", guarded, http.StatusOK},
		{"metrics need none", "GET", "/metrics", "", guarded, http.StatusOK},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			accepted := 0
			h, err := tc.config.handler(Surface{Metrics: prometheus.NewRegistry(), Accept: func(string, int32, int64) error { accepted++; return nil }})
			require.NoError(t, err)
			r := httptest.NewRequest(tc.method, tc.path, strings.NewReader(acceptBody))
			r.Header.Set("Content-Type", "application/json")
			if tc.token != "" {
				r.Header.Set("Authorization", "Bearer "+tc.token)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			require.Equal(t, tc.want, w.Code, w.Body.String())
			if tc.path == AcceptPath && tc.config.TokensFile == "" {
				require.Contains(t, w.Body.String(), "set ENRICHER_ADMIN_TOKENS_FILE, of a sink SINK_ADMIN_TOKENS_FILE")
			}
			require.Equal(t, tc.path == AcceptPath && tc.want == http.StatusOK, accepted == 1, "what is refused has no effect")
		})
	}
}

func TestProfilesNeedTokens(t *testing.T) {
	t.Parallel()
	c := Config{Profile: true}
	require.ErrorContains(t, c.Faults("ENRICHER_ADMIN_")[0], "ENRICHER_ADMIN_PROFILE: needs ENRICHER_ADMIN_TOKENS_FILE")
}
