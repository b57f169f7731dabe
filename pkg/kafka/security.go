package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/apiversions"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka/acl"
)

// security is who the client is to the cluster, and what it may do there.
type security struct {
	clientID string
	tls      *tlsSource  // nil: none
	sasl     *saslSource // nil: none

	needed   atomic.Pointer[[]acl.Right]
	answered atomic.Bool // a broker has answered at least once
	// admitted: the cluster has let the client in with all that it needs. What it refuses from then on
	// somebody has taken away, and can give back: an outage, to be waited out, where before it was a
	// misconfiguration, not to start with.
	admitted atomic.Bool
}

func newSecurity(cfg Config) *security {
	s := &security{clientID: cfg.ClientID}
	if cfg.TLS.Enabled {
		s.tls = &tlsSource{cfg: cfg.TLS}
		s.tls.current() // as it was found to be sound
	}
	if cfg.SASL.Mechanism != "" {
		s.sasl = &saslSource{cfg: cfg.SASL}
	}
	return s
}

// principal is how the cluster knows the client, as far as the client can tell: of a certificate the
// broker may make another name.
func (s *security) principal() string {
	switch {
	case s.sasl != nil:
		return "User:" + s.sasl.cfg.Username
	case s.tls != nil && s.tls.subject() != "":
		return "User:" + s.tls.subject()
	}
	return "User:ANONYMOUS"
}

// refusal is an error that stays until somebody acts. Asking again at once is no help, whatever its
// class: whoever waits for that is to know why.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// refused gives a refusal its class.
func (s *security) refused(err error) error {
	err = refusal{err}
	if s.admitted.Load() {
		return fault.Outagef("kafka: %w", err)
	}
	return fault.Misconfigf("kafka: %w", err)
}

// secure makes a connection one that requests can be sent on: encrypted, and logged in.
func (s *security) secure(ctx context.Context, conn net.Conn, address string) (net.Conn, error) {
	if s.tls == nil && s.sasl == nil {
		return conn, nil
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(Config{}.withDefaults().DialTimeout)
	}
	_ = conn.SetDeadline(deadline) // what fails here fails at the first use too
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	secured, err := s.handshake(ctx, conn, address)
	switch {
	case ctx.Err() != nil:
		return nil, fault.Outagef("kafka: %s: %w", address, errors.Join(ctx.Err(), err))
	case isRefusal(err):
		return nil, s.refused(fmt.Errorf("%s: not let in as %s: %w", address, s.principal(), err))
	case err != nil:
		return nil, fault.Outagef("kafka: %s: %w", address, err)
	}
	_ = conn.SetDeadline(time.Time{})
	return secured, nil
}

func (s *security) handshake(ctx context.Context, conn net.Conn, address string) (net.Conn, error) {
	if s.tls != nil {
		encrypted := tls.Client(conn, s.tls.forBroker(address))
		if err := encrypted.HandshakeContext(ctx); err != nil {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("the broker hung up: it goes down, or the listener speaks no TLS: %w", err)
			}
			return nil, fmt.Errorf("TLS: %w", err)
		}
		conn = encrypted
	}
	// By TLS 1.3 the client has finished before the broker has looked at its certificate: the first
	// answer tells.
	pc := protocol.NewConn(conn, s.clientID)
	msg, err := pc.RoundTrip(&apiversions.Request{})
	switch {
	case isRefusal(err) && s.tls.subject() == "":
		return nil, fmt.Errorf("the broker asks for a certificate and KAFKA_TLS_CERT_FILE is not given: %w", err)
	case isRefusal(err):
		return nil, fmt.Errorf("the broker refuses the certificate: %w", err)
	case err != nil:
		return nil, fmt.Errorf("API versions: %w", err)
	}
	if s.sasl == nil {
		return conn, nil
	}
	versions := map[protocol.ApiKey]int16{}
	for _, k := range msg.(*apiversions.Response).ApiKeys {
		key := protocol.ApiKey(k.ApiKey)
		versions[key] = key.SelectVersion(k.MinVersion, k.MaxVersion)
	}
	pc.SetVersions(versions)
	mechanism, err := s.sasl.current()
	if err != nil {
		return nil, err
	}
	return conn, logIn(ctx, pc, mechanism)
}

// hint adds to an error what may be behind a broker that has only ever hung up: that is all the answer
// which a request gets that comes without TLS, or before it has logged in.
func (s *security) hint(err error) error {
	hungUp := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if s.sasl != nil || s.answered.Load() || !hungUp {
		return err
	}
	wants := "SASL (KAFKA_SASL_MECHANISM)"
	if s.tls == nil {
		wants = "TLS (KAFKA_TLS) or " + wants
	}
	return fmt.Errorf("%w; the broker has only ever hung up: does the listener want %s?", err, wants)
}

// isRefusal tells whether one end found the other's certificate, password or protocol wrong, which
// stays so until somebody acts.
func isRefusal(err error) bool {
	var verification *tls.CertificateVerificationError
	var unknownAuthority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var notTLS tls.RecordHeaderError
	var remote *net.OpError
	switch {
	case errors.Is(err, errPassword),
		isCode(err, kafkago.UnsupportedSASLMechanism, kafkago.IllegalSASLState, kafkago.SASLAuthenticationFailed):
		return true
	case errors.As(err, &verification), errors.As(err, &unknownAuthority), errors.As(err, &hostname), errors.As(err, &notTLS):
		return true
	case errors.As(err, &remote):
		return remote.Op == "remote error" // an alert: the broker does not take the certificate, or no protocol of ours
	}
	return false
}
