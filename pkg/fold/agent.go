package fold

import "github.com/ringback/ringback/pkg/callback"

const (
	customerFirst      = "CUSTOMER_FIRST"
	customerOriginated = "CUSTOMER_ORIGINATED"
	customerTerminated = "CUSTOMER_TERMINATED"
)

// agentWith returns the last agent_connected that is together with customer_connected
// c, or none. They are together when c comes first and no attempt_started lies
// between them, or when the agent does and at most one lies between them.
func (s *session) agentWith(c int) int {
	end := s.next(c, attemptStarted)
	if end < 0 {
		end = len(s.events)
	}
	if a := s.prev(end, agentConnected); a > c {
		return a
	}
	return s.agentBefore(c)
}

// agentBefore returns the last agent_connected before customer_connected c that is
// together with it (agent first), or none. The last one before c has the fewest
// attempts in between, so if it is not together with c, none before it is.
func (s *session) agentBefore(c int) int {
	second := s.prev(s.prev(c, attemptStarted), attemptStarted)
	if a := s.prev(c, agentConnected); a > second {
		return a
	}
	return none
}

// agentAdded returns the first agent_connected found together with a customer_connected, or none.
func (s *session) agentAdded() int {
	if s.all&agentConnected == 0 || s.all&customerConnected == 0 {
		return none
	}
	online := false         // a customer is connected, with no attempt since
	agent, since := none, 0 // the last agent, and the attempts since
	for i, k := range s.kinds() {
		switch k {
		case attemptStarted:
			online = false
			since++
		case agentConnected:
			if online {
				return i
			}
			agent, since = i, 0
		case customerConnected:
			if agent >= 0 && since <= 1 {
				return agent
			}
			online = true
		}
	}
	return none
}

// connected derives what is known of the customer's connection.
func (s *session) connected(r *Result) {
	v := &r.KVPs
	c := s.last(customerConnected)
	s.setTime(v, callback.KeyTCustomerConnected, c)
	setInt(v, callback.KeyPriorityWhenCustomerConnected, s.data(c).Priority, c)
	s.callDirection(v, c)
	dialog := s.last(dialogEnded)
	setStr(v, callback.KeyDimDialDialogResult, s.data(dialog).Result, dialog)
	if c < 0 {
		return
	}

	// An attempt has a customer_connected after it exactly if it starts before the last one.
	if start := s.prev(c, attemptStarted); start >= 0 {
		end := s.next(start, customerConnected)
		v.SetInt(callback.KeyDEstablishMediaIxn, s.since(start, end), end)
	}

	if a := s.agentBefore(c); a >= 0 {
		v.SetInt(callback.KeyDCustomerConnectedWaitingForAgent, 0, a)
		return
	}
	end := s.next(c, agentConnected|customerAbandoned|waitTimedOut|attemptStarted)
	if end >= 0 && s.kind(end) != attemptStarted {
		v.SetInt(callback.KeyDCustomerConnectedWaitingForAgent, s.since(c, end), end)
	}
}

// callDirection derives the direction of the final interaction; c is the last customer_connected.
func (s *session) callDirection(v *callback.KVPs, c int) {
	const k = callback.KeyDimCallDirection
	start := s.lastStart
	switch kind := s.data(start).Kind; {
	case s.data(c).CallDirection != nil:
		v.SetStr(k, *s.data(c).CallDirection, c)
	case is(kind, kindCall):
		v.SetStr(k, customerTerminated, start)
	case is(kind, kindPush):
		v.SetStr(k, customerOriginated, start)
	case c >= 0:
		v.SetStr(k, customerOriginated, c)
	default:
		for i := s.last(requested); i >= 0 && !v[k].Set; i = s.prev(i, requested) {
			setStr(v, k, s.events[i].Data.CallDirection, i)
		}
	}
}

// agent derives what is known of the agent and of the wait for one.
func (s *session) agent(r *Result) {
	v := &r.KVPs
	added := s.agentAdded()
	setFlag(v, callback.KeyNAgentAddedToIxn, added)
	setFlag(v, callback.KeyNCustomerAbandonedWhileWaitingForAgent, s.first(customerAbandoned))
	setFlag(v, callback.KeyNTimeoutWhileWaitingForAgent, s.first(waitTimedOut))
	v.SetInt(callback.KeyNTransferToAgentFailed, s.count(agentTransferFailed), s.last(agentTransferFailed))

	needed := none
	if c := s.first(customerConnected); c >= 0 {
		needed = s.next(c, agentRequested|agentTransferFailed|customerAbandoned|waitTimedOut)
		if added >= 0 && (needed < 0 || added < needed) {
			needed = added
		}
	}
	setFlag(v, callback.KeyNIxnReqAgent, needed)

	end := s.last(agentConnected | customerAbandoned)
	setInt(v, callback.KeyPriorityAtTheEndOfOnlineWait, s.data(end).Priority, end)

	const naming = agentRequested | agentConnected
	for i := s.last(naming); i >= 0; i = s.prev(i, naming) {
		if target := s.events[i].Data.Target; target != nil {
			v.SetStr(callback.KeyDimFinalTarget, *target, i)
			break
		}
	}
	s.connectOrder(v)
}

func (s *session) connectOrder(v *callback.KVPs) {
	const k = callback.KeyDimConnectOrder
	c := s.last(customerConnected)
	if c < 0 {
		return
	}
	if a := s.agentWith(c); a >= 0 {
		if a > c {
			v.SetStr(k, customerFirst, a)
		}
		setStr(v, k, s.events[a].Data.ConnectOrder, a)
		return
	}
	// The customer came, and went before there was an agent.
	if gone := s.next(c, customerAbandoned|waitTimedOut); gone >= 0 {
		v.SetStr(k, customerFirst, gone)
	}
}
