package intake

import (
	"strconv"
	"strings"

	"github.com/ringback/ringback/pkg/callback"
)

// maxFaults bounds what one refusal lists, so that a reply is not larger than what it replies to.
const maxFaults = 100

// Refusal says why something is no lifecycle event.
type Refusal struct {
	Code   callback.Reason  // NOT_A_CLOUDEVENT, UNKNOWN_TYPE, INVALID_FIELD or FUTURE_TIME
	Faults []callback.Fault // all of them, up to 100; of the field "event" where it is the event as a whole

	// What could be read of the event all the same; empty is not.
	ID, Source, Subject string
}

// Error names the code and every fault.
func (r *Refusal) Error() string { return string(r.Code) + ": " + r.Detail() }

// Detail lists the faults in one line of text.
func (r *Refusal) Detail() string {
	var b strings.Builder
	for i, f := range r.Faults {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.String())
	}
	return b.String()
}

// Whole refuses something as a whole, with the one reason, as no CloudEvent.
func Whole(reason string) *Refusal {
	return &Refusal{Code: callback.ReasonNotCloudEvent, Faults: []callback.Fault{{Field: "event", Reason: reason}}}
}

// severity orders the codes: the gravest of an event's faults gives its code.
var severity = map[callback.Reason]int{
	callback.ReasonFutureTime: 1, callback.ReasonInvalidField: 2, callback.ReasonUnknownType: 3, callback.ReasonNotCloudEvent: 4,
}

const (
	attributeFault = callback.ReasonNotCloudEvent
	fieldFault     = callback.ReasonInvalidField
)

// faults collects those of one event.
type faults struct {
	list []callback.Fault
	more int
	code callback.Reason
}

// add notes a fault, unless the field has one already: the first is the cause of those after it.
func (f *faults) add(code callback.Reason, field, reason string) {
	if severity[code] > severity[f.code] {
		f.code = code
	}
	if f.has(field) {
		return
	}
	if len(f.list) >= maxFaults {
		f.more++
		return
	}
	f.list = append(f.list, callback.Fault{Field: field, Reason: reason})
}

func (f *faults) has(field string) bool {
	for i := range f.list {
		if f.list[i].Field == field {
			return true
		}
	}
	return false
}

func (f *faults) attribute(name, reason string) { f.add(attributeFault, name, reason) }
func (f *faults) field(name, reason string)     { f.add(fieldFault, name, reason) }

// validated adds what Event's own checks found.
func (f *faults) validated(found []callback.Fault) {
	for i := range found {
		// A field that could not be read looks missing: only the first fault counts.
		if !f.has(found[i].Field) {
			f.add(callback.CodeOf(found[i:i+1]), found[i].Field, found[i].Reason)
		}
	}
}

func (f *faults) refusal(e *callback.Event) *Refusal {
	if f.more > 0 {
		f.list = append(f.list, callback.Fault{Field: "event", Reason: "has " + strconv.Itoa(f.more) + " faults more"})
	}
	return &Refusal{Code: f.code, Faults: f.list, ID: shown(e.ID), Source: shown(e.Source), Subject: shown(e.Subject)}
}

// shown is an attribute as an answer may repeat it; empty where it is no usable one.
func shown(s string) string {
	if len(s) > 4*callback.MaxText || strings.ContainsRune(s, 0) {
		return ""
	}
	return strings.ToValidUTF8(s, "�")
}
