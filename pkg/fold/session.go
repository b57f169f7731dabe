package fold

import "github.com/ringback/ringback/pkg/callback"

// none is the index of no event.
const none = -1

// silent is the data of no event.
var silent callback.Data

// Room for most sessions: a fold of one allocates nothing.
const (
	manyEvents   = 128
	manyAttempts = 32
)

// session is a session's events in fold order, read once, so that a rule can ask
// for the types that it names.
type session struct {
	events []callback.Event
	room   [manyEvents]kind // of each event, unless there are more
	more   []kind           // then here
	all    kind             // the kinds there are

	attempts  int                 // number of attempt_started
	starts    [manyAttempts]int32 // the first of them: attempt n is at n-1
	lastStart int                 // the last attempt_started
	// byIxn is the last attempt of an ixn_id, where a session has so many attempts
	// that looking through them for each attempt_ended would be quadratic.
	byIxn   map[string]int
	outcome outcome // of the last attempt

	offer    int // THE OFFER
	terminal int // THE terminal event
}

func (s *session) read(events []callback.Event) {
	s.events = events
	if len(events) > manyEvents {
		s.more = make([]kind, len(events))
	}
	s.lastStart = none
	kinds := s.kinds()
	for i := range events {
		k := kindOf(events[i].Type)
		kinds[i] = k
		s.all |= k
		if k == attemptStarted {
			if s.attempts < manyAttempts {
				s.starts[s.attempts] = int32(i)
			}
			s.attempts++
			s.lastStart = i
		}
	}
	s.offer = s.theOffer()
	s.terminal = s.theTerminal()
}

// kinds are the kinds of the events.
func (s *session) kinds() []kind {
	if s.more != nil {
		return s.more
	}
	return s.room[:len(s.events)]
}

// kind is the kind of event i.
func (s *session) kind(i int) kind { return s.kinds()[i] }

// theOffer finds THE OFFER: the last offered before the first offer_accepted
// (without one: before the first requested); where none precedes it, or nothing was
// accepted, the last offered.
func (s *session) theOffer() int {
	taken := s.first(offerAccepted)
	if taken < 0 {
		taken = s.first(requested)
	}
	if i := s.prev(taken, offered); i >= 0 {
		return i
	}
	return s.last(offered)
}

// theTerminal finds THE terminal event: the first completed or cancelled; without
// one, the last offer_rejected or offer_abandoned, if no offered, offer_accepted or
// requested follows it: a caller may decline one offer and take the next.
func (s *session) theTerminal() int {
	if i := s.first(completed | cancelled); i >= 0 {
		return i
	}
	i := s.last(offerRejected | offerAbandoned)
	if i >= 0 && s.next(i, offered|offerAccepted|requested) >= 0 {
		return none
	}
	return i
}

// next returns the first event after i that is one of k, or none.
func (s *session) next(i int, k kind) int {
	if s.all&k == 0 {
		return none
	}
	kinds := s.kinds()
	for i++; i < len(kinds); i++ {
		if kinds[i]&k != 0 {
			return i
		}
	}
	return none
}

// prev returns the last event before i that is one of k, or none. Before none there is none.
func (s *session) prev(i int, k kind) int {
	if s.all&k == 0 {
		return none
	}
	kinds := s.kinds()
	for i--; i >= 0; i-- {
		if kinds[i]&k != 0 {
			return i
		}
	}
	return none
}

func (s *session) first(k kind) int { return s.next(none, k) }
func (s *session) last(k kind) int  { return s.prev(len(s.events), k) }

// count returns how many events are one of k.
func (s *session) count(k kind) (n int64) {
	if s.all&k == 0 {
		return 0
	}
	for _, have := range s.kinds() {
		if have&k != 0 {
			n++
		}
	}
	return n
}

// data is the data of event i; that of none is silent on everything.
func (s *session) data(i int) *callback.Data {
	if i < 0 {
		return &silent
	}
	return &s.events[i].Data
}

// t is the time of event i in UTC epoch seconds, rounded down.
func (s *session) t(i int) int64 { return s.events[i].Time.Seconds() }

// since is the duration from event a to event b in seconds, never below 0.
func (s *session) since(a, b int) int64 { return max(0, s.t(b)-s.t(a)) }

// desired is the last event before i that sets a desired_time.
func (s *session) desired(i int) int {
	const setters = requested | scheduled | rescheduled
	i = s.prev(i, setters)
	for i >= 0 && s.events[i].Data.DesiredTime == nil {
		i = s.prev(i, setters)
	}
	return i
}

// setTime sets k to the time of event by, if there is one.
func (s *session) setTime(v *callback.KVPs, k callback.KVP, by int) {
	if by >= 0 {
		v.SetInt(k, s.t(by), by)
	}
}

// setFlag sets k to 1 by an event, to 0 without one.
func setFlag(v *callback.KVPs, k callback.KVP, by int) {
	if by < 0 {
		v.SetInt(k, 0, none)
		return
	}
	v.SetInt(k, 1, by)
}

// setInt sets k where event by is not silent on it.
func setInt(v *callback.KVPs, k callback.KVP, n *int64, by int) {
	if n != nil {
		v.SetInt(k, *n, by)
	}
}

// setStr sets k where event by is not silent on it.
func setStr(v *callback.KVPs, k callback.KVP, text *string, by int) {
	if text != nil {
		v.SetStr(k, *text, by)
	}
}

func is(text *string, want string) bool { return text != nil && *text == want }

func seconds(n int64, by int) callback.Value {
	return callback.Value{Set: true, Int: n, By: int32(by)}
}
