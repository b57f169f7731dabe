package session

import (
	"github.com/ringback/ringback/pkg/callback"
)

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

	// The encoding of the events, which only grows at its end: each refers to the texts by
	// number, and to the one before it.
	texts      []string
	textBytes  int
	body       string // of the events that were read back
	fresh      []byte // of those added since
	draft      []byte // room for the data of one that is being added
	lastTime   callback.Micros
	lastOffset int64
}

// New returns the state of a session that has had no event.
func New(serviceID string) *State {
	return &State{ServiceID: serviceID, NextSequence: 1}
}

// reset makes it the state of another session that has had no event, in the memory that it has. The texts get memory of
// their own: the values of UserEvents that were sent point into it.
func (s *State) reset(serviceID string) {
	clear(s.Events)
	*s = State{ServiceID: serviceID, NextSequence: 1, ConnectedAttached: s.ConnectedAttached[:0], Events: s.Events[:0], fresh: s.fresh[:0], draft: s.draft[:0]}
}

// Closed reports whether only the marker of the session is left.
func (s *State) Closed() bool { return s.ClosedAt > 0 }

// size is what counts against the limit of bytes: the events, encoded, and 32 for each.
func (s *State) size() int {
	return len(s.body) + len(s.fresh) + s.textBytes + 32*len(s.Events)
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
