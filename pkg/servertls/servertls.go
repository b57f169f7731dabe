// Package servertls serves TLS with a certificate that is replaced while the service runs.
package servertls

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/ringback/ringback/pkg/fault"
)

// Config says what a server shows. Without files it serves no TLS.
type Config struct {
	// CertFile holds the certificate, and those between it and the authority, in PEM.
	CertFile string `env:"TLS_CERT_FILE" empty:"no TLS"`
	// KeyFile holds the certificate's key, in PEM.
	KeyFile string `env:"TLS_KEY_FILE" empty:"refused with the certificate"`
}

// Enabled tells whether TLS is served.
func (c *Config) Enabled() bool { return c.CertFile != "" || c.KeyFile != "" }

// Faults returns every fault; each begins with the name of its variable behind the prefix.
func (c *Config) Faults(prefix string) []error {
	switch {
	case !c.Enabled():
		return nil
	case c.CertFile == "":
		return []error{fmt.Errorf("%sTLS_CERT_FILE: is required with the key", prefix)}
	case c.KeyFile == "":
		return []error{fmt.Errorf("%sTLS_KEY_FILE: is required with the certificate", prefix)}
	}
	if _, err := newPair(*c, nil); err != nil {
		return []error{fmt.Errorf("%sTLS_CERT_FILE: %w", prefix, err)}
	}
	return nil
}

// Listen wraps a listener. bad is told of files that cannot be used when they have changed, once for each content; the
// former certificate stays.
func (c Config) Listen(l net.Listener, bad func(error)) (net.Listener, error) {
	if !c.Enabled() {
		return l, nil
	}
	p, err := newPair(c, bad)
	if err != nil {
		return nil, err
	}
	return tls.NewListener(l, &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.current(), nil },
	}), nil
}

// interval is how often the files are looked at, at most.
const interval = time.Second

// pair is the certificate and key of two files.
type pair struct {
	cfg Config
	bad func(error)

	mu        sync.Mutex
	looked    time.Time
	cert, key []byte // as last read, good or bad
	good      *tls.Certificate
}

func newPair(c Config, bad func(error)) (*pair, error) {
	p := &pair{cfg: c, bad: bad}
	if err := p.load(); err != nil {
		return nil, fault.Misconfigf("tls: %w", err)
	}
	p.looked = time.Now()
	return p, nil
}

// current looks at the files with a handshake, not by a timer: without one nobody sees the certificate.
func (p *pair) current() *tls.Certificate {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.looked) >= interval {
		p.looked = now
		if err := p.load(); err != nil && p.bad != nil {
			p.bad(fault.Misconfigf("tls: %w", err))
		}
	}
	return p.good
}

// load reads the files where they have changed. Who replaces both may be between the two: then they do not go together,
// and the next look finds that they do.
func (p *pair) load() error {
	cert, certErr := os.ReadFile(p.cfg.CertFile)
	key, keyErr := os.ReadFile(p.cfg.KeyFile)
	if err := errors.Join(certErr, keyErr); err != nil {
		if p.good != nil && p.cert == nil {
			return nil // told already
		}
		p.cert, p.key = nil, nil
		return err
	}
	if p.cert != nil && bytes.Equal(cert, p.cert) && bytes.Equal(key, p.key) {
		return nil
	}
	p.cert, p.key = cert, key
	good, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("%s and %s: %w", p.cfg.CertFile, p.cfg.KeyFile, err)
	}
	p.good = &good
	return nil
}
