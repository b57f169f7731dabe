package foldtest

import (
	"slices"
	"strings"
)

// Options are the settings on which the rules depend.
type Options struct {
	ServiceStartRequest bool  // ENRICHER_SERVICE_START=request
	MaxAttempts         int64 // ENRICHER_MAX_ATTEMPTS
}

// Facts is what the events of a session say.
type Facts struct {
	// KVPs holds the value of each KVP that is known, by name: int64 or string. _CB_FINAL_RECORD is 0.
	KVPs map[string]any
	// Columns holds the columns of CALLBACK_FACT that no KVP fills: DESIRED_TIME_TS,
	// PUSH_DELIVERY_CONFIRMED_TS, CUSTOMER_READY_TO_START_IXN_TS; always all three.
	Columns map[string]int64

	ServiceName any // string or nil: of the last requested that has one
	MediaType   any // string or nil: of the last requested that has one
	Terminal    int // index of THE terminal event in fold order, -1 without one
	Ignored     int // parameters that are not of their KVP's type
	Attached    []Attached
}

// Attached is attached data that is due once START has been sent.
type Attached struct {
	IxnID       string
	Occasion    string // CALLBACK_ACCEPTED or CUSTOMER_CONNECTED
	KVPs        map[string]any
	EventID     string // of the customer_connected; empty for the acceptance
	EventSource string
}

// order is the table of lifecycle events; the row is the rank.
var order = []string{
	"offered", "offer_accepted", "offer_rejected", "offer_abandoned", "requested", "scheduled", "rescheduled", "queued",
	"ready_to_start_media", "attempt_started", "attempt_ended", "snoozed", "customer_connected", "dialog_ended",
	"agent_requested", "agent_connected", "agent_transfer_failed", "customer_abandoned", "wait_timed_out",
	"inbound_call_ended", "cancelled", "completed",
}

// Sort puts events in order of (time, rank, id, source).
func Sort(events []Event) {
	before := func(a, b Event) bool {
		if a.Time != b.Time {
			return a.Time < b.Time
		}
		if ra, rb := slices.Index(order, a.Type), slices.Index(order, b.Type); ra != rb {
			return ra < rb
		}
		if a.ID != b.ID {
			return a.ID < b.ID
		}
		return a.Source < b.Source
	}
	slices.SortFunc(events, func(a, b Event) int {
		switch {
		case before(a, b):
			return -1
		case before(b, a):
			return 1
		}
		return 0
	})
}

// Session is what a set of events, each (source, id) once and in any order, says.
func Session(events []Event, o Options, timedOut bool) Facts {
	s := slices.Clone(events)
	Sort(s)
	r := &reading{session: s, options: o, timedOut: timedOut}
	r.readParameters()
	f := Facts{KVPs: map[string]any{}, Columns: r.columns(), Terminal: r.terminal(), Ignored: r.ignored, Attached: r.attached()}
	for kvp := range rules {
		if v := r.kvp(kvp); v != nil {
			f.KVPs[kvp] = v
		}
	}
	f.ServiceName = r.field(r.lastHaving("service_name", "requested"), "service_name")
	f.MediaType = r.field(r.lastHaving("media_type", "requested"), "media_type")
	return f
}

// reading is one session being read. Its events are in order, none is index -1.
type reading struct {
	session    []Event
	options    Options
	timedOut   bool
	parameters map[string]any // by KVP name
	ignored    int
}

const none = -1

func (r *reading) is(i int, types ...string) bool { return slices.Contains(types, r.session[i].Type) }

// between returns the indices of the events of these types after from and before to, neither included.
func (r *reading) between(from, to int, types ...string) []int {
	var found []int
	for i := range r.session {
		if from < i && i < to && r.is(i, types...) {
			found = append(found, i)
		}
	}
	return found
}

func (r *reading) all(types ...string) []int { return r.between(none, len(r.session), types...) }
func (r *reading) after(from int, types ...string) []int {
	return r.between(from, len(r.session), types...)
}
func (r *reading) before(to int, types ...string) []int { return r.between(none, to, types...) }
func (r *reading) exists(types ...string) bool          { return len(r.all(types...)) > 0 }
func (r *reading) first(types ...string) int            { return head(r.all(types...)) }
func (r *reading) last(types ...string) int             { return tail(r.all(types...)) }
func (r *reading) follows(i int, types ...string) bool  { return len(r.after(i, types...)) > 0 }
func (r *reading) lastHaving(f string, types ...string) int {
	return tail(r.having(f, r.all(types...)))
}

// having keeps the events that have the field.
func (r *reading) having(field string, of []int) []int {
	return slices.DeleteFunc(slices.Clone(of), func(i int) bool { return r.field(i, field) == nil })
}

func head(of []int) int {
	if len(of) == 0 {
		return none
	}
	return of[0]
}

func tail(of []int) int {
	if len(of) == 0 {
		return none
	}
	return of[len(of)-1]
}

// field is a field of an event; nil where the event is none or silent.
func (r *reading) field(i int, name string) any {
	if i == none {
		return nil
	}
	return r.session[i].Data[name]
}

// t is the event time in epoch seconds; nil where the event is none.
func (r *reading) t(i int) any {
	if i == none {
		return nil
	}
	return seconds(r.session[i].Time)
}

// seconds rounds microseconds down to seconds.
func seconds(micros int64) int64 {
	s := micros / 1_000_000
	if s*1_000_000 > micros {
		s--
	}
	return s
}

// duration is from one second to another, never below 0.
func duration(from, to any) any { return max(0, to.(int64)-from.(int64)) }

func flag(yes bool) any {
	if yes {
		return int64(1)
	}
	return int64(0)
}

// or is the first value that is there.
func or(values ...any) any {
	for _, v := range values {
		if v != nil {
			return v
		}
	}
	return nil
}

func isState(word string) bool {
	return slices.Contains([]string{"SCHEDULED", "QUEUED", "ROUTING", "PROCESSING", "COMPLETED"}, word)
}

func beginsWithState(text string) bool {
	word, _, dot := strings.Cut(text, ".")
	return dot && isState(word)
}
