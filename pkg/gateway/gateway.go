package gateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kvlist"
)

// Config says where the gateway is.
type Config struct {
	// URL is the gateway's base address, http or https, without credentials; the contract's paths are added to it.
	URL string `env:"TSERVER_GATEWAY_URL" empty:"refused"`
	// TokenFile holds the bearer token; it is read again when the gateway answers 401 or 403.
	TokenFile string `env:"TSERVER_GATEWAY_TOKEN_FILE" empty:"no token is sent"`
	// CAFile holds the authorities that the gateway's certificate may come from, in PEM.
	CAFile string `env:"TSERVER_GATEWAY_CA_FILE" empty:"the system's authorities"`
	// Timeout bounds one send, from connecting to the whole answer. 0 is the default.
	Timeout time.Duration `env:"TSERVER_GATEWAY_TIMEOUT, default=10s"`
	// MaxConnections bounds the connections to the gateway, idle or not; a send that finds none free waits. 0 is
	// the default.
	MaxConnections int `env:"TSERVER_GATEWAY_MAX_CONNECTIONS, default=64" unit:"connections"`
}

// Validate returns every fault.
func (c *Config) Validate() []error {
	var faults []error
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		faults = append(faults, errors.New("TSERVER_GATEWAY_URL: must be http://host:port or https://host:port"))
	case u.User != nil:
		faults = append(faults, errors.New("TSERVER_GATEWAY_URL: must not hold credentials; TSERVER_GATEWAY_TOKEN_FILE names a file that does"))
	case u.RawQuery != "" || u.Fragment != "":
		faults = append(faults, errors.New("TSERVER_GATEWAY_URL: must not have a query or a fragment"))
	}
	if _, err := readToken(c.TokenFile); err != nil {
		faults = append(faults, fmt.Errorf("TSERVER_GATEWAY_TOKEN_FILE: %w", err))
	}
	if _, err := c.tls(); err != nil {
		faults = append(faults, fmt.Errorf("TSERVER_GATEWAY_CA_FILE: %w", err))
	}
	if c.Timeout < 0 {
		faults = append(faults, errors.New("TSERVER_GATEWAY_TIMEOUT: must not be negative"))
	}
	if c.MaxConnections < 0 {
		faults = append(faults, errors.New("TSERVER_GATEWAY_MAX_CONNECTIONS: must not be negative"))
	}
	return faults
}

// tls is how the gateway is known.
func (c *Config) tls() (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, err
	}
	t.RootCAs = x509.NewCertPool()
	if !t.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", c.CAFile)
	}
	return t, nil
}

// Client sends to one gateway. It may be used from many goroutines; it keeps their connections.
type Client struct {
	base    *url.URL
	timeout time.Duration
	token   *token
	// transport is used without an http.Client around it, which would follow redirects: one would carry personal data and
	// the token to an address that nobody configured.
	transport http.RoundTripper
}

// idleTimeout is below the 2 minutes for which the simulated T-Server, and most servers, keep an idle connection: the
// end that sends must be the one that closes, or a request meets a connection that is just being closed.
const idleTimeout = 45 * time.Second

// Option changes a client that is made.
type Option func(*Client)

// WithTransport makes the client send through another transport than TCP, such as that of a simulated T-Server in the
// same process.
func WithTransport(t http.RoundTripper) Option { return func(c *Client) { c.transport = t } }

// New makes a client. What is wrong with cfg is a misconfiguration; that no gateway answers shows only in a send.
func New(cfg Config, options ...Option) (*Client, error) {
	if faults := cfg.Validate(); len(faults) > 0 {
		return nil, fault.Misconfigf("gateway: %w", errors.Join(faults...))
	}
	base, err := url.Parse(strings.TrimRight(cfg.URL, "/"))
	if err != nil {
		return nil, fault.Misconfigf("gateway: %w", err)
	}
	tok, err := readToken(cfg.TokenFile)
	if err != nil {
		return nil, err
	}
	known, err := cfg.tls()
	if err != nil {
		return nil, fault.Misconfigf("gateway: TSERVER_GATEWAY_CA_FILE: %w", err)
	}
	conns := cmp.Or(cfg.MaxConnections, 64)
	c := &Client{
		base:    base,
		timeout: cmp.Or(cfg.Timeout, 10*time.Second),
		token:   tok,
		transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
			TLSClientConfig:     known,
			TLSHandshakeTimeout: 5 * time.Second,
			MaxConnsPerHost:     conns,
			MaxIdleConns:        conns,
			MaxIdleConnsPerHost: conns, // the default of 2 would open a connection for nearly every send
			IdleConnTimeout:     idleTimeout,
			WriteBufferSize:     16 << 10, // a user event goes out in one write
			DisableCompression:  true,
			ForceAttemptHTTP2:   true,
		},
	}
	for _, option := range options {
		option(c)
	}
	return c, nil
}

// Close closes the idle connections.
func (c *Client) Close() {
	if t, ok := c.transport.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// UserEvent is one RequestDistributeUserEvent.
type UserEvent struct {
	Switch         string // switch of the DN (_rep_userevent_switch)
	DN             string // reporting DN (_rep_userevent_dn)
	ReferenceID    int32  // from 0; it comes back in the answer
	UserData       []kvlist.Pair
	ANI            string // empty is none
	DNIS           string // empty is none
	CustomerID     string // empty is the gateway's default
	MediaType      int32  // media type (_rep_userevent_mediatype), from 0; 0 is voice
	IdempotencyKey string // the same in every repeat, such as the UserEvent's id; empty is none
}

// CallData is one RequestUpdateUserData.
type CallData struct {
	Switch         string
	IxnID          string // the call
	ReferenceID    int32  // from 0
	UserData       []kvlist.Pair
	IdempotencyKey string
}

// Ack is an EventACK.
type Ack struct {
	ReferenceID         int32
	EventSequenceNumber string // 16 hexadecimal digits
}

// Distribute has the user event distributed. The error is an *EventError, a *callback.BadRecord where the contract
// cannot carry the event, or an outage or a misconfiguration (pkg/fault).
func (c *Client) Distribute(ctx context.Context, e UserEvent) (Ack, error) {
	const op = "gateway: distribute user event"
	if err := e.check(); err != nil {
		return Ack{}, fmt.Errorf("%s: %w", op, err)
	}
	body := newBody()
	body.appendUserEvent(&e)
	return c.post(ctx, op, "/v1/user-events", "", body, e.ReferenceID)
}

// UpdateUserData has the user data added to the call's. The error is ErrCallGone where the call has ended; else as
// Distribute's.
func (c *Client) UpdateUserData(ctx context.Context, d CallData) (Ack, error) {
	const op = "gateway: update user data"
	if err := d.check(); err != nil {
		return Ack{}, fmt.Errorf("%s: %w", op, err)
	}
	body := newBody()
	body.appendCallData(&d)
	return c.post(ctx, op, "/v1/calls/", d.IxnID, body, d.ReferenceID)
}

// Health asks whether the gateway can send; the error is an outage or a misconfiguration.
func (c *Client) Health(ctx context.Context) error {
	const op = "gateway: health"
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.String()+"/v1/health", nil)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return unanswered(ctx, op, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return failure(op, resp.StatusCode, nil)
}
