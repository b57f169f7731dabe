package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/saslauthenticate"
	"github.com/segmentio/kafka-go/protocol/saslhandshake"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// SASL says who the client is, by a password.
type SASL struct {
	// Mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
	Mechanism string `env:"MECHANISM" empty:"no SASL"`
	// Username is who the client is.
	Username string `env:"USERNAME" empty:"refused with [Mechanism]"`
	// Password is the password of [Username]. A file is to be preferred.
	Password Secret `env:"PASSWORD" empty:"[PasswordFile] has it"`
	// PasswordFile holds the password and nothing else; the line's end does not count. It is looked at
	// again for each new connection, so that a password is changed without a restart.
	PasswordFile string `env:"PASSWORD_FILE" empty:"refused with [Mechanism], unless [Password] is given"`
	// AllowCleartext lets PLAIN send the password over a connection without TLS.
	AllowCleartext bool `env:"ALLOW_CLEARTEXT, default=false"`
}

const mechanismPlain = "PLAIN"

var mechanisms = []string{mechanismPlain, scram.SHA256.Name(), scram.SHA512.Name()}

func (s SASL) validate(encrypted bool) []error {
	var faults []error
	if s.Mechanism == "" {
		for _, v := range []struct {
			name  string
			given bool
		}{
			{"KAFKA_SASL_USERNAME", s.Username != ""},
			{"KAFKA_SASL_PASSWORD", s.Password.Reveal() != ""},
			{"KAFKA_SASL_PASSWORD_FILE", s.PasswordFile != ""},
		} {
			if v.given {
				faults = append(faults, fmt.Errorf("%s: is given although KAFKA_SASL_MECHANISM is not: nobody would be logged in", v.name))
			}
		}
		return faults
	}
	if !slices.Contains(mechanisms, s.Mechanism) {
		faults = append(faults, fmt.Errorf("KAFKA_SASL_MECHANISM: %q is none of %s", s.Mechanism, strings.Join(mechanisms, ", ")))
	}
	if s.Mechanism == mechanismPlain && !encrypted && !s.AllowCleartext {
		faults = append(faults, errors.New("KAFKA_SASL_MECHANISM: PLAIN sends the password in the clear: set KAFKA_TLS=true, or KAFKA_SASL_ALLOW_CLEARTEXT=true if nobody can listen"))
	}
	if s.Username == "" {
		faults = append(faults, errors.New("KAFKA_SASL_USERNAME: is required with KAFKA_SASL_MECHANISM"))
	}
	switch {
	case s.Password.Reveal() != "" && s.PasswordFile != "":
		faults = append(faults, errors.New("KAFKA_SASL_PASSWORD: is given and so is KAFKA_SASL_PASSWORD_FILE: give one of them"))
	case s.Password.Reveal() == "" && s.PasswordFile == "":
		faults = append(faults, errors.New("KAFKA_SASL_PASSWORD_FILE: is required with KAFKA_SASL_MECHANISM, or KAFKA_SASL_PASSWORD"))
	default:
		if password, err := s.password(); err != nil {
			faults = append(faults, err)
		} else if _, err := s.mechanism(password); err != nil {
			faults = append(faults, fmt.Errorf("KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD: %w", err))
		}
	}
	return faults
}

func (s SASL) password() (string, error) {
	if s.PasswordFile == "" {
		return s.Password.Reveal(), nil
	}
	text, err := os.ReadFile(s.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("KAFKA_SASL_PASSWORD_FILE: %w", err)
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" {
		return "", fmt.Errorf("KAFKA_SASL_PASSWORD_FILE: %s is empty", s.PasswordFile)
	}
	return password, nil
}

func (s SASL) mechanism(password string) (sasl.Mechanism, error) {
	switch s.Mechanism {
	case scram.SHA256.Name():
		return unquoted(scram.Mechanism(scram.SHA256, s.Username, password))
	case scram.SHA512.Name():
		return unquoted(scram.Mechanism(scram.SHA512, s.Username, password))
	}
	return plain.Mechanism{Username: s.Username, Password: password}, nil
}

// unquoted hides the cause: it quotes user or password where they have characters that SCRAM forbids
// (invariant 10).
func unquoted(m sasl.Mechanism, err error) (sasl.Mechanism, error) {
	if err != nil {
		return nil, errors.New("one of them has characters that SCRAM forbids (RFC 4013), such as control characters")
	}
	return m, nil
}

// saslSource is the mechanism with the password as it is now.
type saslSource struct {
	cfg SASL

	mu       sync.Mutex
	password Secret
	scram    sasl.Mechanism // keeps what SCRAM derives from a password, which takes long by design
}

func (s *saslSource) current() (sasl.Mechanism, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	former := s.password.Reveal()
	password, err := s.cfg.password()
	if err != nil {
		if former == "" {
			return nil, err
		}
		password = former // the file is being changed
	}
	if s.scram != nil && password == former {
		return s.scram, nil
	}
	fresh, err := s.cfg.mechanism(password)
	if err != nil {
		return nil, err
	}
	s.password = NewSecret(password)
	if s.cfg.Mechanism != mechanismPlain {
		s.scram = fresh
	}
	return fresh, nil
}

// errPassword is a broker's refusal of user and password.
var errPassword = errors.New("the broker refuses user or password")

// logIn authenticates a connection.
func logIn(ctx context.Context, conn *protocol.Conn, mechanism sasl.Mechanism) error {
	msg, err := conn.RoundTrip(&saslhandshake.Request{Mechanism: mechanism.Name()})
	if err != nil {
		return fmt.Errorf("SASL: %w", err)
	}
	shaken := msg.(*saslhandshake.Response)
	switch err := codeOf(shaken.ErrorCode); {
	case isCode(err, kafkago.UnsupportedSASLMechanism):
		return fmt.Errorf("SASL: the broker does not take %s but %s: %w", mechanism.Name(), strings.Join(shaken.Mechanisms, ", "), err)
	case isCode(err, kafkago.IllegalSASLState):
		return fmt.Errorf("SASL: the listener takes no SASL: %w", err)
	case err != nil:
		return fmt.Errorf("SASL: %w", err)
	}
	session, state, err := mechanism.Start(ctx)
	if err != nil {
		return errors.New("SASL: " + mechanism.Name() + " cannot begin")
	}
	for done := false; !done; {
		msg, err := conn.RoundTrip(&saslauthenticate.Request{AuthBytes: state})
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			// Some brokers refuse a password by hanging up; but so does one that goes down.
			return fmt.Errorf("SASL %s: the broker hung up: it goes down, or user or password are wrong: %w", mechanism.Name(), err)
		}
		if err != nil {
			return fmt.Errorf("SASL %s: %w", mechanism.Name(), err)
		}
		answer := msg.(*saslauthenticate.Response)
		if err := codeOf(answer.ErrorCode); err != nil {
			return fmt.Errorf("SASL %s: %w: %s", mechanism.Name(), errPassword, cmp.Or(answer.ErrorMessage, err.Error()))
		}
		if done, state, err = session.Next(ctx, answer.AuthBytes); err != nil {
			// The broker has not shown that it knows the password, or breaks the protocol.
			return fmt.Errorf("SASL %s: the broker's answer is wrong: %w", mechanism.Name(), errPassword)
		}
	}
	return nil
}
