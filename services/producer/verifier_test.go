package producer_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/auth/oidc"
	"github.com/ringback/ringback/services/producer"
)

// issuer is an OpenID provider with one key.
type issuer struct {
	*httptest.Server
	key  *ecdsa.PrivateKey
	down atomic.Bool
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{}
	var err error
	i.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	jwk, err := jwkset.NewJWKFromKey(i.key.Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: "k1"}})
	require.NoError(t, err)
	store := jwkset.NewMemoryStorage()
	require.NoError(t, store.KeyWrite(t.Context(), jwk))
	keys, err := store.JSONPublic(t.Context())
	require.NoError(t, err)
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if i.down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = w.Write(keys)
	}))
	t.Cleanup(i.Close)
	return i
}

// header is the Authorization header of a token with that scope, bound to a tenant; it is valid at the tests' time.
func (i *issuer) header(t *testing.T, scope string, tenant int) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": i.URL, "aud": "ringback", "sub": "ivr", "scope": scope, "tenant": tenant, "exp": now.Add(time.Minute).Unix(),
	})
	token.Header["kid"] = "k1"
	text, err := token.SignedString(i.key)
	require.NoError(t, err)
	return "Bearer " + text
}

func (i *issuer) configure(t *testing.T, mode string) func(*producer.Config, *producer.Deps) {
	t.Helper()
	return func(c *producer.Config, _ *producer.Deps) {
		c.Auth = mode
		if mode == producer.AuthBoth {
			c.TokensFile = tokenFile(t, "alpha\nadmin scopes=admin:accept\n")
		}
		c.OIDC = oidc.Config{
			Issuer: i.URL, Audience: "ringback", JWKSURL: i.URL, AllowHTTP: true, Algorithms: []string{"ES256"}, ScopeClaim: "scope", WriteScope: "events:write",
			TenantClaim: "tenant", Refresh: time.Hour, RefreshUnknown: time.Hour, Timeout: 5 * time.Second,
		}
	}
}

func TestAccessTokensOfAProvider(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	b := setup(t, i.configure(t, producer.AuthBoth))
	for name, c := range map[string]struct {
		header, event string
		status        int
		code          string
		challenge     string
	}{
		"good":                {i.header(t, "events:write", 101), event("e1", ""), 202, "", ""},
		"its tenant":          {i.header(t, "events:write", 101), event("e1", `,"tenantdbid":101`), 202, "", ""},
		"another tenant":      {i.header(t, "events:write", 101), event("e1", `,"tenantdbid":102`), 403, "OTHER_TENANT", ""},
		"without the scope":   {i.header(t, "openid", 101), event("e1", ""), 403, "INSUFFICIENT_SCOPE", `Bearer realm="ringback", error="insufficient_scope", scope="events:write"`},
		"of the file":         {"Bearer alpha", event("e1", ""), 202, "", ""},
		"of the file, scope":  {"Bearer admin", event("e1", ""), 403, "INSUFFICIENT_SCOPE", `Bearer realm="ringback", error="insufficient_scope", scope="events:write"`},
		"of nobody":           {"Bearer beta", event("e1", ""), 401, "UNAUTHENTICATED", `Bearer realm="ringback", error="invalid_token", error_description="the token is not known"`},
		"a JWT of nobody":     {"Bearer a.b.c", event("e1", ""), 401, "UNAUTHENTICATED", `Bearer realm="ringback", error="invalid_token", error_description="it is no JWT that is signed as it must be"`},
		"none":                {"", event("e1", ""), 401, "UNAUTHENTICATED", `Bearer realm="ringback"`},
		"of the provider cut": {i.header(t, "events:write", 101) + "x", event("e1", ""), 401, "UNAUTHENTICATED", `Bearer realm="ringback", error="invalid_token", error_description="its signature is not valid"`},
	} {
		res, a := b.ask(t, with(post(structured, c.event), "Authorization", c.header))
		require.Equal(t, c.status, res.StatusCode, name)
		require.Equal(t, c.code, a.Code, name)
		require.Equal(t, c.challenge, res.Header.Get("WWW-Authenticate"), name)
	}
}

// Invariant 7: a provider that is away is an outage, 503 and not 401; keys that were had go on.
func TestTheProviderIsAway(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	i.down.Store(true)
	b := setup(t, i.configure(t, producer.AuthOIDC))
	ask := func() (*http.Response, answer) {
		return b.ask(t, with(post(structured, event("e1", "")), "Authorization", i.header(t, "events:write", 101)))
	}
	res, a := ask()
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Equal(t, "UNAVAILABLE", a.Code)
	require.Contains(t, a.Detail, "issuer is away")
	require.NotEmpty(t, res.Header.Get("Retry-After"))
	require.Empty(t, res.Header.Get("WWW-Authenticate"))
	i.down.Store(false)
	require.Eventually(t, func() bool { res, _ := ask(); return res.StatusCode == http.StatusAccepted }, 10*time.Second, time.Millisecond)
	i.down.Store(true)
	res, _ = ask()
	require.Equal(t, http.StatusAccepted, res.StatusCode)
}

func TestOIDCFaults(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.Auth = producer.AuthOIDC
	_, err := producer.New(cfg, producer.Deps{})
	require.ErrorContains(t, err, "PRODUCER_OIDC_ISSUER: is required")
	require.ErrorContains(t, err, "PRODUCER_OIDC_AUDIENCE: is required")
	cfg.Auth, cfg.OIDC.Issuer = producer.AuthOff, "https://login.example.com"
	_, err = producer.New(cfg, producer.Deps{})
	require.ErrorContains(t, err, "PRODUCER_AUTH: is off although PRODUCER_OIDC_ISSUER is given")
}
