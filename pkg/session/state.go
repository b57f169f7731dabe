package session

import (
	"github.com/ringback/ringback/pkg/callback"
)

// Applied is one applied lifecycle event. Raw is its data in Avro binary form;
// Data is decoded from it when a fold needs it.
type Applied struct {
	callback.Event
	Digest    [16]byte // of its content, by which a duplicate is told from a conflict
	Partition int32
	Offset    int64
	Raw       []byte

	decoded bool
}

// NewApplied makes an Applied of an event whose data is at hand.
func NewApplied(e *callback.Event, digest [16]byte, partition int32, offset int64, raw []byte) Applied {
	return Applied{Event: *e, Digest: digest, Partition: partition, Offset: offset, Raw: raw, decoded: true}
}

// size is what the event counts against the limit of bytes: its strings and data, and 64 for the rest.
func (a *Applied) size() int {
	return len(a.Source) + len(a.ID) + len(a.Type) + len(a.Raw) + 64
}

// State is the state of one session. Times are milliseconds of the partition's clock.
type State struct {
	ServiceID string

	// DueAt is when something becomes due without further news. Pending says that
	// it is a settle or offer-grace deadline, which the end of an import makes due.
	DueAt   int64
	Pending bool

	ClosedAt     int64 // over zero in a closed marker
	NextSequence int32 // EVENT_SEQUENCE of the next UserEvent

	Started  bool // START has been sent
	Final    bool // the last UserEvent sent was a FINAL
	TimedOut bool // the session timed out, and no event was applied since
	Dirty    bool // news after FINAL that may still make a correction

	OriginationAttached bool
	ConnectedAttached   []int64 // offsets of the customer_connected events whose data was attached

	LastNews   int64 // arrival of the last new applied event
	WakeAt     int64 // later of the last desired time and the last next attempt; 0 without one
	FinalAt    int64 // when the last FINAL was sent
	SentDigest [16]byte

	Events []Applied // in order of arrival
}

// New returns the state of a session that has had no event.
func New(serviceID string) *State {
	return &State{ServiceID: serviceID, NextSequence: 1}
}

// Closed reports whether only the marker of the session is left.
func (s *State) Closed() bool { return s.ClosedAt > 0 }

func (s *State) size() int {
	n := 0
	for i := range s.Events {
		n += s.Events[i].size()
	}
	return n
}

func (s *State) has(types ...callback.Type) bool {
	for i := range s.Events {
		for _, t := range types {
			if s.Events[i].Type == t {
				return true
			}
		}
	}
	return false
}

func (s *State) attached(offset int64) bool {
	for _, o := range s.ConnectedAttached {
		if o == offset {
			return true
		}
	}
	return false
}
