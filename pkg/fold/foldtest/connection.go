package foldtest

// together: customer precedes agent and no attempt_started lies between them, or agent precedes customer and at most
// one attempt_started lies between them.
func (r *reading) together(agent, customer int) bool {
	if customer < agent {
		return len(r.between(customer, agent, "attempt_started")) == 0
	}
	return len(r.between(agent, customer, "attempt_started")) <= 1
}

// agentsWith are the agent_connected that are together with a customer_connected.
func (r *reading) agentsWith(customer int) []int {
	var with []int
	for _, agent := range r.all("agent_connected") {
		if r.together(agent, customer) {
			with = append(with, agent)
		}
	}
	return with
}

func (r *reading) callDirection() any {
	if d := r.field(r.last("customer_connected"), "call_direction"); d != nil {
		return d
	}
	switch r.field(r.last("attempt_started"), "kind") {
	case "CALL":
		return "CUSTOMER_TERMINATED"
	case "PUSH":
		return "CUSTOMER_ORIGINATED"
	}
	if r.exists("customer_connected") {
		return "CUSTOMER_ORIGINATED"
	}
	return r.field(r.lastHaving("call_direction", "requested"), "call_direction")
}

// waitingOffline: only where there is a _CB_T_CALLBACK_ACCEPTED; to the first of ready_to_start_media, attempt_started,
// customer_connected, THE terminal event; from the later of _CB_T_CALLBACK_ACCEPTED and the desired_time last set
// before that end.
func (r *reading) waitingOffline() any {
	from, accepted := r.kvp("_CB_T_CALLBACK_ACCEPTED").(int64)
	if !accepted {
		return nil
	}
	end := r.first("ready_to_start_media", "attempt_started", "customer_connected")
	if terminal := r.terminal(); terminal != none && (end == none || terminal < end) {
		end = terminal
	}
	if end == none {
		return nil
	}
	set := tail(r.having("desired_time", r.before(end, "requested", "scheduled", "rescheduled")))
	if desired, given := r.field(set, "desired_time").(int64); given {
		from = max(from, seconds(desired))
	}
	return duration(from, r.t(end))
}

// establishMedia: from the last attempt_started that has a customer_connected after it, to the first one after it.
func (r *reading) establishMedia() any {
	var d any
	for _, s := range r.all("attempt_started") {
		if connected := head(r.after(s, "customer_connected")); connected != none {
			d = duration(r.t(s), r.t(connected))
		}
	}
	return d
}

func (r *reading) connectedWaiting() any {
	customer := r.last("customer_connected")
	if customer == none {
		return nil
	}
	for _, agent := range r.before(customer, "agent_connected") {
		if r.together(agent, customer) {
			return int64(0)
		}
	}
	end := head(r.after(customer, "attempt_started"))
	if end == none {
		end = len(r.session)
	}
	waited := head(r.between(customer, end, "agent_connected", "customer_abandoned", "wait_timed_out"))
	if waited == none {
		return nil
	}
	return duration(r.t(customer), r.t(waited))
}

func (r *reading) requiredAgent() any {
	first := r.first("customer_connected")
	if first == none {
		return int64(0)
	}
	return flag(r.agentAdded() == any(int64(1)) ||
		r.follows(first, "agent_requested", "agent_transfer_failed", "customer_abandoned", "wait_timed_out"))
}

func (r *reading) agentAdded() any {
	for _, customer := range r.all("customer_connected") {
		if len(r.agentsWith(customer)) > 0 {
			return int64(1)
		}
	}
	return int64(0)
}

func (r *reading) connectOrder() any {
	customer := r.last("customer_connected")
	if customer == none {
		return nil
	}
	agent := tail(r.agentsWith(customer))
	switch {
	case agent != none && r.field(agent, "connect_order") != nil:
		return r.field(agent, "connect_order")
	case agent != none && agent > customer:
		return "CUSTOMER_FIRST"
	case agent == none && r.follows(customer, "customer_abandoned", "wait_timed_out"):
		return "CUSTOMER_FIRST"
	}
	return nil
}

// columns are those of CALLBACK_FACT that no KVP of the guide fills.
func (r *reading) columns() map[string]int64 {
	c := map[string]int64{"DESIRED_TIME_TS": 0, "PUSH_DELIVERY_CONFIRMED_TS": 0, "CUSTOMER_READY_TO_START_IXN_TS": 0}
	if desired, ok := r.field(r.lastHaving("desired_time", "requested", "scheduled", "rescheduled"), "desired_time").(int64); ok {
		c["DESIRED_TIME_TS"] = seconds(desired)
	} else if accepted, ok := r.kvp("_CB_T_CALLBACK_ACCEPTED").(int64); ok {
		c["DESIRED_TIME_TS"] = accepted
	}
	for _, i := range r.all("attempt_ended") {
		if r.field(i, "result") == "PUSH_DELIVERY_CONFIRMED" {
			c["PUSH_DELIVERY_CONFIRMED_TS"] = seconds(r.session[i].Time)
		}
	}
	if r.exists("customer_connected") && r.kvp("_CB_DIM_CALL_DIRECTION") == "CUSTOMER_ORIGINATED" {
		c["CUSTOMER_READY_TO_START_IXN_TS"] = seconds(r.session[r.first("customer_connected")].Time)
	}
	return c
}
