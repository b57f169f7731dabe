package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"

	"github.com/ringback/ringback/pkg/auth"
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
)

// Verifier verifies access tokens. Close ends it.
type Verifier struct {
	cfg    Config
	parser *jwt.Parser
	client *http.Client
	away   atomic.Pointer[error] // why the provider did not answer last; nil: it did

	ctx    context.Context // of the keys' refresh
	cancel context.CancelFunc

	mu    sync.Mutex
	keys  keyfunc.Keyfunc // nil: it is not known yet where they are
	asked rate.Sometimes  // bounds how often that is found out

	known   jwkset.Storage // the keys, as they were fetched last
	unknown *rate.Limiter  // of fetches for a key that is not known
	missing *rate.Limiter  // of fetches while no key is known
}

// New makes a verifier. It asks the provider nothing yet. now is the clock, nil: time.Now.
func New(cfg Config, now func() time.Time) (*Verifier, error) {
	if faults := cfg.Faults(""); len(faults) > 0 {
		return nil, fault.Misconfigf("oidc: %w", errors.Join(faults...))
	}
	transport, err := cfg.transport()
	if err != nil {
		return nil, fault.Misconfigf("oidc: %w", err)
	}
	v := &Verifier{cfg: cfg, asked: rate.Sometimes{First: 1, Interval: time.Second}, known: jwkset.NewMemoryStorage(), unknown: rate.NewLimiter(rate.Every(cfg.RefreshUnknown), 1), missing: rate.NewLimiter(1, 1)}
	v.client = &http.Client{
		Timeout: cfg.Timeout, Transport: &watched{transport, &v.away},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	v.ctx, v.cancel = context.WithCancel(context.Background())
	options := []jwt.ParserOption{
		jwt.WithValidMethods(cfg.Algorithms), jwt.WithIssuer(cfg.Issuer), jwt.WithAudience(cfg.Audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(cfg.Leeway),
	}
	if now != nil {
		options = append(options, jwt.WithTimeFunc(now))
	}
	v.parser = jwt.NewParser(options...)
	return v, nil
}

// Close ends the refresh of the keys.
func (v *Verifier) Close() {
	v.cancel()
	v.client.CloseIdleConnections()
}

// Verify returns what the access token allows.
func (v *Verifier) Verify(ctx context.Context, token string) (*auth.Grant, error) {
	// What is no JWT of an algorithm that is let in, or is of another issuer, costs the provider no request.
	claims := jwt.MapClaims{}
	unverified, _, err := v.parser.ParseUnverified(token, claims)
	if err != nil || unverified.Method == nil || !v.allowed(unverified.Method.Alg()) {
		return nil, errors.New("it is no JWT that is signed as it must be")
	}
	if issuer, err := claims.GetIssuer(); err != nil || issuer != v.cfg.Issuer {
		return nil, errors.New("it is of another issuer")
	}
	keys, err := v.keySet(ctx)
	if err != nil {
		return nil, err
	}
	claims = jwt.MapClaims{}
	if _, err := v.parser.ParseWithClaims(token, claims, v.key(ctx, keys)); err != nil {
		return nil, v.reason(ctx, err)
	}
	return v.grant(claims)
}

func (v *Verifier) allowed(algorithm string) bool {
	for _, a := range v.cfg.Algorithms {
		if a == algorithm {
			return true
		}
	}
	return false
}

// reason says why a token is not valid, or that it cannot be told. The library's text may repeat what the token says
// (invariant 10).
func (v *Verifier) reason(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		// The key is not known. Without any, or while the provider is away, that says nothing of the token.
		if known, listErr := v.known.KeyReadAll(ctx); listErr != nil || len(known) == 0 || v.away.Load() != nil {
			return fault.Outagef("oidc: the keys of the issuer cannot be had: %w", v.why())
		}
		return errors.New("its key is not known")
	case errors.Is(err, jwt.ErrTokenExpired):
		return errors.New("it has expired")
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return errors.New("it is not valid yet")
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return errors.New("it is for another audience")
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return errors.New("its signature is not valid")
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return errors.New("a claim is missing: exp or aud")
	default:
		return errors.New("it is not valid")
	}
}

func (v *Verifier) why() error {
	if err := v.away.Load(); err != nil {
		return *err
	}
	return errors.New("it has published none")
}

// grant reads the claims.
func (v *Verifier) grant(claims jwt.MapClaims) (*auth.Grant, error) {
	subject, _ := claims["sub"].(string)
	if subject == "" {
		return nil, errors.New("a claim is missing: sub")
	}
	g := &auth.Grant{Name: "sub", Key: sha256.Sum256([]byte(v.cfg.Issuer + "\x00" + subject))}
	for _, scope := range texts(claims[v.cfg.ScopeClaim]) {
		if scope == v.cfg.WriteScope {
			g.Scopes = append(g.Scopes, auth.EventsWrite)
		}
	}
	if v.cfg.TenantClaim != "" {
		tenant, ok := tenantOf(claims[v.cfg.TenantClaim])
		if !ok {
			return nil, errors.New("it is bound to no tenant")
		}
		g.Tenant = tenant
	}
	return g, nil
}

// texts are the words of a text, or the texts of a list.
func texts(claim any) (all []string) {
	switch c := claim.(type) {
	case string:
		return strings.Fields(c)
	case []any:
		for _, one := range c {
			if s, ok := one.(string); ok {
				all = append(all, s)
			}
		}
	}
	return all
}

// keySet returns the keys, once it is known where they are.
func (v *Verifier) keySet(ctx context.Context) (keyfunc.Keyfunc, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.keys == nil {
		// Who holds the lock asks, the others wait for the answer; while there is none, one asks each second.
		v.asked.Do(func() { v.find(ctx) })
	}
	if v.keys == nil {
		return nil, fault.Outagef("oidc: the issuer's configuration cannot be had: %w", v.why())
	}
	return v.keys, nil
}

func (v *Verifier) find(ctx context.Context) {
	address := v.cfg.JWKSURL
	if address == "" {
		var err error
		// The client may go; the others wait for the same answer.
		if address, err = v.discover(context.WithoutCancel(ctx)); err != nil {
			v.away.Store(&err)
			return
		}
	}
	store, err := jwkset.NewStorageFromHTTP(address, jwkset.HTTPClientStorageOptions{
		Client: v.client, Ctx: v.ctx, HTTPTimeout: v.cfg.Timeout, RefreshInterval: v.cfg.Refresh, NoErrorReturnFirstHTTPReq: true,
		Storage: v.known, RefreshErrorHandler: func(_ context.Context, err error) { v.away.Store(&err) },
	})
	if err == nil {
		store, err = jwkset.NewHTTPClient(jwkset.HTTPClientOptions{
			HTTPURLs: map[string]jwkset.Storage{address: store}, RateLimitWaitMax: v.cfg.Timeout, RefreshUnknownKID: rate.NewLimiter(rate.Inf, 1),
		})
	}
	if err == nil {
		v.keys, err = keyfunc.New(keyfunc.Options{Ctx: v.ctx, Storage: store})
	}
	if err != nil {
		v.away.Store(&err)
	}
}

// key finds the key of a token. One that is not known is asked for, but seldom: whoever makes keys up would else have
// the provider flooded, and requests held.
func (v *Verifier) key(ctx context.Context, keys keyfunc.Keyfunc) jwt.Keyfunc {
	ctx = context.WithoutCancel(ctx) // a client that goes says nothing of the provider
	return func(token *jwt.Token) (any, error) {
		if id, ok := token.Header[jwkset.HeaderKID].(string); ok {
			if _, err := v.known.KeyRead(ctx, id); err != nil && !v.mayAsk(ctx) {
				return nil, jwkset.ErrKeyNotFound
			}
		}
		return keys.KeyfuncCtx(ctx)(token)
	}
}

// mayAsk tells whether the keys may be fetched for one that is not known. Without any, every token waits for that: then
// each second.
func (v *Verifier) mayAsk(ctx context.Context) bool {
	if all, err := v.known.KeyReadAll(ctx); err == nil && len(all) == 0 {
		return v.missing.Allow()
	}
	return v.unknown.Allow()
}

// discover asks the provider's configuration where its keys are (OpenID Connect Discovery 1.0).
func (v *Verifier) discover(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(v.cfg.Issuer, "/")+"/.well-known/openid-configuration", nil)
	if err != nil {
		return "", err
	}
	res, err := v.client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("HTTP %d", res.StatusCode)
	}
	var found struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&found); err != nil {
		return "", errors.New("its configuration is no JSON object")
	}
	if found.Issuer != v.cfg.Issuer {
		return "", errors.New("its configuration names another issuer")
	}
	if err := v.cfg.checkURL(found.JWKSURI); err != nil {
		return "", fmt.Errorf("jwks_uri %w", err)
	}
	return found.JWKSURI, nil
}

// maxAnswer bounds an answer of the provider, in bytes.
const maxAnswer = 1 << 20

// watched notes whether the provider answers.
type watched struct {
	next http.RoundTripper
	away *atomic.Pointer[error]
}

func (w *watched) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := w.next.RoundTrip(r)
	if err == nil && res.StatusCode != http.StatusOK {
		failed := fmt.Errorf("HTTP %d", res.StatusCode)
		w.away.Store(&failed)
		return res, nil
	}
	if err != nil {
		w.away.Store(&err)
		return nil, err
	}
	w.away.Store(nil)
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(res.Body, maxAnswer), res.Body}
	return res, nil
}

func (c *Config) transport() (*http.Transport, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, err
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", c.CAFile)
		}
	}
	return t, nil
}

// tenantOf reads a tenantdbid, given as a number or as text.
func tenantOf(claim any) (int64, bool) {
	var n int64
	switch c := claim.(type) {
	case float64:
		n = int64(c)
		if float64(n) != c {
			return 0, false
		}
	case string:
		var err error
		if n, err = strconv.ParseInt(c, 10, 64); err != nil {
			return 0, false
		}
	}
	return n, n >= 1 && n <= callback.MaxInt
}
