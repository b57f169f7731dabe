// Package auth says who sends an HTTP request and whether they may: bearer tokens of a file, and, by package oidc,
// access tokens of an OpenID provider.
package auth

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringback/ringback/pkg/fault"
)

// The scopes that a token can have.
const (
	EventsWrite  = "events:write"  // send lifecycle events
	AdminAccept  = "admin:accept"  // let a paused partition go on
	AdminProfile = "admin:profile" // read profiles of the process
)

// Scopes are all of them.
var Scopes = []string{EventsWrite, AdminAccept, AdminProfile}

// Grant is what a token allows. The token itself is not kept.
type Grant struct {
	Name   string
	Tenant int64 // 0: any tenant
	Scopes []string
	// Key tells one holder from another, such as for rates. It gives nothing away of the token.
	Key [sha256.Size]byte
}

// Has tells whether the grant has a scope.
func (g *Grant) Has(scope string) bool { return slices.Contains(g.Scopes, scope) }

// Verifier knows tokens.
type Verifier interface {
	// Verify returns what a token allows. The error is an outage where that cannot be told now; every other
	// is that of a token that is not valid, and says why without repeating anything of it (invariant 10).
	Verify(ctx context.Context, token string) (*Grant, error)
}

// ErrUnknown is the error of a token that nobody knows.
var ErrUnknown = errors.New("the token is not known")

// The codes of refusals. They are API.
const (
	CodeUnauthenticated   = "UNAUTHENTICATED"
	CodeInsufficientScope = "INSUFFICIENT_SCOPE"
	CodeUnavailable       = "UNAVAILABLE"
)

// Refusal is why a request is not let in.
type Refusal struct {
	Status    int
	Code      string
	Detail    string
	Challenge string // for WWW-Authenticate (RFC 6750); empty for none
}

// Check returns what the token of a request allows, or why the request is refused. The grant must have the scope.
func Check(r *http.Request, v Verifier, scope string) (*Grant, *Refusal) {
	const realm = `Bearer realm="ringback"`
	token, ok := Bearer(r.Header.Get("Authorization"))
	if !ok {
		return nil, &Refusal{http.StatusUnauthorized, CodeUnauthenticated, "A bearer token is needed.", realm}
	}
	grant, err := v.Verify(r.Context(), token)
	switch {
	case err == nil && grant.Has(scope):
		return grant, nil
	case err == nil:
		return nil, &Refusal{http.StatusForbidden, CodeInsufficientScope, "The token lacks the scope " + scope + ".", realm + `, error="insufficient_scope", scope="` + scope + `"`}
	case fault.ClassOf(err) == fault.Outage:
		// Invariant 7: that the issuer is away says nothing of the token.
		return nil, &Refusal{http.StatusServiceUnavailable, CodeUnavailable, "The token cannot be checked now: its issuer is away. Send the request again later.", ""}
	default:
		return nil, &Refusal{http.StatusUnauthorized, CodeUnauthenticated, "The bearer token is not valid: " + err.Error() + ".", realm + `, error="invalid_token", error_description="` + err.Error() + `"`}
	}
}

// Bearer returns the token of an Authorization header.
func Bearer(header string) (string, bool) {
	scheme, token, ok := strings.Cut(header, " ")
	token = strings.TrimSpace(token)
	return token, ok && strings.EqualFold(scheme, "Bearer") && token != ""
}

// retryAfter is what a client is asked to wait while the issuer is away.
const retryAfter = 5 * time.Second

// Guard serves next to whoever has the scope, and answers others with problem details (RFC 9457).
func Guard(v Verifier, scope string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, refusal := Check(r, v, scope); refusal != nil {
			refusal.write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (f *Refusal) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if f.Challenge != "" {
		h.Set("WWW-Authenticate", f.Challenge)
	}
	if f.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", strconv.Itoa(int(retryAfter/time.Second)))
	}
	w.WriteHeader(f.Status)
	_ = json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(f.Status), "status": f.Status, "code": f.Code, "detail": f.Detail}) // the client is gone
}
