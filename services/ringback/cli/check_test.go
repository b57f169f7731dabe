package cli_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/services/ringback/cli"
)

// A service that is not ready, one that does not answer, and a producer that answers anything but 401 fail.
func TestCheck(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /waiting", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "waiting for the schema registry", http.StatusServiceUnavailable)
	})
	for path, status := range map[string]int{"/closed": http.StatusUnauthorized, "/open": http.StatusAccepted, "/unread": http.StatusBadRequest, "/forbidden": http.StatusForbidden} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			require.Empty(t, r.Header.Get("Authorization"))
			w.WriteHeader(status)
		})
	}
	mux.HandleFunc("GET /elsewhere", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/readyz", http.StatusFound) })
	plain, secure := httptest.NewServer(mux), httptest.NewTLSServer(mux)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	gone := httptest.NewServer(mux)
	gone.Close()
	for name, tc := range map[string]struct {
		args []string
		code int
		says string
	}{
		"all well":               {[]string{"--closed", plain.URL + "/closed", plain.URL + "/readyz"}, cli.ExitOK, "ok        " + plain.URL + "/readyz\nok        " + plain.URL + "/closed\n"},
		"one is not ready":       {[]string{plain.URL + "/waiting", plain.URL + "/readyz"}, cli.ExitFailed, "/waiting: 503 where 200 is due: waiting for the schema registry\nok        "},
		"a redirect":             {[]string{plain.URL + "/elsewhere"}, cli.ExitFailed, "302 where 200 is due"},
		"one does not answer":    {[]string{gone.URL + "/readyz"}, cli.ExitFailed, "no answer: "},
		"an open producer":       {[]string{"--closed", plain.URL + "/open"}, cli.ExitFailed, "202 without a token, where 401 is due"},
		"one that reads first":   {[]string{"--closed", plain.URL + "/unread"}, cli.ExitFailed, "400 without a token, where 401 is due"},
		"one that forbids":       {[]string{"--closed", plain.URL + "/forbidden"}, cli.ExitFailed, "403 without a token, where 401 is due"},
		"a producer that is off": {[]string{"--closed", gone.URL + "/closed"}, cli.ExitFailed, "no answer: "},
		"another's certificate":  {[]string{secure.URL + "/readyz"}, cli.ExitFailed, "certificate"},
		"any certificate":        {[]string{"--insecure", "--closed", secure.URL + "/closed", secure.URL + "/readyz"}, cli.ExitOK, "ok        "},
		"nothing to check":       {nil, cli.ExitMisusage, "nothing to check"},
		"no URL":                 {[]string{"producer:8081"}, cli.ExitMisusage, "is no URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			code := cli.Run(t.Context(), "test", append([]string{"check"}, tc.args...), cli.IO{Out: &out, Err: &out, Env: config.Environment{}})
			require.Equal(t, tc.code, code, out.String())
			require.Contains(t, out.String(), tc.says)
		})
	}
}
