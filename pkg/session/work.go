package session

import (
	"slices"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fold"
)

// work is one evaluation of a session: after news, or because the clock moved.
type work struct {
	rules *Rules
	state *State
	clock int64 // the partition's clock
	at    int64 // timestamp of the record that is being read
	event int64 // offset of the session's own event; -1 where a deadline is being looked at
	flush bool
	news  callback.Type // type of the event just applied; empty without one
	out   *Outputs

	started bool // START was sent in this evaluation
	folded  *folded
}

// room is where the events of an evaluation are put in order and folded, for one after another.
type room struct {
	events []callback.Event
	order  []int
	folded folded
}

// folded is the session's events in fold order, in the partition's room, and what they say.
type folded struct {
	events []callback.Event
	order  []int // index into State.Events of each
	fold.Result
	missing bool // a mandatory KVP is absent
}

func (w *work) run() error {
	s := w.state
	if s.Closed() {
		s.DueAt, s.Pending = s.ClosedAt+w.rules.Marker.Milliseconds(), false
		return nil
	}
	// Each step may make the next one due (a correction that takes the FINAL away
	// starts the time-out anew), so go on until none is.
	for again := true; again; {
		var err error
		if again, err = w.step(); err != nil {
			return err
		}
	}
	if s.Closed() {
		return nil
	}
	return w.attach()
}

// step does the one thing that is due, or sets the deadline of the next.
func (w *work) step() (again bool, err error) {
	s := w.state
	if !s.Started && s.has(callback.OfferAccepted, callback.Requested) {
		f, err := w.fold()
		if err != nil {
			return false, err
		}
		if !f.missing {
			w.start(f)
			return true, nil
		}
	}
	switch {
	case !s.Final:
		return w.ending()
	case s.Dirty:
		return w.correction()
	default:
		closeAt := s.FinalAt + w.rules.Retention.Milliseconds()
		if w.clock < closeAt {
			s.DueAt, s.Pending = closeAt, false
			return false, nil
		}
		w.close()
		return false, nil
	}
}

// ending sends the FINAL of a session that has ended or timed out.
func (w *work) ending() (again bool, err error) {
	s, r := w.state, w.rules
	if s.has(callback.Completed, callback.Cancelled, callback.OfferRejected, callback.OfferAbandoned) {
		f, err := w.fold()
		if err != nil {
			return false, err
		}
		if f.Terminal >= 0 {
			var due int64
			declined := f.events[f.Terminal].Type == callback.OfferRejected || f.events[f.Terminal].Type == callback.OfferAbandoned
			if declined && !s.has(callback.InboundCallEnded) {
				due = s.LastNews + r.OfferGrace.Milliseconds() // the caller may be offered again
			}
			if f.missing {
				due = max(due, s.LastNews+r.Settle.Milliseconds())
			}
			if w.clock < due && !w.flush {
				s.DueAt, s.Pending = due, true
				return false, nil
			}
			w.final(f, callback.CauseFinal)
			return true, nil
		}
	}
	timeout := max(s.LastNews, s.WakeAt) + r.Timeout.Milliseconds()
	if w.clock < timeout {
		s.DueAt, s.Pending = timeout, false
		return false, nil
	}
	s.TimedOut, w.folded = true, nil
	f, err := w.fold()
	if err != nil {
		return false, err
	}
	w.final(f, callback.CauseTimeout)
	return true, nil
}

// correction sends what news after FINAL has changed, once there has been none for the settle time.
func (w *work) correction() (again bool, err error) {
	s := w.state
	due := s.LastNews + w.rules.Settle.Milliseconds()
	if w.clock < due && !w.flush {
		s.DueAt, s.Pending = due, true
		return false, nil
	}
	f, err := w.fold()
	if err != nil {
		return false, err
	}
	s.Dirty = false
	ended := f.Terminal >= 0 || s.TimedOut
	if f.digest(ended) == s.SentDigest {
		return true, nil
	}
	if !ended {
		// The terminal event was taken away: the session is open again.
		w.send(f, callback.CauseCorrection, false)
		return true, nil
	}
	w.final(f, callback.CauseCorrection)
	return true, nil
}

func (w *work) start(f *folded) {
	w.state.Started, w.started = true, true
	w.out.IgnoredParameters += f.IgnoredParameters
	w.send(f, callback.CauseStart, false)
}

// final sends a FINAL, and before it a START that was not sent yet but can be.
func (w *work) final(f *folded, cause callback.Cause) {
	if !w.state.Started && !f.missing {
		w.start(f)
	}
	w.send(f, cause, true)
	w.state.Dirty = false
	switch cause {
	case callback.CauseFinal:
		w.out.Ended = append(w.out.Ended, f.events[f.Terminal].Type)
	case callback.CauseTimeout:
		w.out.Ended = append(w.out.Ended, "")
	}
}

// close shrinks the state to its marker.
func (w *work) close() {
	s := w.state
	*s = State{ServiceID: s.ServiceID, NextSequence: s.NextSequence, ClosedAt: max(w.clock, 1)}
	s.DueAt = s.ClosedAt + w.rules.Marker.Milliseconds()
}

func (w *work) fold() (*folded, error) {
	if w.folded != nil {
		return w.folded, nil
	}
	s := w.state
	room := w.rules.room
	room.events, room.order = slices.Grow(room.events[:0], len(s.Events)), slices.Grow(room.order[:0], len(s.Events))
	f := &room.folded
	f.events, f.order, f.missing = room.events[:len(s.Events)], room.order[:len(s.Events)], false
	for i := range s.Events {
		if _, err := s.full(&s.Events[i]); err != nil {
			return nil, err
		}
		f.order[i] = i
	}
	slices.SortFunc(f.order, func(a, b int) int { return callback.Compare(s.Events[a].event, s.Events[b].event) })
	for i, o := range f.order {
		f.events[i] = *s.Events[o].event
	}
	f.Result = fold.Session(f.events, w.rules.Fold, s.TimedOut)
	for _, k := range callback.Mandatory() {
		f.missing = f.missing || !f.KVPs[k].Set
	}
	w.folded = f
	return f, nil
}

// wake keeps when the session wants to be called: a time-out waits for it.
func (w *work) wake(news callback.Type) error {
	switch news {
	case callback.Requested, callback.Scheduled, callback.Rescheduled, callback.Snoozed:
	default:
		return nil
	}
	s := w.state
	var desired, next *callback.Event
	for i := range s.Events {
		a := &s.Events[i]
		switch a.Type {
		case callback.Requested, callback.Scheduled, callback.Rescheduled:
			e, err := s.full(a)
			if err != nil {
				return err
			}
			if e.Data.DesiredTime != nil && (desired == nil || callback.Compare(desired, e) < 0) {
				desired = e
			}
		case callback.Snoozed:
			e, err := s.full(a)
			if err != nil {
				return err
			}
			if e.Data.NextAttemptAt != nil && (next == nil || callback.Compare(next, e) < 0) {
				next = e
			}
		}
	}
	s.WakeAt = 0
	if desired != nil {
		s.WakeAt = int64(*desired.Data.DesiredTime) / 1000
	}
	if next != nil {
		s.WakeAt = max(s.WakeAt, int64(*next.Data.NextAttemptAt)/1000)
	}
	s.WakeAt = min(s.WakeAt, s.LastNews+maxWake.Milliseconds())
	return nil
}
