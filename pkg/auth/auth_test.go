package auth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/auth"
	"github.com/ringback/ringback/pkg/fault"
)

// away is a verifier whose issuer does not answer.
type away struct{}

func (away) Verify(context.Context, string) (*auth.Grant, error) {
	return nil, fault.Outagef("the issuer is away")
}

func TestGuard(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(path, []byte("all scopes=events:write,admin:accept,admin:profile\nplain\naccepts the operator scopes=admin:accept,admin:profile\nwrites 101 scopes=events:write\n"), 0o600))
	tokens, err := auth.OpenTokens(path)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		header    string
		verifier  auth.Verifier
		status    int
		challenge string
	}{
		"every scope":       {"Bearer all", tokens, 204, ""},
		"none said":         {"Bearer plain", tokens, 403, `Bearer realm="ringback", error="insufficient_scope", scope="admin:accept"`},
		"the scope":         {"bearer  accepts", tokens, 204, ""},
		"another scope":     {"Bearer writes", tokens, 403, `Bearer realm="ringback", error="insufficient_scope", scope="admin:accept"`},
		"an unknown token":  {"Bearer nobody", tokens, 401, `Bearer realm="ringback", error="invalid_token", error_description="the token is not known"`},
		"no token":          {"", tokens, 401, `Bearer realm="ringback"`},
		"no scheme":         {"all", tokens, 401, `Bearer realm="ringback"`},
		"another scheme":    {"Basic all", tokens, 401, `Bearer realm="ringback"`},
		"an outage":         {"Bearer all", away{}, 503, ""},
		"no token, outage":  {"", away{}, 401, `Bearer realm="ringback"`},
		"an empty token":    {"Bearer ", tokens, 401, `Bearer realm="ringback"`},
		"two tokens in one": {"Bearer all accepts", tokens, 401, `Bearer realm="ringback", error="invalid_token", error_description="the token is not known"`},
	} {
		h := auth.Guard(c.verifier, auth.AdminAccept, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Authorization", c.header)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, c.status, w.Code, name)
		require.Equal(t, c.challenge, w.Header().Get("WWW-Authenticate"), name)
		if c.status != 204 {
			require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"), name)
			require.NotContains(t, w.Body.String(), "nobody", name)
		}
		require.Equal(t, c.status == 503, w.Header().Get("Retry-After") != "", name)
	}
}
