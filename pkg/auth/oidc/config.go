// Package oidc verifies the access tokens of an OpenID provider: JWTs (RFC 9068) signed with a key of its key set.
package oidc

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Config says whose tokens are let in, and which.
type Config struct {
	// Issuer is the provider, as the iss claim has it. Below it lies /.well-known/openid-configuration.
	Issuer string `env:"ISSUER" empty:"refused, where such tokens are let in"`
	// Audience is this service, as the aud claim must have it: a token for another service is not let in.
	Audience string `env:"AUDIENCE" empty:"refused, where such tokens are let in"`
	// JWKSURL is where the provider's keys are.
	JWKSURL string `env:"JWKS_URL" empty:"the provider's configuration says where"`
	// Algorithms are the signatures that are let in, of RS256, RS384, RS512, PS256, PS384, PS512, ES256,
	// ES384, ES512 and EdDSA.
	Algorithms []string `env:"ALGORITHMS, default=RS256,ES256,PS256,EdDSA"`
	// ScopeClaim is the claim that holds the scopes: a text with blanks between them, or a list of texts.
	ScopeClaim string `env:"SCOPE_CLAIM, default=scope"`
	// WriteScope is the scope that lets events be sent.
	WriteScope string `env:"WRITE_SCOPE, default=events:write"`
	// TenantClaim is the claim that holds the tenantdbid that a token is bound to; a token without it is refused.
	TenantClaim string `env:"TENANT_CLAIM" empty:"tokens are bound to no tenant"`
	// Leeway is how far the provider's clock may be from this one.
	Leeway time.Duration `env:"LEEWAY, default=30s"`
	// Refresh is how often the keys are fetched; besides, when a token names one that is not known, every
	// RefreshUnknown at most. While that fails, the keys of before go on.
	Refresh time.Duration `env:"REFRESH, default=10m"`
	// RefreshUnknown is the least time between two fetches for keys that are not known.
	RefreshUnknown time.Duration `env:"REFRESH_UNKNOWN, default=10s"`
	// Timeout bounds one request to the provider.
	Timeout time.Duration `env:"TIMEOUT, default=5s"`
	// CAFile holds the authorities of the provider's certificate.
	CAFile string `env:"CA_FILE" empty:"the system's authorities"`
	// AllowHTTP lets the provider be asked without TLS; for tests. Who is between could then make keys.
	AllowHTTP bool `env:"ALLOW_HTTP, default=false"`
}

// algorithms are those of a private key that the provider alone has: no none, and no HMAC, whose key this service
// would have to hold.
var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// Faults returns every fault; each begins with the name of its variable behind the prefix.
func (c *Config) Faults(prefix string) []error {
	var faults []error
	faultf := func(name, format string, args ...any) {
		faults = append(faults, fmt.Errorf(prefix+name+": "+format, args...))
	}
	if err := c.checkURL(c.Issuer); err != nil {
		faultf("ISSUER", "%w", err)
	}
	if c.JWKSURL != "" {
		if err := c.checkURL(c.JWKSURL); err != nil {
			faultf("JWKS_URL", "%w", err)
		}
	}
	if c.Audience == "" {
		faultf("AUDIENCE", "is required: without it a token for any other service of the provider would do")
	}
	if len(c.Algorithms) == 0 {
		faultf("ALGORITHMS", "are none")
	}
	for _, a := range c.Algorithms {
		if !slices.Contains(algorithms, a) {
			faultf("ALGORITHMS", "%q is none of %s", a, strings.Join(algorithms, ", "))
		}
	}
	if c.ScopeClaim == "" {
		faultf("SCOPE_CLAIM", "is required")
	}
	if c.WriteScope == "" || strings.ContainsAny(c.WriteScope, " \"\\") {
		faultf("WRITE_SCOPE", "must be one word")
	}
	if c.Leeway < 0 || c.Leeway > 5*time.Minute {
		faultf("LEEWAY", "must be 0 to 5m, is %s", c.Leeway)
	}
	for name, d := range map[string]time.Duration{"REFRESH": c.Refresh, "REFRESH_UNKNOWN": c.RefreshUnknown, "TIMEOUT": c.Timeout} {
		if d <= 0 {
			faultf(name, "must be over 0, is %s", d)
		}
	}
	if _, err := c.transport(); err != nil {
		faultf("CA_FILE", "%w", err)
	}
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return faults
}

func (c *Config) checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return errors.New("is required")
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return errors.New("must be an address such as https://login.example.com/realms/calls, without credentials")
	case u.Scheme == "https", u.Scheme == "http" && c.AllowHTTP:
		return nil
	default:
		return errors.New("must be an https address")
	}
}
