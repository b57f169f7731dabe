package foldtest

// terminal is THE terminal event: the first completed or cancelled; without one, the last offer_rejected or
// offer_abandoned, if no offered, offer_accepted or requested follows it.
func (r *reading) terminal() int {
	if end := r.first("completed", "cancelled"); end != none {
		return end
	}
	declined := r.last("offer_rejected", "offer_abandoned")
	if declined != none && !r.follows(declined, "offered", "offer_accepted", "requested") {
		return declined
	}
	return none
}

// theOffer is the last offered before the first offer_accepted (without one: before the first requested); where
// none precedes it, or nothing was accepted, the last offered.
func (r *reading) theOffer() int {
	accepted := r.first("offer_accepted")
	if accepted == none {
		accepted = r.first("requested")
	}
	if accepted != none {
		if offers := r.before(accepted, "offered"); len(offers) > 0 {
			return tail(offers)
		}
	}
	return r.last("offered")
}

// offerDuration is from the offer to the first event after it that is offered, offer_accepted, offer_rejected,
// offer_abandoned, requested or THE terminal event; where none follows but there is an offer_accepted or a requested:
// 0; without the offer, where there is a requested: 0.
func (r *reading) offerDuration(offer int) any {
	if offer == none {
		if r.exists("requested") {
			return int64(0)
		}
		return nil
	}
	for i := offer + 1; i < len(r.session); i++ {
		if r.is(i, "offered", "offer_accepted", "offer_rejected", "offer_abandoned", "requested") || i == r.terminal() {
			return duration(r.t(offer), r.t(i))
		}
	}
	if r.exists("offer_accepted", "requested") {
		return int64(0)
	}
	return nil
}

func (r *reading) serviceStart() any {
	offered, requested := r.t(r.first("offered")), r.t(r.first("requested"))
	if r.options.ServiceStartRequest {
		return or(requested, offered)
	}
	return or(offered, requested)
}

func (r *reading) serviceEnd() any {
	if end := r.terminal(); end != none {
		return r.t(end)
	}
	if r.timedOut {
		return r.t(len(r.session) - 1)
	}
	return nil
}

// offersPerSession is the number of offered events (1 where there is none but a request).
func (r *reading) offersPerSession() any {
	if !r.exists("offered") && r.exists("requested") {
		return int64(1)
	}
	return int64(len(r.all("offered")))
}

func (r *reading) abandonedDuringOffer() any {
	last := r.last("offered", "offer_accepted", "offer_rejected", "offer_abandoned", "requested")
	return flag(last != none && r.is(last, "offer_abandoned"))
}

// originationIxnID: only where _CB_N_CALLBACK_ACCEPTED is 1.
func (r *reading) originationIxnID() any {
	if r.kvp("_CB_N_CALLBACK_ACCEPTED") != any(int64(1)) {
		return nil
	}
	const field = "origination_ixn_id"
	return or(r.field(r.lastHaving(field, "requested"), field), r.field(r.theOffer(), field))
}

// virtualQueue is a member of the virtual_queue of the last of requested, queued, agent_requested that has one,
// before the last attempt_started (anywhere, where there is no attempt); else THE OFFER's.
func (r *reading) virtualQueue(member string) any {
	end := r.last("attempt_started")
	if end == none {
		end = len(r.session)
	}
	named := tail(r.having("virtual_queue", r.before(end, "requested", "queued", "agent_requested")))
	queue, _ := or(r.field(named, "virtual_queue"), r.field(r.theOffer(), "virtual_queue")).(map[string]any)
	return queue[member]
}
