// Package registry is the client of a Confluent-compatible schema registry. What a
// registry once said of an id is kept for good: an id never changes its schema.
package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"golang.org/x/sync/singleflight"

	"github.com/ringback/ringback/pkg/fault"
)

// ErrUnknownSchema says that the registry does not know the schema id. It may yet
// learn of it (a writer registers, then writes, and replicas lag), so the caller
// decides when it is bad data.
var ErrUnknownSchema = errors.New("registry: unknown schema id")

// ErrUnsupportedSchema says that the registry knows the id, but its schema is not
// Avro, or refers to other schemas.
var ErrUnsupportedSchema = errors.New("registry: not a self-contained Avro schema")

// Config says where the registry is. The tags are go-envconfig's.
type Config struct {
	URL          string        `env:"URL, default=http://localhost:8081"` // several are separated by commas
	Username     string        `env:"USERNAME"`
	PasswordFile string        `env:"PASSWORD_FILE"` // file that holds the password of Username
	CAFile       string        `env:"CA_FILE"`       // PEM file of the authorities to trust; empty: the system's
	Timeout      time.Duration `env:"TIMEOUT, default=5s"`
}

// Client talks to a registry. It is safe for concurrent use.
type Client struct {
	sr      *sr.Client
	http    *http.Client
	timeout time.Duration

	schemas sync.Map // schema id -> string
	flight  singleflight.Group
}

// New returns a client. It does not connect yet; an error is a misconfiguration.
func New(cfg Config) (*Client, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = 5 * time.Second
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if cfg.CAFile != "" {
		pem, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, fault.Misconfigf("registry: CA file: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fault.Misconfigf("registry: no certificate in CA file %s", cfg.CAFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	c := &Client{http: &http.Client{Transport: transport, Timeout: cfg.Timeout}, timeout: cfg.Timeout}
	var urls []string
	for u := range strings.SplitSeq(cfg.URL, ",") {
		if u = strings.TrimSpace(u); u == "" {
			continue
		}
		// sr would print it in the text of every failure (invariant 10).
		if strings.ContainsRune(u, '@') {
			return nil, fault.Misconfigf("registry: credentials do not belong into the URL: use the user name and the password file")
		}
		urls = append(urls, u)
	}
	if len(urls) == 0 {
		return nil, fault.Misconfigf("registry: no URL")
	}
	opts := []sr.ClientOpt{sr.URLs(urls...), sr.HTTPClient(c.http), sr.UserAgent("ringback")}
	if cfg.Username != "" {
		password, err := os.ReadFile(cfg.PasswordFile)
		if err != nil {
			return nil, fault.Misconfigf("registry: password file: %w", err)
		}
		opts = append(opts, sr.BasicAuth(cfg.Username, strings.TrimRight(string(password), "\r\n")))
	}
	var err error
	if c.sr, err = sr.NewClient(opts...); err != nil {
		return nil, fault.Misconfigf("registry: %w", err)
	}
	return c, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Register registers an Avro schema under the subject and returns its id; one that is
// there already keeps its id. A schema that the registry refuses, as incompatible or
// invalid, is a misconfiguration; a registry that is away is an outage.
func (c *Client) Register(ctx context.Context, subject, schema string) (int, error) {
	id, err := c.sr.RegisterSchema(ctx, subject, sr.Schema{Schema: schema, Type: sr.TypeAvro}, -1, -1)
	if err != nil {
		return 0, classify(err, "register "+subject)
	}
	if id <= 0 {
		return 0, fault.Outagef("registry: register %s: the answer has no schema id", subject)
	}
	c.schemas.Store(id, schema)
	return id, nil
}

// SchemaByID returns the schema of that id. The registry is asked once for each id,
// however many ask at the same time. Errors: ErrUnknownSchema, ErrUnsupportedSchema,
// an outage (unreachable, 5xx, no answer in time), a misconfiguration (access refused).
func (c *Client) SchemaByID(ctx context.Context, id int) (string, error) {
	if s, ok := c.schemas.Load(id); ok {
		return s.(string), nil
	}
	// One caller's cancellation must not fail the others who wait for the same answer.
	ch := c.flight.DoChan(strconv.Itoa(id), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.timeout)
		defer cancel()
		return c.fetch(ctx, id)
	})
	select {
	case r := <-ch:
		if r.Err != nil {
			return "", r.Err
		}
		return r.Val.(string), nil
	case <-ctx.Done():
		return "", fault.Outagef("registry: schema %d: %w", id, ctx.Err())
	}
}

func (c *Client) fetch(ctx context.Context, id int) (string, error) {
	if s, ok := c.schemas.Load(id); ok {
		return s.(string), nil
	}
	s, err := c.sr.SchemaByID(ctx, id)
	if err != nil {
		var re *sr.ResponseError
		// Only the registry's own code counts: a 404 of something else on that address is an outage.
		if errors.As(err, &re) && re.ErrorCode == sr.ErrSchemaNotFound.Code {
			return "", fmt.Errorf("%w %d", ErrUnknownSchema, id)
		}
		return "", classify(err, "schema "+strconv.Itoa(id))
	}
	if s.Schema == "" {
		return "", fault.Outagef("registry: schema %d: the answer has no schema", id)
	}
	if s.Type != sr.TypeAvro || len(s.References) > 0 {
		return "", fmt.Errorf("schema %d: %w", id, ErrUnsupportedSchema)
	}
	c.schemas.Store(id, s.Schema)
	return s.Schema, nil
}

// classify gives a failed request its class. What the registry wrote is cut short: it
// may be a page of a proxy.
func classify(err error, what string) error {
	var re *sr.ResponseError
	if !errors.As(err, &re) {
		return fault.Outagef("registry: %s: %w", what, err)
	}
	message := re.Message
	if len(message) > 500 {
		message = message[:500]
	}
	switch {
	case re.StatusCode == http.StatusConflict || re.StatusCode == http.StatusUnprocessableEntity,
		re.StatusCode == http.StatusUnauthorized || re.StatusCode == http.StatusForbidden:
		return fault.Misconfigf("registry: %s: status %d, code %d: %s", what, re.StatusCode, re.ErrorCode, message)
	default:
		return fault.Outagef("registry: %s: status %d, code %d: %s", what, re.StatusCode, re.ErrorCode, message)
	}
}
