package intake

import (
	"mime"
	"net/url"
	"strings"
	"time"

	"github.com/ringback/ringback/pkg/callback"
)

// MediaType is the content type of one event in structured mode, MediaTypeBatch that of several.
const (
	MediaType      = "application/cloudevents+json"
	MediaTypeBatch = "application/cloudevents-batch+json"
)

// Tracing is the distributed-tracing extension of an event. It follows the
// message and is no part of the event.
type Tracing struct {
	Parent string // traceparent
	State  string // tracestate
}

// Parse reads one structured CloudEvent in JSON. now is the moment of its arrival:
// an event that says it happened more than 24 h later is refused as FUTURE_TIME.
func Parse(raw []byte, now time.Time) (*callback.Event, *Refusal) {
	e, _, refusal := ParseTraced(raw, now)
	return e, refusal
}

// ParseTraced is Parse, with the event's tracing beside it.
func ParseTraced(raw []byte, now time.Time) (*callback.Event, Tracing, *Refusal) {
	p := parser{scanner: scanner{src: string(raw)}}
	if p.peek() != '{' {
		return nil, Tracing{}, p.noObject()
	}
	if !p.object(p.attribute) || !p.end() {
		return nil, Tracing{}, Whole("is not valid JSON: " + p.problem)
	}
	refusal := p.finish(now)
	if refusal != nil {
		return nil, Tracing{}, refusal
	}
	return &p.event, p.tracing, nil
}

// noObject says what is there instead of an object.
func (p *parser) noObject() *Refusal {
	kind := p.kind()
	switch {
	case p.pos >= len(p.src):
		return Whole("is empty")
	case !p.skip() || !p.end():
		return Whole("is not valid JSON: " + p.problem)
	}
	return Whole("must be a JSON object, was " + kind)
}

// The standard attributes and those of the contract, each as a bit.
const (
	hasSpecVersion = 1 << iota
	hasID
	hasSource
	hasType
	hasSubject
	hasTime
	hasDataContentType
	hasDataSchema
	hasData
	hasDataBase64
	hasTenantDBID
	hasORSSessionID
	hasTraceParent
	hasTraceState
)

// attributeBits does not hold the other extension attributes: the event's map knows those.
var attributeBits = map[string]uint32{
	"specversion": hasSpecVersion, "id": hasID, "source": hasSource, "type": hasType, "subject": hasSubject,
	"time": hasTime, "datacontenttype": hasDataContentType, "dataschema": hasDataSchema, "data": hasData,
	"data_base64": hasDataBase64, "tenantdbid": hasTenantDBID, "orssessionid": hasORSSessionID,
	"traceparent": hasTraceParent, "tracestate": hasTraceState,
}

var requiredAttributes = [...]string{"specversion", "id", "source", "type", "subject", "time"}

// parser reads one event.
type parser struct {
	scanner
	faults  faults
	event   callback.Event
	tracing Tracing
	given   uint32          // attributes met, of attributeBits
	others  map[string]bool // other names met that did not become extensions
	fields  fieldBits       // fields of the data met
}

const twice = "is there twice"

// attribute reads the value of one member of the envelope.
func (p *parser) attribute(name string) bool {
	bit := attributeBits[name]
	if bit == 0 {
		return p.extension(name)
	}
	if p.given&bit != 0 {
		p.faults.attribute(name, twice)
		return p.skip()
	}
	p.given |= bit
	switch bit {
	case hasData:
		return p.data()
	case hasDataBase64:
		p.faults.attribute(name, "is not accepted: the data must be a JSON object in data")
		return p.skip()
	case hasTenantDBID:
		return p.tenant()
	case hasTraceParent, hasTraceState:
		if p.peek() != '"' { // tracing never refuses an event
			return p.skip()
		}
	}
	if p.null() { // as if it were not there
		p.given &^= bit
		return p.problem == ""
	}
	s, ok := p.stringOf(name, attributeFault)
	if !ok {
		return p.problem == ""
	}
	p.set(bit, name, s)
	return true
}

// stringOf reads a string, and reports whether there is one to use: it notes a
// fault where it is none, and the scanner's problem where it is no JSON.
func (p *parser) stringOf(name string, code callback.Reason) (string, bool) {
	if kind := p.kind(); kind != "a string" {
		if p.skip() {
			p.faults.add(code, name, "must be a string, was "+kind)
		}
		return "", false
	}
	s, reason, ok := p.text()
	if ok && reason != "" {
		p.faults.add(code, name, reason)
		ok = false
	}
	return s, ok
}

// set gives the event the value of an attribute.
func (p *parser) set(bit uint32, name, s string) {
	switch bit {
	case hasSpecVersion:
		if s != "1.0" {
			p.faults.attribute(name, "must be 1.0, was "+callback.ShowValue(s))
		}
	case hasID:
		p.event.ID = s
	case hasSource:
		if p.event.Source = s; s != "" && !isURIReference(s) {
			p.faults.attribute(name, "is no URI reference")
		}
	case hasType:
		if p.event.Type = callback.Type(s); s == "" {
			p.faults.attribute(name, "must not be empty")
		}
	case hasSubject:
		p.event.Subject = s
	case hasTime:
		t, ok := instant(s)
		if p.event.Time = t; !ok {
			p.faults.attribute(name, notRFC3339)
		}
	case hasDataContentType:
		if !isJSON(s) {
			p.faults.attribute(name, "must be application/json, was "+callback.ShowValue(s))
		}
	case hasDataSchema:
		if s == "" {
			p.faults.attribute(name, "must not be empty")
		}
	case hasORSSessionID:
		p.event.ORSSessionID = &s
	case hasTraceParent:
		p.tracing.Parent = bounded(s)
	case hasTraceState:
		p.tracing.State = bounded(s)
	}
}

func (p *parser) tenant() bool {
	if p.null() {
		p.given &^= hasTenantDBID
		return p.problem == ""
	}
	n, ok := p.integerOf("tenantdbid", attributeFault)
	if ok {
		p.event.TenantDBID = &n
	}
	return p.problem == ""
}

// integerOf reads an integer, and reports whether there is one to use, as stringOf does.
func (p *parser) integerOf(name string, code callback.Reason) (int64, bool) {
	if kind := p.kind(); kind != "a number" {
		if p.skip() {
			p.faults.add(code, name, "must be an integer, was "+kind)
		}
		return 0, false
	}
	literal, ok := p.number()
	if !ok {
		return 0, false
	}
	n, reason := integer(literal)
	if reason != "" {
		p.faults.add(code, name, reason)
		return 0, false
	}
	return n, true
}

// extension reads an extension attribute that the contract gives no meaning: a
// string, an integer or a boolean, of which the canonical text is kept.
func (p *parser) extension(name string) bool {
	if _, known := p.event.Extensions[name]; known || p.others[name] {
		p.faults.attribute(callback.ShowName(name), twice)
		return p.skip()
	}
	keep := func(s string) {
		if p.event.Extensions == nil {
			p.event.Extensions = make(map[string]string, 4)
		}
		p.event.Extensions[name] = s
	}
	if len(p.others)+len(p.event.Extensions) > 2*callback.MaxExtensions {
		p.faults.attribute("event", "has too many extension attributes")
		return p.skip()
	}
	if !callback.IsAttributeName(name) {
		p.other(name)
		p.faults.attribute(callback.ShowName(name), "is no attribute of a CloudEvent: its name must be lower-case letters and digits, at most 64")
		return p.skip()
	}
	start, kind := p.pos, p.kind()
	switch kind {
	case "a string":
		if s, ok := p.stringOf(callback.ShowName(name), attributeFault); ok {
			keep(s)
		} else {
			p.other(name)
		}
	case "a number":
		n, ok := p.integerOf(callback.ShowName(name), attributeFault)
		if ok && (n < callback.MinInt || n > callback.MaxInt) {
			p.faults.attribute(callback.ShowName(name), "must fit 32 bits")
			ok = false
		}
		if ok {
			keep(formatInt(n))
		} else {
			p.other(name)
		}
	case "a boolean":
		if p.skip() {
			keep(p.src[start:p.pos])
		}
	case "null":
		p.other(name)
		return p.skip()
	default:
		p.other(name)
		p.faults.attribute(callback.ShowName(name), "must be a string, an integer or a boolean, was "+kind)
		return p.skip()
	}
	return p.problem == ""
}

func (p *parser) other(name string) {
	if p.others == nil {
		p.others = make(map[string]bool)
	}
	p.others[name] = true
}

// finish checks the event as a whole.
func (p *parser) finish(now time.Time) *Refusal {
	for _, name := range requiredAttributes {
		if p.given&attributeBits[name] == 0 {
			p.faults.attribute(name, "is missing")
		}
	}
	e := &p.event
	if !p.faults.has("time") && e.Time > callback.Micros(now.Add(FutureLimit).UnixMicro()) {
		p.faults.add(callback.ReasonFutureTime, "time", "lies more than 24 h after the event's arrival")
	}
	p.faults.validated(e.Validate())
	if len(e.Data.Parameters) > 0 {
		p.faults.validated(e.ValidateParameters())
	}
	if len(p.faults.list) > 0 {
		return p.faults.refusal(e)
	}
	return nil
}

// isURIReference lets the plain paths and URNs that nearly every source is pass at a look.
func isURIReference(s string) bool {
	plain := s[0] == '/'
	for i := 0; i < len(s) && plain; i++ {
		c := s[i]
		plain = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '/' || c == '-' || c == '_' || c == '.' || c == '~'
	}
	if plain {
		return true
	}
	_, err := url.Parse(s)
	return err == nil
}

// isJSON tells whether a media type is JSON.
func isJSON(s string) bool {
	if s == "application/json" {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(s)
	return err == nil && (mediaType == "application/json" || mediaType == "text/json" || strings.HasSuffix(mediaType, "+json"))
}

// bounded drops a tracing value that no tracer would have made.
func bounded(s string) string {
	if len(s) > 512 {
		return ""
	}
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] > 0x7e {
			return ""
		}
	}
	return s
}
