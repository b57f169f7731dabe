package kafka

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

// TLS says how connections are encrypted. All files are PEM; they are looked at again for each new
// connection, so that certificates are changed without a restart.
type TLS struct {
	// Enabled turns TLS on, of version 1.2 at least.
	Enabled bool `env:"TLS, default=false"`
	// CAFile holds the authorities that a broker's certificate may come from, in PEM.
	CAFile string `env:"TLS_CA_FILE" empty:"the system's authorities"`
	// CertFile holds the client's certificate, any intermediate ones behind it, in PEM.
	CertFile string `env:"TLS_CERT_FILE" empty:"the client shows no certificate"`
	// KeyFile holds the key of [CertFile] in PEM, not encrypted.
	KeyFile string `env:"TLS_KEY_FILE" empty:"refused with [CertFile]"`
	// ServerName is what the brokers' certificates are for.
	ServerName string `env:"TLS_SERVER_NAME" empty:"the host of each broker's address"`
}

func (t TLS) validate(now time.Time) []error {
	if !t.Enabled {
		var faults []error
		for _, v := range []struct{ name, value string }{
			{"KAFKA_TLS_CA_FILE", t.CAFile}, {"KAFKA_TLS_CERT_FILE", t.CertFile}, {"KAFKA_TLS_KEY_FILE", t.KeyFile}, {"KAFKA_TLS_SERVER_NAME", t.ServerName},
		} {
			if v.value != "" {
				faults = append(faults, fmt.Errorf("%s: is given although KAFKA_TLS is not true: nothing would be encrypted", v.name))
			}
		}
		return faults
	}
	_, faults := t.load(now)
	return faults
}

// load reads the files and names all that is wrong with them.
func (t TLS) load(now time.Time) (*tls.Config, []error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	var faults []error
	if t.CAFile != "" {
		pool, err := authorities(t.CAFile, now)
		if err != nil {
			faults = append(faults, fmt.Errorf("KAFKA_TLS_CA_FILE: %w", err))
		}
		cfg.RootCAs = pool
	}
	switch {
	case t.CertFile != "" && t.KeyFile == "":
		faults = append(faults, errors.New("KAFKA_TLS_KEY_FILE: is required with KAFKA_TLS_CERT_FILE"))
	case t.CertFile == "" && t.KeyFile != "":
		faults = append(faults, errors.New("KAFKA_TLS_CERT_FILE: is required with KAFKA_TLS_KEY_FILE"))
	case t.CertFile != "":
		cert, errs := clientCertificate(t.CertFile, t.KeyFile, now)
		faults = append(faults, errs...)
		if cert != nil {
			// Not by Certificates, of which Go keeps one back that it thinks the broker would not take:
			// the broker then says that there was none, where it should say what is wrong with it.
			cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
			cfg.Certificates = []tls.Certificate{*cert}
		}
	}
	return cfg, faults
}

func authorities(file string, now time.Time) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool, valid, n := x509.NewCertPool(), 0, 0
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d: %w", file, n+1, err)
		}
		n++
		pool.AddCert(cert)
		if validity(cert, now) == nil {
			valid++
		}
	}
	switch {
	case n == 0:
		return nil, fmt.Errorf("%s holds no certificate in PEM", file)
	case valid == 0:
		return nil, fmt.Errorf("%s: none of its certificates is valid now", file)
	}
	return pool, nil
}

func clientCertificate(certFile, keyFile string, now time.Time) (*tls.Certificate, []error) {
	var faults []error
	certText, err := os.ReadFile(certFile)
	if err != nil {
		faults = append(faults, fmt.Errorf("KAFKA_TLS_CERT_FILE: %w", err))
	}
	keyText, err := os.ReadFile(keyFile)
	if err != nil {
		faults = append(faults, fmt.Errorf("KAFKA_TLS_KEY_FILE: %w", err))
	}
	if len(faults) > 0 {
		return nil, faults
	}
	if bytes.Contains(keyText, []byte("ENCRYPTED")) {
		return nil, []error{fmt.Errorf("KAFKA_TLS_KEY_FILE: %s is encrypted: it must be in the clear, and readable by this service alone", keyFile)}
	}
	cert, err := tls.X509KeyPair(certText, keyText)
	if err != nil {
		return nil, []error{fmt.Errorf("KAFKA_TLS_CERT_FILE: %s with KAFKA_TLS_KEY_FILE %s: %w", certFile, keyFile, err)}
	}
	if err := validity(cert.Leaf, now); err != nil {
		return &cert, []error{fmt.Errorf("KAFKA_TLS_CERT_FILE: %s: %w", certFile, err)}
	}
	return &cert, nil
}

// validity tells whether a certificate is to be taken at that time.
func validity(cert *x509.Certificate, now time.Time) error {
	switch {
	case now.After(cert.NotAfter):
		return fmt.Errorf("expired at %s", cert.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(cert.NotBefore):
		return fmt.Errorf("not valid before %s", cert.NotBefore.UTC().Format(time.RFC3339))
	}
	return nil
}

// tlsSource is the TLS configuration as its files are now.
type tlsSource struct {
	cfg TLS

	mu   sync.Mutex
	last *tls.Config
	at   []time.Time // the files' times, as last read
}

// current returns the configuration for the next connection. Files that cannot be used just now,
// being changed one after the other, leave it as it was.
func (s *tlsSource) current() *tls.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.times()
	if s.last != nil && slices.Equal(at, s.at) {
		return s.last
	}
	if fresh, faults := s.cfg.load(time.Now()); len(faults) == 0 || s.last == nil {
		s.last, s.at = fresh, at
	}
	return s.last
}

func (s *tlsSource) times() []time.Time {
	var at []time.Time
	for _, file := range []string{s.cfg.CAFile, s.cfg.CertFile, s.cfg.KeyFile} {
		var t time.Time
		if info, err := os.Stat(file); err == nil {
			t = info.ModTime()
		}
		at = append(at, t)
	}
	return at
}

// forBroker is the configuration for a connection to address.
func (s *tlsSource) forBroker(address string) *tls.Config {
	cfg := s.current()
	if cfg.ServerName == "" {
		host, _, _ := net.SplitHostPort(address)
		cfg = cfg.Clone()
		cfg.ServerName = host
	}
	return cfg
}

// subject is whom the client's certificate names; empty where there is none.
func (s *tlsSource) subject() string {
	if cfg := s.current(); len(cfg.Certificates) > 0 {
		return cfg.Certificates[0].Leaf.Subject.String()
	}
	return ""
}
