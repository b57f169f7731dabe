package foldtest

// state is the state after the last event; with THE terminal event in, COMPLETED.
func (r *reading) state() string {
	if r.terminal() != none {
		return "COMPLETED"
	}
	state := "QUEUED"
	for i, e := range r.session {
		switch e.Type {
		case "scheduled", "rescheduled":
			state = "SCHEDULED"
		case "requested":
			state = "QUEUED"
			if r.field(i, "desired_time") != nil {
				state = "SCHEDULED"
			}
		case "offered", "offer_accepted", "queued", "ready_to_start_media", "snoozed":
			state = "QUEUED"
		case "customer_connected", "agent_requested", "agent_transfer_failed":
			state = "ROUTING"
		case "agent_connected":
			state = "PROCESSING"
		}
	}
	return state
}

func (r *reading) disposition() any {
	if given, ok := r.given().(string); ok {
		if beginsWithState(given) {
			return given
		}
		return "COMPLETED." + given
	}
	if reason := r.reason(); reason != "" {
		return r.state() + "." + reason
	}
	return r.state()
}

// given is the disposition of the last completed that has one other than the bare word of a state; an empty one is none.
func (r *reading) given() any {
	var given any
	for _, i := range r.all("completed") {
		if d, ok := r.field(i, "disposition").(string); ok && d != "" && !isState(d) {
			given = d
		}
	}
	return given
}

// reason is the first that applies; empty where none does.
func (r *reading) reason() string {
	if end := r.terminal(); end != none {
		switch r.session[end].Type {
		case "cancelled":
			return "CANCELLED"
		case "offer_rejected":
			return "REJECTED"
		case "offer_abandoned":
			return "ABANDONED_IN_QUEUE"
		}
	}
	if customer := r.last("customer_connected"); customer != none && !r.follows(customer, "attempt_started") {
		return r.reasonConnected(customer)
	}
	if last := r.last("attempt_started"); last != none {
		if reason := r.reasonAttempted(last); reason != "" {
			return reason
		}
	}
	if r.exists("completed") || r.timedOut {
		return "FAILED"
	}
	return ""
}

func (r *reading) reasonConnected(customer int) string {
	switch r.field(tail(r.after(customer, "dialog_ended")), "result") {
	case "TRANSFERRED_TO_RP":
		return "TRANSFERRED_TO_RP"
	case "CANCELLED", "CANCEL":
		return "CANCELLED"
	}
	switch {
	case len(r.agentsWith(customer)) > 0:
		return "AGENT"
	case r.follows(customer, "wait_timed_out"):
		return "FAILED"
	case r.follows(customer, "customer_abandoned"):
		return "ABANDONED_IN_QUEUE"
	}
	return "CONNECTED"
}

func (r *reading) reasonAttempted(last int) string {
	result := r.resultOf(last)
	switch result {
	case "CONNECTED", "PERSON", "USERORIGINATED_CONNECTED":
		return "CONNECTED"
	case "FAILED_TO_ESTABLISH_CUSTOMER_ORIGINATED_MEDIA":
		return "FAILED"
	case "CANCEL":
		return "CANCELLED"
	}
	if r.field(last, "kind") == "PUSH" {
		switch result {
		case "PUSH_DELIVERY_CONFIRMED":
			return "PUSH_DELIVERY_CONFIRMED"
		case "PUSH_SEND_ERROR":
			return "PUSH_SEND_ERROR"
		}
		return "PUSH_SEND"
	}
	limit := r.options.MaxAttempts
	if given, ok := r.field(r.lastHaving("max_attempts", "requested"), "max_attempts").(int64); ok {
		limit = given
	}
	if r.exists("completed") && int64(len(r.all("attempt_started"))) >= limit {
		return "REDIAL_LIMIT_REACHED"
	}
	return ""
}
