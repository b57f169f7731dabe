package callback

import (
	"fmt"
	"time"
)

// Reason is the code that says why a record was set aside. It is API: docs/dead-letters.md lists them.
type Reason string

// The reasons for a dead letter.
const (
	ReasonUndecodable   Reason = "UNDECODABLE"           // bytes that are no record of the schema they name
	ReasonUnknownSchema Reason = "UNKNOWN_SCHEMA"        // schema id that the registry does not know
	ReasonNotCloudEvent Reason = "NOT_A_CLOUDEVENT"      // a required attribute is missing or malformed
	ReasonUnknownType   Reason = "UNKNOWN_TYPE"          // no lifecycle event type
	ReasonInvalidField  Reason = "INVALID_FIELD"         // a field of the data is missing, of the wrong type or out of range
	ReasonFutureTime    Reason = "FUTURE_TIME"           // event time more than 24 h after arrival
	ReasonMiskeyed      Reason = "MISKEYED"              // the record's key is not its subject, or it lies on the wrong partition
	ReasonConflict      Reason = "CONFLICT"              // the same id with other content; the first stays
	ReasonLate          Reason = "LATE"                  // its session is closed
	ReasonTooLarge      Reason = "TOO_LARGE"             // its session has reached the limit of events or bytes
	ReasonMissingKVP    Reason = "MISSING_MANDATORY_KVP" // invariant 9
	ReasonRefused       Reason = "REFUSED"               // the store or T-Server refused the values as data
)

// DeadLetter is a record that could not be processed, whole, with the reason.
type DeadLetter struct {
	Component string // enricher, infomart, tserver, import
	Topic     string
	Partition int32
	Offset    int64

	Reason    Reason
	Detail    string // what, where and why; no personal data (invariant 10)
	Missing   []string
	ServiceID *string

	RecordTime    time.Time
	RecordKey     []byte
	RecordValue   []byte
	RecordHeaders []Header
}

// Header is one header of a dead-lettered record.
type Header struct {
	Name  string
	Value []byte
}

// ID identifies the dead letter, so that a repeated one is recognised (invariant 2).
func (d *DeadLetter) ID() string {
	return fmt.Sprintf("%s/%s/%d/%d", d.Component, d.Topic, d.Partition, d.Offset)
}

// BadRecord says why a record is bad data. It is the error class that is dead-lettered, never retried.
type BadRecord struct {
	Reason Reason
	Detail string
}

func (e *BadRecord) Error() string { return string(e.Reason) + ": " + e.Detail }

// Bad makes a BadRecord; format must not print personal data (invariant 10).
func Bad(reason Reason, format string, args ...any) *BadRecord {
	return &BadRecord{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}
