package callback

import "strconv"

// LogicVersion is the version of the derivation rules. It grows with every change
// of a rule that changes a value.
const LogicVersion = 1

// Cause tells why a UserEvent became due.
type Cause string

// The causes of a UserEvent.
const (
	CauseStart      Cause = "START"
	CauseFinal      Cause = "FINAL"
	CauseCorrection Cause = "CORRECTION"
	CauseTimeout    Cause = "TIMEOUT"
)

// UserEvent is a finished callback UserEvent.
type UserEvent struct {
	Sequence      int32 // EVENT_SEQUENCE, from 1
	Cause         Cause
	LogicVersion  int32
	ServiceName   *string
	MediaType     *string
	LastEventTime Micros
	// The three columns of CALLBACK_FACT that no KVP of the guide fills, in UTC epoch seconds; nil is absent.
	DesiredTime             *int64
	PushDeliveryConfirmed   *int64
	CustomerReadyToStartIxn *int64

	KVPs   KVPs
	Events []SourceEvent // in fold order; Value.By indexes it (By is -1 in a decoded UserEvent where no event set it)
}

// SourceEvent is one applied lifecycle event, and what it set.
type SourceEvent struct {
	Source    string
	ID        string
	Type      Type
	Time      Micros
	Partition int32
	Offset    int64
	Sets      []string // names of the KVPs and KVP-less columns it set
}

// ServiceID is the id of the callback service, the session's key.
func (u *UserEvent) ServiceID() string { return u.KVPs[KeyServiceID].Str }

// ID identifies the UserEvent: the service id and the sequence, so that the same
// UserEvent has the same id however often it is made.
func (u *UserEvent) ID() string { return UserEventID(u.ServiceID(), u.Sequence) }

// UserEventID is the id of the UserEvent with that service id and EVENT_SEQUENCE.
func UserEventID(serviceID string, sequence int32) string {
	return serviceID + "/" + strconv.FormatInt(int64(sequence), 10)
}

// Occasion tells when attached data is due.
type Occasion string

// The occasions of attached data.
const (
	OnAccepted  Occasion = "CALLBACK_ACCEPTED"
	OnConnected Occasion = "CUSTOMER_CONNECTED"
)

// AttachedData is the KVPs that must ride on a call.
type AttachedData struct {
	IxnID         string // interaction to attach to
	Occasion      Occasion
	ServiceName   *string
	LogicVersion  int32
	LastEventTime Micros

	ServiceID         string // _CB_SERVICE_ID
	ServiceStart      *int64 // _CB_T_SERVICE_START, UTC epoch seconds
	CallbackAccepted  *int64 // _CB_T_CALLBACK_ACCEPTED
	CustomerConnected *int64 // _CB_T_CUSTOMER_CONNECTED; only OnConnected
	// EventID and EventSource name the customer_connected it is due for; empty OnAccepted.
	EventID     string
	EventSource string
}

// ID identifies the attached data: the same data has the same id however often it is made.
func (a *AttachedData) ID() string {
	if a.Occasion == OnAccepted {
		return a.ServiceID + "/accepted"
	}
	return a.ServiceID + "/connected/" + a.EventSource + "/" + a.EventID
}
