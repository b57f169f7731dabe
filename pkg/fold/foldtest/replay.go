package foldtest

import (
	"maps"
	"reflect"
	"slices"
)

// UserEvent is one UserEvent that is due.
type UserEvent struct {
	Sequence int
	Cause    string // START, FINAL, CORRECTION or TIMEOUT
	Facts           // _CB_FINAL_RECORD is the UserEvent's
	LastTime int64  // event time of the last event, microseconds
}

// Replayed is what the events of one session come to.
type Replayed struct {
	UserEvents     []UserEvent
	Attached       []Attached
	Applied        int
	AlreadyApplied int
	Conflicts      int
	Open           bool // the session goes on: no FINAL was sent, or it was taken back
}

// Replay says what the events of one session, in order of arrival, come to when they arrive together and settle and
// offer grace are then made due, as `ringback run --once` does. With timedOut a session that is still open then times out.
func Replay(arrivals []Event, o Options, timedOut bool) Replayed {
	p := &replay{options: o}
	for _, e := range arrivals {
		p.take(e)
	}
	p.flush()
	if timedOut && !p.final && len(p.applied) > 0 {
		p.facts = Session(p.applied, o, true)
		p.end("TIMEOUT")
	}
	p.out.Open = !p.final
	return p.out
}

type replay struct {
	options Options
	applied []Event
	facts   Facts
	started bool
	final   bool
	sent    UserEvent // the last one but START
	given   []Attached
	out     Replayed
}

var mandatory = []string{"_CB_SERVICE_ID", "_CB_T_SERVICE_START", "_CB_D_CALLBACK_OFFER", "_CB_N_CALLBACK_OFFERED", "_CB_T_CALLBACK_OFFERED"}

// Missing names the mandatory KVPs that are absent.
func (f Facts) Missing() []string {
	return slices.DeleteFunc(slices.Clone(mandatory), func(kvp string) bool { return f.KVPs[kvp] != nil })
}

func (p *replay) take(e Event) {
	for _, known := range p.applied {
		if known.ID == e.ID && known.Source == e.Source {
			if reflect.DeepEqual(known, e) {
				p.out.AlreadyApplied++
			} else {
				p.out.Conflicts++
			}
			return
		}
	}
	p.applied = append(p.applied, e)
	p.out.Applied++
	p.facts = Session(p.applied, p.options, false)
	p.start()
	// A declined offer ends the session once the inbound call has ended; a session that lacks a mandatory KVP waits for
	// the settle time, as a correction does.
	if !p.final && p.facts.Terminal != none && len(p.facts.Missing()) == 0 && (!p.declined() || p.has("inbound_call_ended")) {
		p.end("FINAL")
	}
	p.attach()
}

// flush makes settle and offer grace due.
func (p *replay) flush() {
	if len(p.applied) == 0 {
		return
	}
	switch {
	case !p.final && p.facts.Terminal != none:
		p.end("FINAL")
	case p.final && !p.same():
		p.final = p.facts.Terminal != none
		p.send("CORRECTION", p.final)
	}
	p.attach()
}

// start: due when an offer_accepted or a requested is in and the five mandatory KVPs are known.
func (p *replay) start() {
	if !p.started && p.has("offer_accepted", "requested") && len(p.facts.Missing()) == 0 {
		p.started = true
		p.send("START", false)
	}
}

// end: a session that ends before its START was sent sends both, START first.
func (p *replay) end(cause string) {
	if !p.started && len(p.facts.Missing()) == 0 {
		p.started = true
		p.send("START", false)
	}
	p.final = true
	p.send(cause, true)
}

func (p *replay) send(cause string, final bool) {
	u := UserEvent{Sequence: len(p.out.UserEvents) + 1, Cause: cause, Facts: p.facts, LastTime: p.applied[0].Time}
	for _, e := range p.applied {
		u.LastTime = max(u.LastTime, e.Time)
	}
	u.KVPs = maps.Clone(p.facts.KVPs)
	u.KVPs["_CB_FINAL_RECORD"] = flag(final)
	p.out.UserEvents = append(p.out.UserEvents, u)
	if cause != "START" {
		p.sent = u
	}
}

// same tells whether the last FINAL or correction said what is known now.
func (p *replay) same() bool {
	now := maps.Clone(p.facts.KVPs)
	now["_CB_FINAL_RECORD"] = flag(p.facts.Terminal != none)
	return reflect.DeepEqual(now, p.sent.KVPs) && reflect.DeepEqual(p.facts.Columns, p.sent.Columns)
}

func (p *replay) attach() {
	if !p.started {
		return
	}
	for _, a := range p.facts.Attached {
		known := slices.ContainsFunc(p.given, func(g Attached) bool {
			return g.Occasion == a.Occasion && g.EventID == a.EventID && g.EventSource == a.EventSource
		})
		if !known {
			p.given = append(p.given, a)
			p.out.Attached = append(p.out.Attached, a)
		}
	}
}

func (p *replay) declined() bool {
	s := slices.Clone(p.applied)
	Sort(s)
	return s[p.facts.Terminal].Type == "offer_rejected" || s[p.facts.Terminal].Type == "offer_abandoned"
}

func (p *replay) has(types ...string) bool {
	return slices.ContainsFunc(p.applied, func(e Event) bool { return slices.Contains(types, e.Type) })
}
