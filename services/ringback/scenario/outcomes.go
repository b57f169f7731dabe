package scenario

import "time"

// outcomes are the ways a generated session can go, with how many in a hundred go
// so. Each returns the disposition that the session ends with.
var outcomes = []struct {
	percent int
	tell    func(*story) string
}{
	{27, (*story).reached},
	{8, (*story).scheduled},
	{5, (*story).agentFirst},
	{4, (*story).snoozed},
	{5, (*story).agentsReason},
	{8, (*story).declined},
	{4, (*story).offerAbandoned},
	{9, (*story).redialLimit},
	{6, (*story).cancelled},
	{5, (*story).abandonedWaiting},
	{2, (*story).waitTimedOut},
	{3, (*story).transferGaveUp},
	{2, (*story).transferredToRP},
	{2, (*story).wrongPerson},
	{4, (*story).pushAnswered},
	{2, (*story).pushUnconfirmed},
	{1, (*story).pushFailed},
	{1, (*story).mediaFailed},
	{2, (*story).chat},
}

// tell makes the session's events and returns its last disposition.
func (s *story) tell() string {
	draw := s.random.IntN(100)
	for _, outcome := range outcomes {
		if draw -= outcome.percent; draw < 0 {
			return outcome.tell(s)
		}
	}
	panic("scenario: the outcomes do not add up to a hundred")
}

func (s *story) offered() {
	s.add(ivr, "offered", "channel", "IVR", "offer_type", "WAIT_FOR_AGENT", "offer_timing", "ON-HOURS",
		"ewt", 60*s.between(3, 15), "position", s.between(3, 30), "ewt_threshold", 180, "inbound_vq_ewt", 60*s.between(3, 15),
		"waited_before_offer", s.between(10, 120), "customer_ani", s.phone, "origination_ixn_id", s.ixn(0),
		"virtual_queue", queue(s.site.inbound, s.site.dbid-1))
}

// request makes the session's request, after an offer in the queue more often than not.
func (s *story) request(typ string, more ...any) {
	inbound := typ == "WAIT_FOR_AGENT" && s.chance(60)
	if inbound {
		s.offered()
		s.wait(3, 20).add(ivr, "offer_accepted", "priority", s.between(0, 10))
		s.wait(1, 2)
	} else {
		more = append(more, "parameters", raw(`{"_cb_dim_channel":"WEB","_cb_dim_callback_offer_type":"`+typ+`","_cb_dim_offer_timing":"ON-HOURS"}`))
	}
	s.add(gms, "requested", append([]any{"callback_type", typ, "service_name", s.site.service, "customer_number", s.phone,
		"virtual_queue", s.virtualQueue(), "media_type", "voice", "max_attempts", 3}, more...)...)
	if inbound {
		s.wait(0, 5).add(ivr, "inbound_call_ended")
	}
	if typ != "SCHEDULED" {
		s.wait(0, 1).add(ors, "queued", "virtual_queue", s.virtualQueue())
	}
}

// dial starts an attempt and ends it; there is an interaction only for a call.
func (s *story) dial(result string) {
	s.attempt++
	s.add(ors, "attempt_started", "kind", "CALL", "ixn_id", s.ixn(s.attempt), "ewt", s.between(0, 60), "position", s.between(1, 3))
	s.wait(4, 30).add(ors, "attempt_ended", "result", result, "attempt", s.attempt, "ixn_id", s.ixn(s.attempt))
}

var unanswered = []string{"BUSY", "NO_ANSWER", "NO_ANSWER", "ANSWERING_MACHINE", "FAX", "ERROR_TONE"}

func (s *story) dialInVain() { s.dial(unanswered[s.random.IntN(len(unanswered))]) }

func (s *story) connected() {
	s.wait(0, 1).add(ors, "customer_connected", "call_direction", "CUSTOMER_TERMINATED", "ixn_id", s.ixn(s.attempt), "priority", s.between(0, 10))
}

// answered is a request whose customer is on the line at the end of it.
func (s *story) answered(typ string) {
	s.request(typ)
	s.wait(30, 400).add(ors, "ready_to_start_media", "ewt", s.between(0, 60), "position", s.between(1, 3))
	for s.attempt < 2 && s.chance(20) {
		s.wait(1, 3).dialInVain()
		s.wait(60, 300)
	}
	s.wait(1, 3).dial("CONNECTED")
	s.connected()
}

func (s *story) agent() {
	s.wait(2, 10).add(ors, "agent_requested", "target", s.target(), "virtual_queue", s.outboundQueue())
	for s.chance(6) {
		s.wait(5, 20).add(ors, "agent_transfer_failed", "target", s.target())
	}
	s.wait(2, 60).add(ors, "agent_connected", "target", s.target(), "connect_order", "CUSTOMER_FIRST", "priority", s.between(0, 10))
}

func (s *story) completed(data ...any) { s.wait(30, 600).add(gms, "completed", data...) }

func (s *story) reached() string {
	s.answered("WAIT_FOR_AGENT")
	if s.chance(50) {
		s.wait(4, 9).add(ors, "dialog_ended", "result", "RIGHT_PERSON")
	}
	s.agent()
	s.completed()
	return "COMPLETED.AGENT"
}

func (s *story) scheduled() string {
	desired := s.now + s.lasts(int64(s.between(20, 120))*60_000)
	at := raw(time.UnixMilli(desired).UTC().AppendFormat(nil, `"2006-01-02T15:04:05Z07:00"`))
	s.request("SCHEDULED", "desired_time", at)
	s.wait(1, 1).add(gms, "scheduled", "desired_time", at)
	s.now = desired
	s.wait(1, 90).add(ors, "queued", "virtual_queue", s.virtualQueue())
	s.wait(1, 30).dial("PERSON")
	s.connected()
	s.agent()
	s.completed()
	return "COMPLETED.AGENT"
}

func (s *story) agentFirst() string {
	order := "AGENT_FIRST_NO_PREVIEW"
	if s.chance(50) {
		order = "AGENT_FIRST_PREVIEW"
	}
	s.request("WAIT_FOR_AGENT")
	s.wait(30, 400).add(ors, "agent_requested", "target", s.target(), "virtual_queue", s.virtualQueue())
	s.wait(1, 5).add(ors, "agent_connected", "target", s.target(), "connect_order", order, "priority", s.between(0, 10))
	s.wait(1, 30).dial("CONNECTED")
	s.connected()
	s.completed()
	return "COMPLETED.AGENT"
}

func (s *story) snoozed() string {
	s.answered("WAIT_FOR_AGENT")
	s.wait(5, 20).add(ors, "dialog_ended", "result", "RESCHEDULED")
	at := time.UnixMilli(s.now + s.lasts(300_000)).UTC()
	s.wait(1, 1).add(ors, "snoozed", "next_attempt_at", at.Format(time.RFC3339Nano))
	s.wait(299, 305).dial("PERSON")
	s.connected()
	s.agent()
	s.completed()
	return "COMPLETED.AGENT"
}

var reasons = []string{"SOLD", "CALL_AGAIN", "NOT_INTERESTED"}

func (s *story) agentsReason() string {
	s.answered("IMMEDIATE")
	s.agent()
	reason := reasons[s.random.IntN(len(reasons))]
	s.completed("disposition", reason)
	return "COMPLETED." + reason
}

func (s *story) declined() string {
	s.id = s.ors // it was never requested, so the ORS session is all there is
	s.offered()
	s.wait(3, 15).add(ivr, "offer_rejected")
	s.wait(60, 900).add(ivr, "inbound_call_ended")
	return "COMPLETED.REJECTED"
}

func (s *story) offerAbandoned() string {
	s.id = s.ors
	s.offered()
	s.wait(1, 10).add(ivr, "offer_abandoned")
	s.add(ivr, "inbound_call_ended")
	return "COMPLETED.ABANDONED_IN_QUEUE"
}

func (s *story) redialLimit() string {
	s.request("WAIT_FOR_AGENT")
	s.wait(30, 400).add(ors, "ready_to_start_media", "ewt", s.between(0, 60), "position", s.between(1, 3))
	for range 3 {
		s.wait(60, 300).dialInVain()
	}
	s.wait(1, 1).add(gms, "completed")
	return "COMPLETED.REDIAL_LIMIT_REACHED"
}

func (s *story) cancelled() string {
	s.request("WAIT_FOR_AGENT")
	if s.chance(50) {
		s.wait(30, 300).dialInVain()
	}
	s.wait(30, 300).add(gms, "cancelled")
	return "COMPLETED.CANCELLED"
}

func (s *story) abandonedWaiting() string {
	s.answered("WAIT_FOR_AGENT")
	s.wait(2, 10).add(ors, "agent_requested", "target", s.target(), "virtual_queue", s.outboundQueue())
	s.wait(10, 200).add(ors, "customer_abandoned", "priority", s.between(0, 10))
	s.wait(0, 1).add(gms, "completed")
	return "COMPLETED.ABANDONED_IN_QUEUE"
}

func (s *story) waitTimedOut() string {
	s.answered("WAIT_FOR_AGENT")
	s.wait(2, 10).add(ors, "agent_requested", "target", s.target(), "virtual_queue", s.outboundQueue())
	s.wait(3600, 3600).add(ors, "wait_timed_out")
	s.wait(0, 1).add(gms, "completed")
	return "COMPLETED.FAILED"
}

func (s *story) transferGaveUp() string {
	s.answered("IMMEDIATE")
	for range 3 {
		s.wait(5, 20).add(ors, "agent_transfer_failed", "target", s.target())
	}
	s.wait(5, 20).add(ors, "customer_abandoned", "priority", s.between(0, 10))
	s.wait(0, 1).add(gms, "completed")
	return "COMPLETED.ABANDONED_IN_QUEUE"
}

func (s *story) transferredToRP() string {
	s.answered("IMMEDIATE")
	s.wait(5, 40).add(ors, "dialog_ended", "result", "TRANSFERRED_TO_RP")
	s.wait(0, 1).add(gms, "completed")
	return "COMPLETED.TRANSFERRED_TO_RP"
}

func (s *story) wrongPerson() string {
	s.answered("WAIT_FOR_AGENT")
	s.wait(5, 40).add(ors, "dialog_ended", "result", "PERSON")
	s.wait(0, 1).add(gms, "completed")
	return "COMPLETED.CONNECTED"
}

// push sends a push and reports on it.
func (s *story) push(result string) {
	s.attempt++
	s.add(ors, "attempt_started", "kind", "PUSH")
	s.wait(1, 6).add(ors, "attempt_ended", "result", result, "attempt", s.attempt)
}

func (s *story) pushAnswered() string {
	s.request("WAIT_FOR_AGENT", "call_direction", "CUSTOMER_ORIGINATED")
	s.wait(30, 400).push("PUSH_DELIVERY_CONFIRMED")
	s.wait(5, 120).add(ors, "customer_connected", "call_direction", "CUSTOMER_ORIGINATED", "ixn_id", s.ixn(s.attempt), "priority", s.between(0, 10))
	s.agent()
	s.completed()
	return "COMPLETED.AGENT"
}

func (s *story) pushUnconfirmed() string {
	s.request("WAIT_FOR_AGENT", "call_direction", "CUSTOMER_ORIGINATED")
	for range 3 {
		s.wait(30, 120).push("PUSH_DELIVERY_NOT_CONFIRMED")
	}
	s.completed()
	return "COMPLETED.PUSH_SEND"
}

func (s *story) pushFailed() string {
	s.request("IMMEDIATE", "call_direction", "CUSTOMER_ORIGINATED")
	s.wait(1, 5).push("PUSH_SEND_ERROR")
	s.wait(1, 1).add(gms, "completed")
	return "COMPLETED.PUSH_SEND_ERROR"
}

func (s *story) mediaFailed() string {
	s.request("WAIT_FOR_AGENT", "call_direction", "CUSTOMER_ORIGINATED")
	s.wait(30, 400).push("PUSH_DELIVERY_CONFIRMED")
	s.wait(60, 60).add(app, "attempt_ended", "result", "FAILED_TO_ESTABLISH_CUSTOMER_ORIGINATED_MEDIA", "attempt", s.attempt)
	s.wait(1, 1).add(gms, "completed")
	return "COMPLETED.FAILED"
}

func (s *story) chat() string {
	s.add(gms, "requested", "callback_type", "WAIT_FOR_AGENT", "service_name", "chat", "customer_number", s.phone,
		"virtual_queue", queue("VQ_Callback_Chat", 1291), "origination_ixn_id", s.ixn(0), "call_direction", "CUSTOMER_ORIGINATED",
		"media_type", "chat", "parameters", raw(`{"_cb_dim_channel":"WEB"}`))
	s.wait(30, 400).push("USERORIGINATED_CONNECTED")
	s.add(ors, "customer_connected", "call_direction", "CUSTOMER_ORIGINATED", "ixn_id", s.ixn(1))
	s.wait(1, 30).add(ors, "agent_connected", "target", "ChatAgents@StatServer.GA")
	s.completed()
	return "COMPLETED.AGENT"
}
