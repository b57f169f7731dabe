// Package fold derives the KVPs of a callback session from the set of its lifecycle
// events. It is pure: the same set gives the same values, whatever the order of arrival.
package fold

import (
	"slices"

	"github.com/ringback/ringback/pkg/callback"
)

// DefaultMaxAttempts is the limit of media attempts where nobody names one.
const DefaultMaxAttempts = 3

// Options are the settings on which a derivation depends.
type Options struct {
	// ServiceStartRequest makes _CB_T_SERVICE_START the time of the request, not of the offer.
	ServiceStartRequest bool
	// MaxAttempts is the limit of media attempts where no callback.requested gives one;
	// 0 is DefaultMaxAttempts.
	MaxAttempts int64
}

// Result is what the events of a session say.
//
// Value.By is the index of the event that gave a value: for a duration the event
// that ended it, for a count the last one counted, for a flag of 1 the first that
// raised it, for an overridden value the request that carried the parameter. It is
// -1 where no event did, such as for the 0 of a count of none.
type Result struct {
	// KVPs has every KVP known; _CB_FINAL_RECORD is 0, the caller sets it.
	KVPs callback.KVPs
	// The columns of CALLBACK_FACT that no KVP fills; UTC epoch seconds, always set, 0 where there is no such time.
	DesiredTime             callback.Value
	PushDeliveryConfirmed   callback.Value
	CustomerReadyToStartIxn callback.Value

	ServiceName *string // of the last requested that has one
	MediaType   *string // of the last requested that has one
	// Terminal is the index of THE terminal event, -1 without one.
	Terminal int
	// IgnoredParameters counts _cb_* parameters that are not of their KVP's type.
	IgnoredParameters int
}

// Sort puts events in fold order.
func Sort(events []callback.Event) {
	slices.SortFunc(events, func(a, b callback.Event) int { return callback.Compare(&a, &b) })
}

// Session derives what events say. They are the events of one session, each
// (source, id) once, in fold order (see Sort); they are only read, and the strings
// of the Result are theirs.
//
// With timedOut the session is one that ended because no news came. It counts only
// where there is no terminal event: an event that came after all revokes it.
func Session(events []callback.Event, o Options, timedOut bool) (r Result) {
	var s session
	s.read(events)
	timedOut = timedOut && s.terminal < 0
	r.Terminal = s.terminal

	s.service(&r, o, timedOut)
	s.offered(&r)
	s.accepted(&r)
	// Rules further down that name a KVP mean its value after overriding.
	s.override(&r)

	s.requested(&r)
	s.waiting(&r)
	s.dialled(&r)
	s.connected(&r)
	s.agent(&r)
	s.disposition(&r, o, timedOut)
	s.columns(&r)
	return r
}

// service derives what concerns the session as a whole.
func (s *session) service(r *Result, o Options, timedOut bool) {
	v := &r.KVPs
	// Whether a UserEvent is the final one is for its sender to say.
	v.SetInt(callback.KeyFinalRecord, 0, none)
	if len(s.events) == 0 {
		return
	}
	v.SetStr(callback.KeyServiceID, s.events[0].Subject, 0)
	for i := range s.events {
		if id := s.events[i].TenantDBID; id != nil {
			v.SetInt(callback.KeyTenantDBID, *id, i)
			break
		}
	}
	for i := len(s.events) - 1; i >= 0; i-- {
		if id := s.events[i].ORSSessionID; id != nil {
			v.SetStr(callback.KeyORSSessionID, *id, i)
			break
		}
	}

	start, other := s.first(offered), s.first(requested)
	if o.ServiceStartRequest {
		start, other = other, start
	}
	if start < 0 {
		start = other
	}
	s.setTime(v, callback.KeyTServiceStart, start)

	end := s.terminal
	if timedOut {
		end = len(s.events) - 1
	}
	s.setTime(v, callback.KeyTServiceEnd, end)
}

// columns derives the columns of CALLBACK_FACT that no KVP fills.
func (s *session) columns(r *Result) {
	r.DesiredTime = seconds(0, none)
	r.PushDeliveryConfirmed = seconds(0, none)
	r.CustomerReadyToStartIxn = seconds(0, none)

	if i := s.desired(len(s.events)); i >= 0 {
		r.DesiredTime = seconds(s.events[i].Data.DesiredTime.Seconds(), i)
	} else if accepted := r.KVPs[callback.KeyTCallbackAccepted]; accepted.Set {
		r.DesiredTime = accepted
	}
	for i := s.last(attemptEnded); i >= 0; i = s.prev(i, attemptEnded) {
		if is(s.events[i].Data.Result, resultPushDeliveryConfirmed) {
			r.PushDeliveryConfirmed = seconds(s.t(i), i)
			break
		}
	}
	if i := s.first(customerConnected); i >= 0 && r.KVPs[callback.KeyDimCallDirection].Str == customerOriginated {
		r.CustomerReadyToStartIxn = seconds(s.t(i), i)
	}
}
