package fold

import "github.com/ringback/ringback/pkg/callback"

// requested derives what is known of the request and of the queue it waits in.
func (s *session) requested(r *Result) {
	v := &r.KVPs
	request := s.last(requested)
	setStr(v, callback.KeyDimType, s.data(request).CallbackType, request)
	for i := request; i >= 0; i = s.prev(i, requested) {
		d := &s.events[i].Data
		if !v[callback.KeyCustomerPhoneNumber].Set {
			setStr(v, callback.KeyCustomerPhoneNumber, d.CustomerNumber, i)
		}
		if r.ServiceName == nil {
			r.ServiceName = d.ServiceName
		}
		if r.MediaType == nil {
			r.MediaType = d.MediaType
		}
	}
	s.virtualQueue(v)
}

// virtualQueue derives the four KVPs of the queue used to find the agent: the last
// one named before the last attempt, else THE OFFER's. All come from one event.
func (s *session) virtualQueue(v *callback.KVPs) {
	const naming = requested | queued | agentRequested
	end := s.lastStart
	if end < 0 {
		end = len(s.events)
	}
	i := s.prev(end, naming)
	for i >= 0 && s.events[i].Data.VirtualQueue == nil {
		i = s.prev(i, naming)
	}
	if i < 0 {
		i = s.offer
	}
	if q := s.data(i).VirtualQueue; q != nil {
		v.SetStr(callback.KeyDimVQ, q.Name, i)
		setInt(v, callback.KeyDimVQDBID, q.DBID, i)
		setInt(v, callback.KeyVQCfgTypeID, q.CfgTypeID, i)
		setStr(v, callback.KeyVQCfgType, q.CfgType, i)
	}
}

// waiting derives the offline wait and what was known when the contact center was
// ready to start the first interaction.
func (s *session) waiting(r *Result) {
	v := &r.KVPs
	ready, start := s.first(readyToStartMedia), s.first(attemptStarted)

	// Set once, before the first attempt; never moved by a later one.
	if start >= 0 {
		s.setTime(v, callback.KeyTReadyToStartMediaIxn, start)
	} else {
		s.setTime(v, callback.KeyTReadyToStartMediaIxn, ready)
	}
	setInt(v, callback.KeyEWTWhenReadyToStartMediaIxn, s.data(start).EWT, start)
	setInt(v, callback.KeyEWTWhenReadyToStartMediaIxn, s.data(ready).EWT, ready)
	setInt(v, callback.KeyPosWhenReadyToStartMediaIxn, s.data(start).Position, start)
	setInt(v, callback.KeyPosWhenReadyToStartMediaIxn, s.data(ready).Position, ready)

	ignoring := s.data(ready).IgnoringAvailability
	switch {
	case ignoring == nil:
		v.SetInt(callback.KeyIxnStartIgnoringAvailability, 0, none)
	case *ignoring:
		v.SetInt(callback.KeyIxnStartIgnoringAvailability, 1, ready)
	default:
		v.SetInt(callback.KeyIxnStartIgnoringAvailability, 0, ready)
	}

	accepted := v[callback.KeyTCallbackAccepted]
	end := s.first(readyToStartMedia | attemptStarted | customerConnected)
	if s.terminal >= 0 && (end < 0 || s.terminal < end) {
		end = s.terminal
	}
	if !accepted.Set || end < 0 {
		return
	}
	from := accepted.Int
	if i := s.desired(end); i >= 0 {
		from = max(from, s.events[i].Data.DesiredTime.Seconds())
	}
	v.SetInt(callback.KeyDWaitingForAgentOffline, max(0, s.t(end)-from), end)
}
