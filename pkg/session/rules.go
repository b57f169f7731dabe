package session

import (
	"cmp"
	"time"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fold"
)

// maxWake caps how far ahead a desired time or a next attempt holds off the time-out.
const maxWake = 400 * 24 * time.Hour

// Rules are the enricher's settings. The zero value of a duration or limit takes the default given.
type Rules struct {
	Fold       fold.Options
	Settle     time.Duration // without news before a correction is sent; 5 s
	OfferGrace time.Duration // without news before a declined offer ends the session; 10 min
	Timeout    time.Duration // without news before an open session has failed; 26 h
	Retention  time.Duration // after FINAL before the state shrinks to a marker; 48 h
	Marker     time.Duration // after that before the marker goes; as long as the lifecycle topic keeps records, 435 days
	MaxEvents  int           // events a session may have; 1,000
	MaxBytes   int           // their size; 256 KiB

	partition int32 // of the lifecycle topic
	room      *room
}

// WithDefaults fills what is zero.
func (r Rules) WithDefaults() Rules {
	r.Fold.MaxAttempts = cmp.Or(r.Fold.MaxAttempts, fold.DefaultMaxAttempts)
	r.Settle = cmp.Or(r.Settle, 5*time.Second)
	r.OfferGrace = cmp.Or(r.OfferGrace, 10*time.Minute)
	r.Timeout = cmp.Or(r.Timeout, 26*time.Hour)
	r.Retention = cmp.Or(r.Retention, 48*time.Hour)
	r.Marker = cmp.Or(r.Marker, 435*24*time.Hour)
	r.MaxEvents = cmp.Or(r.MaxEvents, 1000)
	r.MaxBytes = cmp.Or(r.MaxBytes, 256<<10)
	return r
}

// Outputs is what became due, in order.
type Outputs struct {
	UserEvents []Due[callback.UserEvent]
	Attached   []Due[callback.AttachedData]
	// IgnoredParameters counts request parameters of the wrong type in what was folded for a START.
	IgnoredParameters int
	// Ended has for each FINAL its terminal event, empty where the session timed out.
	Ended []callback.Type
}

// Due is something that became due, and the timestamp of the record that made it so.
type Due[T any] struct {
	What T
	At   int64 // milliseconds
	// Event is the offset of the session's own event that made it due; -1 where a deadline did.
	Event int64
}

// Verdict says how an event ended.
type Verdict int

// The verdicts; an event that is refused has a *callback.BadRecord instead.
const (
	AppliedNow Verdict = iota
	AlreadyApplied
)

// Apply takes one lifecycle event into the session, and adds to out what that makes due. arrival is its record's
// timestamp, clock the partition's clock after it. A *callback.BadRecord says why it
// is dead-lettered (CONFLICT, LATE, TOO_LARGE); the state is then unchanged. Any
// other error is a bug.
func (r *Rules) Apply(s *State, e *callback.Event, offset, arrival, clock int64, out *Outputs) (Verdict, error) {
	if s.Closed() {
		return 0, callback.Bad(callback.ReasonLate, "event %q of %q: the session was closed %s after its FINAL, and its events are gone", e.ID, e.Source, r.Retention)
	}
	for i := range s.Events {
		known := &s.Events[i]
		if known.ID != e.ID || known.Source != e.Source {
			continue
		}
		same, err := s.same(known, e)
		if err != nil {
			return 0, err
		}
		if same {
			return AlreadyApplied, nil // invariant 3: a duplicate is no news
		}
		return 0, callback.Bad(callback.ReasonConflict, "event %q of %q came before with other content, at offset %d; the first stays", e.ID, e.Source, known.Offset)
	}
	if len(s.Events) >= r.MaxEvents {
		return 0, callback.Bad(callback.ReasonTooLarge, "event %q of %q: the session has its limit of %d events", e.ID, e.Source, r.MaxEvents)
	}
	before := *s
	s.add(e, offset)
	if n := s.size(); n > r.MaxBytes {
		clear(s.Events[len(s.Events)-1:]) // its memory is kept longer than the state
		*s = before
		return 0, callback.Bad(callback.ReasonTooLarge, "event %q of %q: the session would hold %d bytes, its limit is %d", e.ID, e.Source, n, r.MaxBytes)
	}
	s.LastNews = max(s.LastNews, arrival) // the clocks of several producers may differ
	s.TimedOut = false                    // an event applied later revokes a time-out
	s.Dirty = s.Final
	w := work{rules: r, state: s, clock: clock, at: arrival, event: offset, out: out, news: e.Type}
	if err := w.wake(e.Type); err != nil {
		return 0, err
	}
	return AppliedNow, w.run()
}

// Due makes what the clock has made due. at is the timestamp of the record that
// moved the clock. flush makes settle and offer-grace deadlines due whatever the
// clock says; time-outs and retention never.
func (r *Rules) Due(s *State, clock, at int64, flush bool, out *Outputs) error {
	w := work{rules: r, state: s, clock: clock, at: at, event: -1, flush: flush, out: out}
	return w.run()
}

// Gone reports whether the marker itself has outlived the lifecycle topic's records.
func (r *Rules) Gone(s *State, clock int64) bool {
	return s.Closed() && clock >= s.ClosedAt+r.Marker.Milliseconds()
}
