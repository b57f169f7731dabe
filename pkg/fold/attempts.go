package fold

import "github.com/ringback/ringback/pkg/callback"

// Values of attempt_started.kind, .result and of the KVPs made of them.
const (
	kindCall = "CALL"
	kindPush = "PUSH"

	resultCancel                = "CANCEL"
	resultConnected             = "CONNECTED"
	resultMediaNotEstablished   = "FAILED_TO_ESTABLISH_CUSTOMER_ORIGINATED_MEDIA"
	resultPerson                = "PERSON"
	resultPushDeliveryConfirmed = "PUSH_DELIVERY_CONFIRMED"
	resultPushSendError         = "PUSH_SEND_ERROR"
	resultUnknown               = "UNKNOWN"
	resultUserOriginated        = "USERORIGINATED_CONNECTED"
)

// dials is how many attempts have KVPs of their own.
const dials = 5

var (
	dialTimes = [dials]callback.KVP{callback.KeyTDial1, callback.KeyTDial2, callback.KeyTDial3,
		callback.KeyTDial4, callback.KeyTDial5}
	dialResults = [dials]callback.KVP{callback.KeyDial1Result, callback.KeyDial2Result, callback.KeyDial3Result,
		callback.KeyDial4Result, callback.KeyDial5Result}
)

// dialled derives what is known of the attempts to reach the customer.
func (s *session) dialled(r *Result) {
	v := &r.KVPs
	last := s.lastStart
	v.SetInt(callback.KeyNCallbackMediaAttempts, int64(s.attempts), last)
	s.setTime(v, callback.KeyTLastDialAttempt, last)

	outcomes := s.outcomes()
	s.outcome = noOutcome
	for n := range min(dials, s.attempts) {
		s.setTime(v, dialTimes[n], int(s.starts[n]))
		if o := outcomes[n]; o.by >= 0 {
			v.SetStr(dialResults[n], o.result, o.by)
		}
	}
	if last >= 0 {
		s.outcome = outcomes[slot(s.attempts, s.attempts)]
		if s.outcome.by >= 0 {
			v.SetStr(callback.KeyDimFinalDialResult, s.outcome.result, s.outcome.by)
		} else {
			v.SetStr(callback.KeyDimFinalDialResult, resultUnknown, last)
		}
	}
	s.outbound(v)

	if last >= 0 {
		ready := s.prev(last, readyToStartMedia)
		if ready < s.prev(last, attemptStarted) {
			ready = none // that was for the attempt before
		}
		setInt(v, callback.KeyEWTWhenReadyToStartLastMediaIxn, s.data(ready).EWT, ready)
		setInt(v, callback.KeyEWTWhenReadyToStartLastMediaIxn, s.data(last).EWT, last)
		setInt(v, callback.KeyPosWhenReadyToStartLastMediaIxn, s.data(ready).Position, ready)
		setInt(v, callback.KeyPosWhenReadyToStartLastMediaIxn, s.data(last).Position, last)
	}

	setFlag(v, callback.KeyNIsSnoozed, s.first(snoozed))
	if i := s.last(snoozed); i > last {
		if at := s.events[i].Data.NextAttemptAt; at != nil {
			v.SetInt(callback.KeyTNextRedialAttempt, at.Seconds(), i)
		}
	}
}

// outbound derives the first and the last call that has an id.
func (s *session) outbound(v *callback.KVPs) {
	for i := s.first(attemptStarted); i >= 0; i = s.next(i, attemptStarted) {
		if d := s.data(i); is(d.Kind, kindCall) && d.IxnID != nil {
			v.SetStr(callback.KeyFirstOutIxnID, *d.IxnID, i)
			break
		}
	}
	for i := s.lastStart; i >= 0; i = s.prev(i, attemptStarted) {
		if d := s.data(i); is(d.Kind, kindCall) && d.IxnID != nil {
			v.SetStr(callback.KeyLastOutIxnID, *d.IxnID, i)
			break
		}
	}
}

// outcome is the result of an attempt, and the event that gave it; none where it has no result.
type outcome struct {
	result string
	by     int
}

var noOutcome = outcome{by: none}

// slot is where outcomes has attempt n of count: the first five and the last are
// kept, since no KVP asks for the others. It is none for those.
func slot(n, count int) int {
	switch {
	case n < 1:
		return none
	case n <= dials:
		return n - 1
	case n == count:
		return dials
	default:
		return none
	}
}

// outcomes finds the results of the first five attempts and of the last one (see slot).
func (s *session) outcomes() (found [dials + 1]outcome) {
	for i := range found {
		found[i] = noOutcome
	}
	open := min(s.attempts, dials+1)
	// Of the attempt_ended that belong to an attempt the last counts: the first one met from the end.
	before := s.attempts // how many attempts start before event i
	for i := s.last(attemptEnded | attemptStarted); i >= 0 && open > 0; i = s.prev(i, attemptEnded|attemptStarted) {
		if s.kind(i) == attemptStarted {
			before--
			continue
		}
		result := s.events[i].Data.Result
		if result == nil {
			continue
		}
		if at := slot(s.attemptOf(i, before), s.attempts); at >= 0 && found[at].by < 0 {
			found[at] = outcome{*result, i}
			open--
		}
	}
	for n := range min(dials, s.attempts) {
		if found[n].by < 0 {
			found[n] = s.joined(int(s.starts[n]))
		}
	}
	if s.attempts > dials && found[dials].by < 0 {
		found[dials] = s.joined(s.lastStart)
	}
	return found
}

// joined is the outcome of an attempt that nobody gave a result of: that the customer
// was connected before the next attempt, if so.
func (s *session) joined(start int) outcome {
	c := s.next(start, customerConnected|attemptStarted)
	if c < 0 || s.kind(c) != customerConnected {
		return noOutcome
	}
	switch kind := s.events[start].Data.Kind; {
	case is(kind, kindCall):
		return outcome{resultConnected, c}
	case is(kind, kindPush):
		return outcome{resultUserOriginated, c}
	default:
		return noOutcome
	}
}

// attemptOf returns the number of the attempt, from 1, that an attempt_ended belongs
// to, 0 for none: the one it numbers (none where there is no such attempt); else the
// last one that has its ixn_id; else the last one started before it.
func (s *session) attemptOf(ended, before int) int {
	d := s.data(ended)
	if d.Attempt != nil {
		if n := *d.Attempt; n >= 1 && n <= int64(s.attempts) {
			return int(n)
		}
		return 0
	}
	if d.IxnID != nil {
		if n := s.attemptWith(*d.IxnID); n > 0 {
			return n
		}
	}
	return before
}

// attemptWith returns the number of the last attempt that has that ixn_id, 0 where none has.
func (s *session) attemptWith(ixn string) int {
	if s.attempts <= manyAttempts {
		for n := s.attempts; n > 0; n-- {
			if is(s.data(int(s.starts[n-1])).IxnID, ixn) {
				return n
			}
		}
		return 0
	}
	if s.byIxn == nil {
		s.byIxn = make(map[string]int)
		n := 0
		for i := s.first(attemptStarted); i >= 0; i = s.next(i, attemptStarted) {
			n++
			if id := s.data(i).IxnID; id != nil {
				s.byIxn[*id] = n
			}
		}
	}
	return s.byIxn[ixn]
}
