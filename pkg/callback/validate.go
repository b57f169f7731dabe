package callback

import (
	"fmt"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// Fault says what is wrong with one field. Neither part holds personal data (invariant 10).
type Fault struct {
	// Field is the name of the attribute (id, time), of the field of the data (ewt,
	// virtual_queue.name) or of the parameter (parameters._cb_dim_channel).
	Field string
	// Reason completes the sentence that the field's name begins, such as "must not be negative".
	Reason string
}

func (f Fault) String() string { return f.Field + ": " + f.Reason }

// Limits of an event. The lengths are in characters.
const (
	MaxText                 = 255       // id, source, subject and each string of the data: the Info Mart's columns are varchar(255)
	MaxExtension            = 1024      // value of an extension attribute
	MaxExtensionName        = 64        // name of an extension attribute
	MaxExtensions           = 50        // extension attributes of one event
	MaxParameters           = 100       // parameters of one event
	MaxInt                  = 1<<31 - 1 // the Info Mart's integer columns have 32 bits
	MinInt                  = -1 << 31
	MaxSeconds              = MaxInt // its times are epoch seconds in such columns: 2038-01-19T03:14:07Z
	maxMicros        Micros = MaxSeconds*1_000_000 + 999_999
)

const (
	reasonAfter2038  = "lies after 2038-01-19T03:14:07Z, the last second that the 32-bit columns of the Info Mart hold"
	reasonBefore1970 = "lies before 1970-01-01T00:00:00Z"
)

// Validate checks attributes and data against the contract of the event's type
// and returns every fault. Enumerations are open, those of kind and media_type
// apart. The parameters are not looked at: see ValidateParameters.
func (e *Event) Validate() []Fault {
	var v validator
	v.attribute("id", e.ID, MaxText)
	v.attribute("source", e.Source, MaxText)
	v.attribute("subject", e.Subject, MaxText)
	if e.Type.Rank() == 0 {
		v.faultf("type", "is no lifecycle event type: %s", ShowValue(string(e.Type)))
	}
	v.instant("time", &e.Time)
	v.integer("tenantdbid", e.TenantDBID, 1, MaxInt)
	if e.ORSSessionID != nil {
		v.attribute("orssessionid", *e.ORSSessionID, MaxText)
	}
	v.extensions(e.Extensions)
	v.belongs(e.Type, &e.Data)
	v.data(&e.Data)
	return v.faults
}

// CodeOf returns the reason under which an event that Validate or
// ValidateParameters finds these faults in is refused or dead-lettered: a faulty
// attribute weighs more than an unknown type, and that more than a faulty field.
// It is empty where there is no fault.
func CodeOf(faults []Fault) Reason {
	code := Reason("")
	for _, f := range faults {
		switch name, _, _ := strings.Cut(f.Field, "."); {
		case name == "type":
			code = ReasonUnknownType
		case !isField[name]:
			return ReasonNotCloudEvent
		case code == "":
			code = ReasonInvalidField
		}
	}
	return code
}

type validator struct{ faults []Fault }

func (v *validator) fault(field, reason string) {
	v.faults = append(v.faults, Fault{field, reason})
}

func (v *validator) faultf(field, format string, args ...any) {
	v.fault(field, fmt.Sprintf(format, args...))
}

// belongs compares the fields that are given with those of the type. A field of
// another type is a fault: were it ignored, what it says would vanish unseen.
func (v *validator) belongs(t Type, d *Data) {
	rank := t.Rank()
	if rank == 0 {
		return
	}
	given, c := d.given(), contract[rank]
	for missing := c.required &^ given; missing != 0; missing &= missing - 1 {
		v.faultf(fieldNames[bits.TrailingZeros32(uint32(missing))], "is missing: %s needs it", t)
	}
	for stray := given &^ (c.required | c.optional); stray != 0; stray &= stray - 1 {
		v.faultf(fieldNames[bits.TrailingZeros32(uint32(stray))], "is no field of the data of %s", t)
	}
}

func (v *validator) data(d *Data) {
	v.text("channel", d.Channel)
	v.text("offer_type", d.OfferType)
	v.text("offer_timing", d.OfferTiming)
	v.integer("ewt", d.EWT, 0, MaxInt)
	v.integer("position", d.Position, 0, MaxInt)
	v.integer("ewt_threshold", d.EWTThreshold, 0, MaxInt)
	v.integer("inbound_vq_ewt", d.InboundVQEWT, 0, MaxInt)
	v.integer("waited_before_offer", d.WaitedBeforeOffer, 0, MaxInt)
	v.text("customer_ani", d.CustomerANI)
	v.text("origination_ixn_id", d.OriginationIxnID)
	if q := d.VirtualQueue; q != nil {
		v.filled("virtual_queue.name", &q.Name)
		v.integer("virtual_queue.dbid", q.DBID, 1, MaxInt)
		v.integer("virtual_queue.cfg_type_id", q.CfgTypeID, 0, MaxInt)
		v.text("virtual_queue.cfg_type", q.CfgType)
	}
	v.integer("priority", d.Priority, MinInt, MaxInt)
	v.filled("callback_type", d.CallbackType)
	v.text("service_name", d.ServiceName)
	v.text("customer_number", d.CustomerNumber)
	v.instant("desired_time", d.DesiredTime)
	v.text("call_direction", d.CallDirection)
	v.oneOf("media_type", d.MediaType, "voice", "chat")
	v.integer("max_attempts", d.MaxAttempts, 0, MaxInt)
	v.oneOf("kind", d.Kind, "CALL", "PUSH")
	v.text("ixn_id", d.IxnID)
	v.filled("result", d.Result)
	v.integer("attempt", d.Attempt, 1, MaxInt)
	v.instant("next_attempt_at", d.NextAttemptAt)
	v.text("target", d.Target)
	v.text("connect_order", d.ConnectOrder)
	v.disposition(d.Disposition)
}

// attribute checks what CloudEvents asks of a String attribute: it is not empty
// and holds no control character and no noncharacter.
func (v *validator) attribute(field, s string, limit int) {
	if s == "" {
		v.fault(field, "must not be empty")
		return
	}
	if r := attributeReason(s, limit); r != "" {
		v.fault(field, r)
	}
}

func attributeReason(s string, limit int) string {
	if len(s) <= limit && printable(s) {
		return ""
	}
	if r := textReason(s, limit); r != "" {
		return r
	}
	for _, r := range s {
		if r < 0x20 || r >= 0x7f && r <= 0x9f || r >= 0xfdd0 && r <= 0xfdef || r&0xfffe == 0xfffe {
			return "holds a control character or a noncharacter, which CloudEvents does not allow"
		}
	}
	return ""
}

// printable tells whether s is printable ASCII and nothing else, as nearly every attribute is.
func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c >= 0x7f {
			return false
		}
	}
	return true
}

// text and integer are split in two, so that a field that is not given, as most are not, costs no call.
func (v *validator) text(field string, s *string) {
	if s != nil {
		v.givenText(field, *s)
	}
}

func (v *validator) givenText(field, s string) {
	if r := textReason(s, MaxText); r != "" {
		v.fault(field, r)
	}
}

// textReason says why PostgreSQL or a varchar of that many characters could not hold s.
func textReason(s string, limit int) string {
	plain := len(s) <= limit
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == 0:
			return "holds a NUL character, which the store cannot hold"
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	if plain {
		return ""
	}
	if !utf8.ValidString(s) {
		return "is not valid UTF-8"
	}
	if n := utf8.RuneCountInString(s); n > limit {
		return fmt.Sprintf("has %d characters, at most %d are allowed", n, limit)
	}
	return ""
}

func (v *validator) filled(field string, s *string) {
	if s != nil && *s == "" {
		v.fault(field, "must not be empty")
		return
	}
	v.text(field, s)
}

func (v *validator) oneOf(field string, s *string, a, b string) {
	if s != nil && *s != a && *s != b {
		v.faultf(field, "must be %s or %s, was %s", a, b, ShowValue(*s))
	}
}

func (v *validator) integer(field string, n *int64, low, high int64) {
	if n != nil && (*n < low || *n > high) {
		v.outside(field, *n, low, high)
	}
}

func (v *validator) outside(field string, n, low, high int64) {
	switch {
	case n < low && low == 0:
		v.fault(field, "must not be negative")
	case n < low && low == 1:
		v.fault(field, "must be at least 1")
	default:
		v.faultf(field, "lies outside %d to %d, the range of the Info Mart's 32-bit columns", low, high)
	}
}

func (v *validator) instant(field string, t *Micros) {
	switch {
	case t == nil:
	case *t < 0:
		v.fault(field, reasonBefore1970)
	case *t > maxMicros:
		v.fault(field, reasonAfter2038)
	}
}

// disposition leaves room for the state that is put before a reason of the
// application's own: COMPLETED.<given> must fit the column too.
func (v *validator) disposition(s *string) {
	if s == nil {
		return
	}
	limit := MaxText - len("COMPLETED.")
	switch state, _, dotted := strings.Cut(*s, "."); state {
	case "SCHEDULED", "QUEUED", "ROUTING", "PROCESSING", "COMPLETED":
		if dotted {
			limit = MaxText
		}
	}
	if r := textReason(*s, limit); r != "" {
		v.fault("disposition", r)
	}
}

func (v *validator) extensions(m map[string]string) {
	if len(m) > MaxExtensions {
		v.faultf("extensions", "are %d, at most %d are allowed", len(m), MaxExtensions)
		return
	}
	for _, name := range sortedKeys(m) {
		if !IsAttributeName(name) {
			v.fault(ShowName(name), "is no name of a CloudEvents attribute: lower-case letters and digits, at most 64")
		} else if r := attributeReason(m[name], MaxExtension); r != "" {
			v.fault(ShowName(name), r)
		}
	}
}

// IsAttributeName tells whether s can name an extension attribute: lower-case letters and digits, at most 64.
func IsAttributeName(s string) bool {
	if s == "" || len(s) > MaxExtensionName {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// ShowValue quotes a value that is none of a closed list, as it may be shown: where a sender put something else in its
// place, that can be a number of a person (invariant 10).
func ShowValue(s string) string {
	name := strings.NewReplacer("/", ".", "+", ".").Replace(s) // of a media type
	if s != "" && ShowName(name) != name {
		return "a text that is not shown"
	}
	return fmt.Sprintf("%q", s)
}

// ShowName returns a name that the sender chose as it may be shown: as it is, or
// a placeholder where it could be a number of a person (invariant 10) or is
// unfit for a line of text.
func ShowName(name string) string {
	if len(name) == 0 || len(name) > 2*MaxExtensionName {
		return "(name not shown)"
	}
	digits := 0
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c >= '0' && c <= '9':
			if digits++; digits > 5 {
				return "(name not shown)"
			}
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c == '-', c == '.':
		default:
			return "(name not shown)"
		}
	}
	return name
}
