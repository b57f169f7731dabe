package fold

import (
	"cmp"
	"strings"

	"github.com/ringback/ringback/pkg/callback"
)

type state uint8

const (
	stateScheduled state = iota
	stateQueued
	stateRouting
	stateProcessing
	stateCompleted
)

var states = [...]string{"SCHEDULED", "QUEUED", "ROUTING", "PROCESSING", "COMPLETED"}

type reason uint8

const (
	noReason reason = iota
	reasonRedialLimitReached
	reasonCancelled
	reasonAgent
	reasonAbandonedInQueue
	reasonRejected
	reasonPushSend
	reasonPushDeliveryConfirmed
	reasonPushSendError
	reasonFailed
	reasonConnected
	reasonTransferredToRP
)

var reasons = [...]string{"", "REDIAL_LIMIT_REACHED", "CANCELLED", "AGENT", "ABANDONED_IN_QUEUE", "REJECTED", "PUSH_SEND",
	"PUSH_DELIVERY_CONFIRMED", "PUSH_SEND_ERROR", "FAILED", "CONNECTED", "TRANSFERRED_TO_RP"}

// dispositions are made once: a fold puts none together, except one that an agent gave.
var dispositions = func() (all [len(states)][len(reasons)]string) {
	for s, state := range states {
		all[s][noReason] = state
		for r := 1; r < len(reasons); r++ {
			all[s][r] = state + "." + reasons[r]
		}
	}
	return all
}()

// disposition derives _CB_DISPOSITION: the one given with a completed, else the
// state with the first reason that applies, else the state alone.
func (s *session) disposition(r *Result, o Options, timedOut bool) {
	v := &r.KVPs
	for i := s.last(completed); i >= 0; i = s.prev(i, completed) {
		// An empty disposition says as little as the bare word of a state.
		if given := s.events[i].Data.Disposition; given != nil && *given != "" && !isState(*given) {
			v.SetStr(callback.KeyDisposition, withState(*given), i)
			return
		}
	}
	state, by := s.state()
	reason, because := s.reason(o, timedOut)
	if reason != noReason {
		by = because
	}
	v.SetStr(callback.KeyDisposition, dispositions[state][reason], by)
}

func isState(word string) bool {
	for _, state := range states {
		if word == state {
			return true
		}
	}
	return false
}

// withState puts COMPLETED before a disposition that does not begin with a state and a dot.
func withState(given string) string {
	for _, state := range states {
		if rest, ok := strings.CutPrefix(given, state); ok && strings.HasPrefix(rest, ".") {
			return given
		}
	}
	return states[stateCompleted] + "." + given
}

// state is the session's state after its last event, and the event that led to it.
func (s *session) state() (state, int) {
	if s.terminal >= 0 {
		return stateCompleted, s.terminal // whatever else follows
	}
	const (
		scheduling = scheduled | rescheduled
		queueing   = offered | offerAccepted | queued | readyToStartMedia | snoozed
		routing    = customerConnected | agentRequested | agentTransferFailed
	)
	i := s.last(scheduling | queueing | requested | routing | agentConnected)
	if i < 0 {
		return stateQueued, none
	}
	switch k := s.kind(i); {
	case k&scheduling != 0, k == requested && s.events[i].Data.DesiredTime != nil:
		return stateScheduled, i
	case k&routing != 0:
		return stateRouting, i
	case k == agentConnected:
		return stateProcessing, i
	default:
		return stateQueued, i
	}
}

// reason is the first reason that applies, and the event it comes from; that of a
// time-out comes from none.
func (s *session) reason(o Options, timedOut bool) (reason, int) {
	if s.terminal >= 0 {
		switch s.kind(s.terminal) {
		case cancelled:
			return reasonCancelled, s.terminal
		case offerRejected:
			return reasonRejected, s.terminal
		case offerAbandoned:
			return reasonAbandonedInQueue, s.terminal
		}
	}
	last := s.lastStart
	if c := s.last(customerConnected); c > last {
		return s.reasonConnected(c)
	}
	if last >= 0 {
		if why, by := s.reasonAttempted(last, o); why != noReason {
			return why, by
		}
	}
	if done := s.first(completed); done >= 0 {
		return reasonFailed, done
	}
	if timedOut {
		return reasonFailed, none
	}
	return noReason, none
}

// reasonConnected is why it ended as it did once the customer was connected; c is
// the last customer_connected, and no attempt follows it.
func (s *session) reasonConnected(c int) (reason, int) {
	if dialog := s.last(dialogEnded); dialog > c {
		switch result := s.events[dialog].Data.Result; {
		case is(result, reasons[reasonTransferredToRP]):
			return reasonTransferredToRP, dialog
		case is(result, reasons[reasonCancelled]), is(result, resultCancel):
			return reasonCancelled, dialog
		}
	}
	if a := s.agentWith(c); a >= 0 {
		return reasonAgent, a
	}
	if i := s.next(c, waitTimedOut); i >= 0 {
		return reasonFailed, i
	}
	if i := s.next(c, customerAbandoned); i >= 0 {
		return reasonAbandonedInQueue, i
	}
	return reasonConnected, c
}

// reasonAttempted is why it ended as it did after the last attempt, which nobody joined.
func (s *session) reasonAttempted(last int, o Options) (reason, int) {
	by := s.outcome.by
	if by >= 0 {
		switch s.outcome.result {
		case resultConnected, resultPerson, resultUserOriginated:
			return reasonConnected, by
		case resultMediaNotEstablished:
			return reasonFailed, by
		case resultCancel:
			return reasonCancelled, by
		}
	}
	if is(s.events[last].Data.Kind, kindPush) {
		switch {
		case by < 0:
			return reasonPushSend, last
		case s.outcome.result == resultPushDeliveryConfirmed:
			return reasonPushDeliveryConfirmed, by
		case s.outcome.result == resultPushSendError:
			return reasonPushSendError, by
		}
		return reasonPushSend, by
	}
	if done := s.first(completed); done >= 0 && int64(s.attempts) >= s.maxAttempts(o) {
		return reasonRedialLimitReached, done
	}
	return noReason, none
}

func (s *session) maxAttempts(o Options) int64 {
	for i := s.last(requested); i >= 0; i = s.prev(i, requested) {
		if n := s.events[i].Data.MaxAttempts; n != nil {
			return *n
		}
	}
	return cmp.Or(o.MaxAttempts, DefaultMaxAttempts)
}
