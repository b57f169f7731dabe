package oidc_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/auth"
	"github.com/ringback/ringback/pkg/auth/oidc"
	"github.com/ringback/ringback/pkg/fault"
)

// provider is an OpenID provider.
type provider struct {
	*httptest.Server
	mu     sync.Mutex
	keys   map[string]crypto.Signer
	down   atomic.Bool
	asked  atomic.Int32 // for keys
	issuer string       // that its configuration names
}

func newProvider(t *testing.T, keys ...string) *provider {
	t.Helper()
	p := &provider{}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": p.issuer, "jwks_uri": p.URL + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		p.mu.Lock()
		defer p.mu.Unlock()
		store := jwkset.NewMemoryStorage()
		for id, key := range p.keys {
			jwk, err := jwkset.NewJWKFromKey(key.Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: id, USE: jwkset.UseSig}})
			if err == nil {
				err = store.KeyWrite(r.Context(), jwk)
			}
			if err != nil {
				t.Error(err)
			}
		}
		text, err := store.JSONPublic(r.Context())
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(text)
	})
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.down.Load() {
			http.Error(w, "", http.StatusBadGateway)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	p.issuer = p.URL
	p.rotate(t, keys...)
	return p
}

// rotate replaces the keys.
func (p *provider) rotate(t *testing.T, ids ...string) {
	t.Helper()
	keys := map[string]crypto.Signer{}
	for _, id := range ids {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		keys[id] = key
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = keys
}

// claims are those of a good token, changed.
func (p *provider) claims(change func(jwt.MapClaims)) jwt.MapClaims {
	c := jwt.MapClaims{
		"iss": p.URL, "aud": []string{"ringback", "another"}, "sub": "ivr", "scope": "openid events:write", "tenant": 101,
		"exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(),
	}
	if change != nil {
		change(c)
	}
	return c
}

func (p *provider) token(t *testing.T, id string, change func(jwt.MapClaims)) string {
	t.Helper()
	p.mu.Lock()
	key := p.keys[id]
	p.mu.Unlock()
	return signed(t, jwt.SigningMethodES256, id, key, p.claims(change))
}

func signed(t *testing.T, method jwt.SigningMethod, id string, key any, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"] = id
	text, err := token.SignedString(key)
	require.NoError(t, err)
	return text
}

func (p *provider) verifier(t *testing.T, change func(*oidc.Config)) *oidc.Verifier {
	t.Helper()
	cfg := oidc.Config{
		Issuer: p.URL, Audience: "ringback", AllowHTTP: true, Algorithms: []string{"RS256", "ES256"}, ScopeClaim: "scope", WriteScope: "events:write", TenantClaim: "tenant",
		Leeway: 30 * time.Second, Refresh: time.Hour, RefreshUnknown: time.Nanosecond, Timeout: 5 * time.Second,
	}
	if change != nil {
		change(&cfg)
	}
	v, err := oidc.New(cfg, nil)
	require.NoError(t, err)
	t.Cleanup(v.Close)
	return v
}

func TestTokens(t *testing.T) {
	t.Parallel()
	p := newProvider(t, "k1")
	v := p.verifier(t, nil)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	at := func(claim string, d time.Duration) func(jwt.MapClaims) {
		return func(c jwt.MapClaims) { c[claim] = time.Now().Add(d).Unix() }
	}
	set := func(claim string, value any) func(jwt.MapClaims) {
		return func(c jwt.MapClaims) {
			if c[claim] = value; value == nil {
				delete(c, claim)
			}
		}
	}
	good := p.token(t, "k1", nil)
	head, rest, _ := strings.Cut(good, ".")
	body, signature, _ := strings.Cut(rest, ".")
	forged := p.token(t, "k1", set("tenant", 7))
	forgedHead, forgedRest, _ := strings.Cut(forged, ".")
	forgedBody, _, _ := strings.Cut(forgedRest, ".")
	for name, c := range map[string]struct {
		token  string
		reason string // empty: it is let in
	}{
		"good":                            {good, ""},
		"expired within the leeway":       {p.token(t, "k1", at("exp", -10*time.Second)), ""},
		"expired":                         {p.token(t, "k1", at("exp", -time.Minute)), "it has expired"},
		"no expiry":                       {p.token(t, "k1", set("exp", nil)), "a claim is missing: exp or aud"},
		"not yet":                         {p.token(t, "k1", at("nbf", time.Minute)), "it is not valid yet"},
		"issued in the future":            {p.token(t, "k1", at("iat", time.Hour)), "it is not valid yet"},
		"another audience":                {p.token(t, "k1", set("aud", "another")), "it is for another audience"},
		"no audience":                     {p.token(t, "k1", set("aud", nil)), "a claim is missing: exp or aud"},
		"another issuer":                  {p.token(t, "k1", set("iss", "https://evil.example.com")), "it is of another issuer"},
		"no subject":                      {p.token(t, "k1", set("sub", nil)), "a claim is missing: sub"},
		"no tenant":                       {p.token(t, "k1", set("tenant", nil)), "it is bound to no tenant"},
		"a tenant that is none":           {p.token(t, "k1", set("tenant", "all")), "it is bound to no tenant"},
		"a tenant with a fraction":        {p.token(t, "k1", set("tenant", 1.5)), "it is bound to no tenant"},
		"a tenant out of range":           {p.token(t, "k1", set("tenant", 1e18)), "it is bound to no tenant"},
		"no signature":                    {signed(t, jwt.SigningMethodNone, "k1", jwt.UnsafeAllowNoneSignatureType, p.claims(nil)), "it is no JWT that is signed as it must be"},
		"signed by a secret":              {signed(t, jwt.SigningMethodHS256, "k1", []byte("secret"), p.claims(nil)), "it is no JWT that is signed as it must be"},
		"another algorithm of this key":   {signed(t, jwt.SigningMethodRS256, "k1", rsaKey, p.claims(nil)), "its signature is not valid"},
		"an algorithm that is not let in": {signed(t, jwt.SigningMethodPS256, "k1", rsaKey, p.claims(nil)), "it is no JWT that is signed as it must be"},
		"signed by another key":           {signed(t, jwt.SigningMethodES256, "k1", stranger, p.claims(nil)), "its signature is not valid"},
		"signed by a key not known":       {signed(t, jwt.SigningMethodES256, "k9", stranger, p.claims(nil)), "its key is not known"},
		"the signature cut off":           {head + "." + body + ".", "its signature is not valid"},
		"the claims exchanged":            {forgedHead + "." + forgedBody + "." + signature, "its signature is not valid"},
		"no JWT":                          {"4f0c9be1d2a7", "it is no JWT that is signed as it must be"},
		"nothing":                         {"..", "it is no JWT that is signed as it must be"},
	} {
		g, err := v.Verify(t.Context(), c.token)
		if c.reason == "" {
			require.NoError(t, err, name)
			require.True(t, g.Has(auth.EventsWrite), name)
			require.False(t, g.Has(auth.AdminAccept), name)
			require.Equal(t, int64(101), g.Tenant, name)
			continue
		}
		require.EqualError(t, err, c.reason, name)
		require.NotEqual(t, fault.Outage, fault.ClassOf(err), name)
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	p := newProvider(t, "k1")
	for name, c := range map[string]struct {
		claim string
		value any
		has   bool
	}{
		"a text":              {"scope", "openid events:write", true},
		"a list":              {"scp", []string{"openid", "events:write"}, true},
		"another scope":       {"scope", "events:writer events", false},
		"none":                {"scope", "", false},
		"a number":            {"scope", 7, false},
		"not the claim":       {"scp", nil, false},
		"an admin's, made up": {"scope", "admin:accept", false},
	} {
		v := p.verifier(t, func(cfg *oidc.Config) { cfg.ScopeClaim = c.claim })
		g, err := v.Verify(t.Context(), p.token(t, "k1", func(claims jwt.MapClaims) {
			if c.value != nil {
				claims[c.claim] = c.value
			}
		}))
		require.NoError(t, err, name)
		require.Equal(t, c.has, g.Has(auth.EventsWrite), name)
		require.False(t, g.Has(auth.AdminAccept), name)
	}
}

// New keys are let in as soon as a token names them, and the former are not any more.
func TestRotatedKeys(t *testing.T) {
	t.Parallel()
	p := newProvider(t, "k1")
	v := p.verifier(t, nil)
	former := p.token(t, "k1", nil)
	_, err := v.Verify(t.Context(), former)
	require.NoError(t, err)
	require.EqualValues(t, 1, p.asked.Load())
	p.rotate(t, "k2")
	_, err = v.Verify(t.Context(), former)
	require.NoError(t, err, "its key is not fetched anew")
	_, err = v.Verify(t.Context(), p.token(t, "k2", nil))
	require.NoError(t, err)
	require.EqualValues(t, 2, p.asked.Load())
	_, err = v.Verify(t.Context(), former)
	require.EqualError(t, err, "its key is not known")
}

// Invariant 7: an issuer that is away is an outage where the keys were never had; the keys that were had go on.
func TestTheIssuerIsAway(t *testing.T) {
	t.Parallel()
	p := newProvider(t, "k1")
	p.down.Store(true)
	v := p.verifier(t, func(cfg *oidc.Config) { cfg.JWKSURL, cfg.RefreshUnknown = p.URL+"/keys", time.Hour })
	token := p.token(t, "k1", nil)
	_, err := v.Verify(t.Context(), token)
	require.Equal(t, fault.Outage, fault.ClassOf(err), "%v", err)
	// What cannot be valid whatever the keys are is refused all the same.
	_, err = v.Verify(t.Context(), "no JWT")
	require.NotEqual(t, fault.Outage, fault.ClassOf(err))

	p.down.Store(false)
	require.Eventually(t, func() bool { _, err := v.Verify(t.Context(), token); return err == nil }, 10*time.Second, time.Millisecond, "it is asked each second")
	p.down.Store(true)
	_, err = v.Verify(t.Context(), token)
	require.NoError(t, err, "the keys that were had go on")
	stranger, keyErr := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, keyErr)
	_, err = v.Verify(t.Context(), signed(t, jwt.SigningMethodES256, "k2", stranger, p.claims(nil)))
	require.Equal(t, fault.Outage, fault.ClassOf(err), "it may be a new key: %v", err)
	_, err = v.Verify(t.Context(), signed(t, jwt.SigningMethodES256, "k1", stranger, p.claims(nil)))
	require.EqualError(t, err, "its signature is not valid")
}

func TestDiscoveryIsTriedAgain(t *testing.T) {
	t.Parallel()
	p := newProvider(t, "k1")
	p.issuer = "https://evil.example.com"
	v := p.verifier(t, nil)
	_, err := v.Verify(t.Context(), p.token(t, "k1", nil))
	require.Equal(t, fault.Outage, fault.ClassOf(err))
	require.ErrorContains(t, err, "its configuration names another issuer")
}

// Whoever makes keys up does not have the provider asked each time, and is not waited for.
func TestMadeUpKeysAreSeldomAskedFor(t *testing.T) {
	t.Parallel()
	p := newProvider(t, "k1")
	v := p.verifier(t, func(cfg *oidc.Config) { cfg.RefreshUnknown = time.Hour })
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for range 20 {
		_, err := v.Verify(t.Context(), signed(t, jwt.SigningMethodES256, rand.Text(), stranger, p.claims(nil)))
		require.EqualError(t, err, "its key is not known")
	}
	require.EqualValues(t, 2, p.asked.Load())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = v.Verify(ctx, p.token(t, "k1", nil))
	require.NoError(t, err, "no request to the provider is needed")
}

func TestFaults(t *testing.T) {
	t.Parallel()
	cfg := oidc.Config{Issuer: "http://login.example.com", JWKSURL: "https://user:secret@login.example.com/keys", Algorithms: []string{"none", "HS256"}, Leeway: time.Hour}
	var faults []string
	for _, err := range cfg.Faults("PRODUCER_OIDC_") {
		faults = append(faults, err.Error())
	}
	require.Equal(t, []string{
		`PRODUCER_OIDC_ALGORITHMS: "HS256" is none of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA`,
		`PRODUCER_OIDC_ALGORITHMS: "none" is none of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA`,
		"PRODUCER_OIDC_AUDIENCE: is required: without it a token for any other service of the provider would do",
		"PRODUCER_OIDC_ISSUER: must be an https address",
		"PRODUCER_OIDC_JWKS_URL: must be an address such as https://login.example.com/realms/calls, without credentials",
		"PRODUCER_OIDC_LEEWAY: must be 0 to 5m, is 1h0m0s",
		"PRODUCER_OIDC_REFRESH: must be over 0, is 0s",
		"PRODUCER_OIDC_REFRESH_UNKNOWN: must be over 0, is 0s",
		"PRODUCER_OIDC_SCOPE_CLAIM: is required",
		"PRODUCER_OIDC_TIMEOUT: must be over 0, is 0s",
		"PRODUCER_OIDC_WRITE_SCOPE: must be one word",
	}, faults)
}
