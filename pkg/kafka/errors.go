package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/ringback/ringback/pkg/fault"
)

// What callers decide on. Each comes wrapped; ask with errors.Is.
var (
	// ErrQueueFull: the record was not taken and not sent. Class Outage.
	ErrQueueFull = errors.New("producer queue is full")
	// ErrOutcomeUnknown: the record may be in the log or may still get there, or the transaction may
	// have been committed. Class Outage from Produce, none from Commit, where repeating is no help.
	ErrOutcomeUnknown = errors.New("outcome unknown")
	// ErrRecordTooLarge: the broker takes no record of that size. Class Misconfiguration.
	ErrRecordTooLarge = errors.New("record is larger than the topic takes")
	// ErrFenced: another owner has taken the transactional id, or the broker has put an end to a
	// transaction that took too long. The Transactor is of no more use. No class: waiting is no help.
	ErrFenced = errors.New("fenced: the transactional id has another owner")
	// ErrRebalanced: the partition is no longer this group member's. No class: waiting is no help.
	ErrRebalanced = errors.New("group has rebalanced")
	// ErrOffsetOutOfRange: the log does not reach to the offset, or no longer. No class: the caller
	// knows what it means.
	ErrOffsetOutOfRange = errors.New("offset out of range")
	// ErrClosed: the Client or Producer was closed.
	ErrClosed = errors.New("closed")
)

var misconfigured = map[kafkago.Error]bool{
	kafkago.InvalidTopic:                       true,
	kafkago.InvalidRequiredAcks:                true,
	kafkago.InconsistentGroupProtocol:          true,
	kafkago.InvalidGroupId:                     true,
	kafkago.InvalidSessionTimeout:              true,
	kafkago.TopicAuthorizationFailed:           true,
	kafkago.GroupAuthorizationFailed:           true,
	kafkago.ClusterAuthorizationFailed:         true,
	kafkago.InvalidTimestamp:                   true,
	kafkago.UnsupportedSASLMechanism:           true,
	kafkago.IllegalSASLState:                   true,
	kafkago.UnsupportedVersion:                 true,
	kafkago.InvalidPartitionNumber:             true,
	kafkago.InvalidReplicationFactor:           true,
	kafkago.InvalidReplicaAssignment:           true,
	kafkago.InvalidConfiguration:               true,
	kafkago.InvalidRequest:                     true,
	kafkago.UnsupportedForMessageFormat:        true,
	kafkago.PolicyViolation:                    true,
	kafkago.InvalidTransactionTimeout:          true,
	kafkago.TransactionalIDAuthorizationFailed: true,
	kafkago.SecurityDisabled:                   true,
	kafkago.BrokerAuthorizationFailed:          true,
	kafkago.SASLAuthenticationFailed:           true,
	kafkago.UnsupportedCompressionType:         true,
	kafkago.GroupMaxSizeReached:                true,
	kafkago.InvalidRecord:                      true,
	kafkago.UnacceptableCredential:             true,
}

// classed gives err, which came of op, its class: what an operator must change is a
// Misconfiguration, all else that a broker or the network says is an Outage (invariant 7), except
// what the caller decides on by errors.Is.
func classed(op string, err error) error {
	if err == nil {
		return nil
	}
	if fault.ClassOf(err) != fault.Bug {
		return fmt.Errorf("%s: %w", op, err) // it has its class
	}
	var code kafkago.Error
	var unknownAuthority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var verification *tls.CertificateVerificationError
	switch {
	case errors.As(err, &code):
		switch {
		case misconfigured[code]:
			return fault.Misconfigf("kafka: %s: %w", op, err)
		case code == kafkago.OffsetOutOfRange:
			return fmt.Errorf("kafka: %s: %w: %w", op, ErrOffsetOutOfRange, err)
		case code == kafkago.MessageSizeTooLarge || code == kafkago.RecordListTooLarge:
			return fault.Misconfigf("kafka: %s: %w: %w", op, ErrRecordTooLarge, err)
		case isFenced(code):
			return fmt.Errorf("kafka: %s: %w: %w", op, ErrFenced, err)
		case isRebalanced(code):
			return fmt.Errorf("kafka: %s: %w: %w", op, ErrRebalanced, err)
		}
	case errors.As(err, &unknownAuthority), errors.As(err, &hostname), errors.As(err, &verification):
		return fault.Misconfigf("kafka: %s: %w", op, err)
	}
	return fault.Outagef("kafka: %s: %w", op, err)
}

func isFenced(code kafkago.Error) bool {
	switch code {
	case kafkago.InvalidProducerEpoch, kafkago.ProducerFenced, kafkago.InvalidProducerIDMapping, kafkago.TransactionCoordinatorFenced:
		return true
	}
	return false
}

func isRebalanced(code kafkago.Error) bool {
	switch code {
	case kafkago.IllegalGeneration, kafkago.UnknownMemberId, kafkago.RebalanceInProgress, kafkago.FencedInstanceID:
		return true
	}
	return false
}

// isTransient tells whether asking again may help, without anybody doing anything.
func isTransient(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, ErrClosed) {
		return false
	}
	var refused refusal
	if errors.As(err, &refused) {
		return false
	}
	var code kafkago.Error
	if errors.As(err, &code) {
		switch {
		case isFenced(code), isRebalanced(code), isStaleSequence(code),
			code == kafkago.OffsetOutOfRange, code == kafkago.InvalidTransactionState:
			return false
		}
	}
	return fault.ClassOf(classed("", err)) == fault.Outage
}

// codeOf turns a wire error code into an error; 0 is nil.
func codeOf(code int16) error {
	if code == 0 {
		return nil
	}
	return kafkago.Error(code)
}

// isCode tells whether err is that answer of a broker.
func isCode(err error, codes ...kafkago.Error) bool {
	var code kafkago.Error
	if !errors.As(err, &code) {
		return false
	}
	for _, c := range codes {
		if c == code {
			return true
		}
	}
	return false
}
