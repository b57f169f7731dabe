package callback

import (
	"cmp"
	"strings"
)

// Type is the CloudEvents type of a lifecycle event.
type Type string

// The types of lifecycle event, in order of rank.
const (
	Offered             Type = "callback.offered"
	OfferAccepted       Type = "callback.offer_accepted"
	OfferRejected       Type = "callback.offer_rejected"
	OfferAbandoned      Type = "callback.offer_abandoned"
	Requested           Type = "callback.requested"
	Scheduled           Type = "callback.scheduled"
	Rescheduled         Type = "callback.rescheduled"
	Queued              Type = "callback.queued"
	ReadyToStartMedia   Type = "callback.ready_to_start_media"
	AttemptStarted      Type = "callback.attempt_started"
	AttemptEnded        Type = "callback.attempt_ended"
	Snoozed             Type = "callback.snoozed"
	CustomerConnected   Type = "callback.customer_connected"
	DialogEnded         Type = "callback.dialog_ended"
	AgentRequested      Type = "callback.agent_requested"
	AgentConnected      Type = "callback.agent_connected"
	AgentTransferFailed Type = "callback.agent_transfer_failed"
	CustomerAbandoned   Type = "callback.customer_abandoned"
	WaitTimedOut        Type = "callback.wait_timed_out"
	InboundCallEnded    Type = "callback.inbound_call_ended"
	Cancelled           Type = "callback.cancelled"
	Completed           Type = "callback.completed"
)

// Tick is the type of the record by which the enricher moves a partition's clock. It is no lifecycle event.
const Tick Type = "ringback.tick"

// Types lists the types of lifecycle event in order of rank.
var Types = []Type{
	Offered, OfferAccepted, OfferRejected, OfferAbandoned, Requested, Scheduled, Rescheduled, Queued,
	ReadyToStartMedia, AttemptStarted, AttemptEnded, Snoozed, CustomerConnected, DialogEnded,
	AgentRequested, AgentConnected, AgentTransferFailed, CustomerAbandoned, WaitTimedOut,
	InboundCallEnded, Cancelled, Completed,
}

// Rank orders events of equal time: 1 for callback.offered to 22 for callback.completed, 0 for a type that is not known.
func (t Type) Rank() int {
	switch t { // many times an event: a map would take a tenth of the rules' time
	case Offered:
		return 1
	case OfferAccepted:
		return 2
	case OfferRejected:
		return 3
	case OfferAbandoned:
		return 4
	case Requested:
		return 5
	case Scheduled:
		return 6
	case Rescheduled:
		return 7
	case Queued:
		return 8
	case ReadyToStartMedia:
		return 9
	case AttemptStarted:
		return 10
	case AttemptEnded:
		return 11
	case Snoozed:
		return 12
	case CustomerConnected:
		return 13
	case DialogEnded:
		return 14
	case AgentRequested:
		return 15
	case AgentConnected:
		return 16
	case AgentTransferFailed:
		return 17
	case CustomerAbandoned:
		return 18
	case WaitTimedOut:
		return 19
	case InboundCallEnded:
		return 20
	case Cancelled:
		return 21
	case Completed:
		return 22
	default:
		return 0
	}
}

// Micros is an instant: UTC microseconds since 1970-01-01.
type Micros int64

// Seconds is the instant as epoch seconds, rounded down.
func (m Micros) Seconds() int64 {
	s := int64(m) / 1_000_000
	if int64(m)%1_000_000 < 0 {
		s--
	}
	return s
}

// Event is one lifecycle event of a callback session.
type Event struct {
	Source  string // CloudEvents source; ID is unique in it
	ID      string
	Type    Type
	Subject string // the service id (_CB_SERVICE_ID)
	Time    Micros // when it happened

	TenantDBID   *int64  // extension attribute tenantdbid
	ORSSessionID *string // extension attribute orssessionid
	// Extensions holds the other extension attributes, without those of tracing
	// (traceparent, tracestate). They count when duplicates are compared, no more.
	Extensions map[string]string

	Data Data
}

// VirtualQueue is a virtual queue as the application named it.
type VirtualQueue struct {
	Name      string
	DBID      *int64
	CfgTypeID *int64
	CfgType   *string
}

// Data holds the fields of every type of event; nil is not given. The schema of
// the lifecycle event says what each one means and its unit.
type Data struct {
	Channel              *string
	OfferType            *string
	OfferTiming          *string
	EWT                  *int64
	Position             *int64
	EWTThreshold         *int64
	InboundVQEWT         *int64
	WaitedBeforeOffer    *int64
	CustomerANI          *string
	OriginationIxnID     *string
	VirtualQueue         *VirtualQueue
	Priority             *int64
	CallbackType         *string
	ServiceName          *string
	CustomerNumber       *string
	DesiredTime          *Micros
	CallDirection        *string
	MediaType            *string
	MaxAttempts          *int64
	Parameters           map[string]string // _cb_* name to value, numbers in decimal
	IgnoringAvailability *bool
	Kind                 *string // CALL or PUSH
	IxnID                *string
	Result               *string
	Attempt              *int64
	NextAttemptAt        *Micros
	Target               *string
	ConnectOrder         *string
	Disposition          *string
}

// Compare orders events as the fold reads them: by time, rank, id, source; strings bytewise.
func Compare(a, b *Event) int {
	return cmp.Or(
		cmp.Compare(a.Time, b.Time),
		cmp.Compare(a.Type.Rank(), b.Type.Rank()),
		strings.Compare(a.ID, b.ID),
		strings.Compare(a.Source, b.Source),
	)
}
