package producer

import (
	"fmt"
	"net"
	"time"

	"github.com/ringback/ringback/pkg/auth"
	"github.com/ringback/ringback/pkg/auth/oidc"
	"github.com/ringback/ringback/pkg/servertls"
)

// Config is the producer's configuration. Every duration must be over 0.
type Config struct {
	// Addr is where events are taken in: host:port, port 0 for any free one.
	Addr string `env:"PRODUCER_ADDR, default=:8080"`
	// Auth is how clients are known: token (those of the token file), oidc (those that an OpenID provider issues), both, or off: then whoever reaches the address may write events.
	Auth string `env:"PRODUCER_AUTH, default=token"`
	// TokensFile holds the bearer tokens, one a line: token [tenantdbid] [name]. It is read again when it changes.
	TokensFile string `env:"PRODUCER_TOKENS_FILE" empty:"refused, unless [Auth] is oidc or off"`
	// TokensInterval is how often [TokensFile] is looked at.
	TokensInterval time.Duration `env:"PRODUCER_TOKENS_INTERVAL, default=5s"`
	// MaxBody is the largest body of a request.
	MaxBody int64 `env:"PRODUCER_MAX_BODY, default=1048576" unit:"bytes"`
	// MaxBatch is the most events of one batch.
	MaxBatch int `env:"PRODUCER_MAX_BATCH, default=1000" unit:"events"`
	// MaxInFlight is the most requests that are worked on at once; one more is answered 429.
	MaxInFlight int `env:"PRODUCER_MAX_IN_FLIGHT, default=256" unit:"requests"`
	// MaxInFlightBytes bounds the bodies of those requests together, also with 429: events in memory take about four times
	// the room of the body that they came in. Not less than [MaxBody].
	MaxInFlightBytes int64 `env:"PRODUCER_MAX_IN_FLIGHT_BYTES, default=33554432" unit:"bytes"`
	// MaxHeader is the largest header of a request.
	MaxHeader int `env:"PRODUCER_MAX_HEADER, default=65536" unit:"bytes"`
	// AckTimeout is how long an acknowledgement is waited for; then the answer is 503 OUTCOME_UNKNOWN.
	AckTimeout time.Duration `env:"PRODUCER_ACK_TIMEOUT, default=10s"`
	// RetryAfter is what a 429 or 503 asks the client to wait, in whole seconds, rounded up.
	RetryAfter time.Duration `env:"PRODUCER_RETRY_AFTER, default=1s"`
	// ReadHeaderTimeout bounds reading a request's header.
	ReadHeaderTimeout time.Duration `env:"PRODUCER_READ_HEADER_TIMEOUT, default=5s"`
	// ReadTimeout bounds reading a request's header and body.
	ReadTimeout time.Duration `env:"PRODUCER_READ_TIMEOUT, default=15s"`
	// WriteTimeout bounds everything from the end of the header to the end of the answer; longer than
	// [AckTimeout].
	WriteTimeout time.Duration `env:"PRODUCER_WRITE_TIMEOUT, default=30s"`
	// IdleTimeout bounds the time between two requests of one connection.
	IdleTimeout time.Duration `env:"PRODUCER_IDLE_TIMEOUT, default=60s"`
	// DrainTimeout is how long requests under way may take once the service is told to stop.
	DrainTimeout time.Duration    `env:"PRODUCER_DRAIN_TIMEOUT, default=20s"`
	OIDC         oidc.Config      `env:", prefix=PRODUCER_OIDC_"`
	TLS          servertls.Config `env:", prefix=PRODUCER_"`
	Rate         Rate             `env:", prefix=PRODUCER_RATE_"`
	Mask         Mask             `env:", prefix=PRODUCER_MASK_"`
}

// The values of Config.Auth.
const (
	AuthToken = "token"
	AuthOIDC  = "oidc"
	AuthBoth  = "both"
	AuthOff   = "off"
)

func (c *Config) withTokens() bool { return c.Auth == AuthToken || c.Auth == AuthBoth }
func (c *Config) withOIDC() bool   { return c.Auth == AuthOIDC || c.Auth == AuthBoth }

// Validate returns every fault of the configuration.
func (c *Config) Validate() []error {
	var faults []error
	faultf := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		faultf("PRODUCER_ADDR: must be host:port, is %q", c.Addr)
	}
	switch {
	case !c.withTokens() && !c.withOIDC() && c.Auth != AuthOff:
		faultf("PRODUCER_AUTH: must be token, oidc, both or off, is %q", c.Auth)
	case c.withTokens() && c.TokensFile == "":
		faultf("PRODUCER_TOKENS_FILE: is required, unless PRODUCER_AUTH is oidc or off")
	case !c.withTokens() && c.TokensFile != "":
		faultf("PRODUCER_AUTH: is %s although PRODUCER_TOKENS_FILE is given: its tokens would not be asked for", c.Auth)
	case c.withTokens():
		if _, err := auth.OpenTokens(c.TokensFile); err != nil {
			faultf("PRODUCER_TOKENS_FILE: %w", err)
		}
	}
	switch {
	case c.withOIDC():
		faults = append(faults, c.OIDC.Faults("PRODUCER_OIDC_")...)
	case c.OIDC.Issuer != "" && (c.withTokens() || c.Auth == AuthOff):
		faultf("PRODUCER_AUTH: is %s although PRODUCER_OIDC_ISSUER is given: its tokens would not be let in", c.Auth)
	}
	faults = append(faults, c.TLS.Faults("PRODUCER_")...)
	faults = append(faults, c.Rate.faults(c.MaxBatch)...)
	faults = append(faults, c.Mask.faults()...)
	for _, limit := range []struct {
		name string
		n    int64
	}{
		{"PRODUCER_MAX_BODY", c.MaxBody},
		{"PRODUCER_MAX_BATCH", int64(c.MaxBatch)},
		{"PRODUCER_MAX_IN_FLIGHT", int64(c.MaxInFlight)},
		{"PRODUCER_MAX_HEADER", int64(c.MaxHeader)},
	} {
		if limit.n <= 0 {
			faultf("%s: must be over 0, is %d", limit.name, limit.n)
		}
	}
	for _, limit := range []struct {
		name string
		d    time.Duration
	}{
		{"PRODUCER_TOKENS_INTERVAL", c.TokensInterval},
		{"PRODUCER_ACK_TIMEOUT", c.AckTimeout},
		{"PRODUCER_RETRY_AFTER", c.RetryAfter},
		{"PRODUCER_READ_HEADER_TIMEOUT", c.ReadHeaderTimeout},
		{"PRODUCER_READ_TIMEOUT", c.ReadTimeout},
		{"PRODUCER_WRITE_TIMEOUT", c.WriteTimeout},
		{"PRODUCER_IDLE_TIMEOUT", c.IdleTimeout},
		{"PRODUCER_DRAIN_TIMEOUT", c.DrainTimeout},
	} {
		if limit.d <= 0 {
			faultf("%s: must be over 0, is %s", limit.name, limit.d)
		}
	}
	if c.MaxInFlightBytes < c.MaxBody {
		faultf("PRODUCER_MAX_IN_FLIGHT_BYTES: must not be less than PRODUCER_MAX_BODY, is %d", c.MaxInFlightBytes)
	}
	if c.WriteTimeout <= c.AckTimeout {
		// The connection would be cut before OUTCOME_UNKNOWN could be said.
		faultf("PRODUCER_WRITE_TIMEOUT: must be longer than PRODUCER_ACK_TIMEOUT, is %s", c.WriteTimeout)
	}
	return faults
}
