package foldtest

// attempt is the n-th attempt_started, from 1.
func (r *reading) attempt(n int) int {
	attempts := r.all("attempt_started")
	if n < 1 || n > len(attempts) {
		return none
	}
	return attempts[n-1]
}

// belongsTo is the attempt_started that an attempt_ended belongs to.
func (r *reading) belongsTo(ended int) int {
	if n, given := r.field(ended, "attempt").(int64); given {
		if n > int64(len(r.session)) {
			return none
		}
		return r.attempt(int(n))
	}
	if ixn := r.field(ended, "ixn_id"); ixn != nil {
		theirs := none
		for _, s := range r.all("attempt_started") {
			if r.field(s, "ixn_id") == ixn {
				theirs = s
			}
		}
		if theirs != none {
			return theirs
		}
	}
	return tail(r.before(ended, "attempt_started"))
}

// resultOf is the result of an attempt.
func (r *reading) resultOf(s int) any {
	var result any
	for _, ended := range r.all("attempt_ended") {
		if r.belongsTo(ended) == s {
			result = r.field(ended, "result")
		}
	}
	if result != nil {
		return result
	}
	next := head(r.after(s, "attempt_started"))
	if next == none {
		next = len(r.session)
	}
	if len(r.between(s, next, "customer_connected")) > 0 {
		switch r.field(s, "kind") {
		case "CALL":
			return "CONNECTED"
		case "PUSH":
			return "USERORIGINATED_CONNECTED"
		}
	}
	return nil
}

func (r *reading) finalDialResult() any {
	last := r.last("attempt_started")
	if last == none {
		return nil
	}
	return or(r.resultOf(last), "UNKNOWN")
}

// calls are the attempts of kind CALL that have an ixn_id.
func (r *reading) calls() []int {
	var calls []int
	for _, s := range r.having("ixn_id", r.all("attempt_started")) {
		if r.field(s, "kind") == "CALL" {
			calls = append(calls, s)
		}
	}
	return calls
}

// whenReady is the field of the first ready_to_start_media; where it is absent or silent, the first attempt_started's.
func (r *reading) whenReady(field string) any {
	return or(r.field(r.first("ready_to_start_media"), field), r.field(r.first("attempt_started"), field))
}

// whenLastReady is the last attempt_started's; where silent, that of the last ready_to_start_media before it and
// after the attempt before it.
func (r *reading) whenLastReady(field string) any {
	last := r.last("attempt_started")
	if last == none {
		return nil
	}
	previous := tail(r.before(last, "attempt_started"))
	return or(r.field(last, field), r.field(tail(r.between(previous, last, "ready_to_start_media")), field))
}

// nextRedialAttempt is the last snoozed.next_attempt_at, while no attempt_started follows it.
func (r *reading) nextRedialAttempt() any {
	snoozed := r.last("snoozed")
	at, given := r.field(snoozed, "next_attempt_at").(int64)
	if !given || r.follows(snoozed, "attempt_started") {
		return nil
	}
	return seconds(at)
}
