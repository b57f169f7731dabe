// Package registry is the client of a Confluent-compatible schema registry. What a
// registry once said of an id is kept for good: an id never changes its schema.
package registry

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strconv"
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

// Client talks to a registry. It is safe for concurrent use.
type Client struct {
	at   []*sr.Client // one for each address
	http *http.Client

	schemas sync.Map // schema id -> string
	flight  singleflight.Group
	lookups lookups
}

// New returns a client. It does not connect yet; an error is a misconfiguration.
func New(cfg Config) (*Client, error) {
	if faults := cfg.Faults(); len(faults) > 0 {
		return nil, fault.Misconfigf("registry: %w", errors.Join(faults...))
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	pool, err := cfg.authorities()
	if err != nil {
		return nil, fault.Misconfigf("registry: %w", err)
	}
	if pool != nil {
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	c := &Client{http: &http.Client{Transport: transport, Timeout: cmp.Or(cfg.Timeout, 5*time.Second)}}
	opts := []sr.ClientOpt{sr.HTTPClient(c.http), sr.UserAgent("ringback")}
	if cfg.Username != "" {
		password, err := cfg.password()
		if err != nil {
			return nil, fault.Misconfigf("registry: %w", err)
		}
		opts = append(opts, sr.BasicAuth(cfg.Username, password))
	}
	urls, _ := cfg.addresses() // Faults has seen them
	for _, u := range urls {
		one, err := sr.NewClient(append(opts[:len(opts):len(opts)], sr.URLs(u))...)
		if err != nil {
			return nil, fault.Misconfigf("registry: %w", err)
		}
		c.at = append(c.at, one)
	}
	return c, nil
}

// ask asks one address after the other until one is not out; the error is the last one's.
func (c *Client) ask(ctx context.Context, f func(*sr.Client) error) error {
	var err error
	for _, one := range c.at {
		if err = f(one); fault.ClassOf(err) != fault.Outage || ctx.Err() != nil {
			break
		}
	}
	return err
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Register registers an Avro schema under the subject and returns its id; one that is
// there already keeps its id. A schema that the registry refuses, as incompatible or
// invalid, is a misconfiguration; a registry that is away is an outage.
func (c *Client) Register(ctx context.Context, subject, schema string) (id int, err error) {
	err = c.ask(ctx, func(at *sr.Client) (err error) {
		if id, err = at.RegisterSchema(ctx, subject, sr.Schema{Schema: schema, Type: sr.TypeAvro}, -1, -1); err != nil {
			return classify(err, "register "+subject)
		}
		if id <= 0 {
			return fault.Outagef("registry: register %s: the answer has no schema id", subject)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	c.keep(id, schema)
	return id, nil
}

// SchemaByID returns the schema of that id. The registry is asked once for each id,
// however many ask at the same time. Errors: ErrUnknownSchema, ErrUnsupportedSchema,
// an outage (unreachable, 5xx, no answer in time), a misconfiguration (access refused).
func (c *Client) SchemaByID(ctx context.Context, id int) (string, error) {
	if s, ok := c.schemas.Load(id); ok {
		c.lookups.known.Add(1)
		return s.(string), nil
	}
	// One caller's cancellation must not fail the others who wait for the same answer.
	ch := c.flight.DoChan(strconv.Itoa(id), func() (any, error) {
		s, err := c.fetch(context.WithoutCancel(ctx), id) // each address has Config.Timeout
		switch {
		case err == nil:
			c.lookups.fetched.Add(1)
		case errors.Is(err, ErrUnknownSchema):
			c.lookups.unknown.Add(1)
		case errors.Is(err, ErrUnsupportedSchema):
			c.lookups.unsupported.Add(1)
		default:
			c.lookups.failed.Add(1)
		}
		return s, err
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
	var s sr.Schema
	err := c.ask(ctx, func(at *sr.Client) (err error) {
		s, err = at.SchemaByID(ctx, id)
		var re *sr.ResponseError
		switch {
		// Only the registry's own code counts: a 404 of something else on that address is an outage.
		case errors.As(err, &re) && re.ErrorCode == sr.ErrSchemaNotFound.Code:
			return fmt.Errorf("%w %d", ErrUnknownSchema, id)
		case err != nil:
			return classify(err, "schema "+strconv.Itoa(id))
		case s.Schema == "":
			return fault.Outagef("registry: schema %d: the answer has no schema", id)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if s.Type != sr.TypeAvro || len(s.References) > 0 {
		return "", fmt.Errorf("schema %d: %w", id, ErrUnsupportedSchema)
	}
	c.keep(id, s.Schema)
	return s.Schema, nil
}

func (c *Client) keep(id int, schema string) {
	if _, there := c.schemas.Swap(id, schema); !there {
		c.lookups.schemas.Add(1)
	}
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
