package wire

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/kafka"
)

// The headers of the CloudEvents Kafka binding, in binary mode.
const (
	prefix             = "ce_"
	headerSpecVersion  = prefix + "specversion"
	headerID           = prefix + "id"
	headerSource       = prefix + "source"
	headerType         = prefix + "type"
	headerSubject      = prefix + "subject"
	headerTime         = prefix + "time"
	headerTenant       = prefix + "tenantdbid"
	headerORSSession   = prefix + "orssessionid"
	headerContentType  = "content-type"
	headerDataSchema   = prefix + "dataschema"
	headerTraceParent  = prefix + "traceparent"
	headerTraceState   = prefix + "tracestate"
	contentType        = "application/avro"
	structuredEnvelope = "application/cloudevents"
	specVersion        = "1.0"
)

// timeLayout writes every instant in one way, as RFC 3339 in UTC.
const timeLayout = "2006-01-02T15:04:05.999999Z"

// attributes are the context attributes of a CloudEvent.
type attributes struct {
	id, source, typ, subject string
	time                     callback.Micros
	tenant                   *int64
	orsSession               *string
	extensions               map[string]string
}

// headers writes the attributes. All values share one piece of memory.
func (a *attributes) headers() []kafka.Header {
	var buf []byte
	hs := make([]kafka.Header, 0, 9+len(a.extensions))
	size := len(specVersion) + len(a.id) + len(a.source) + len(a.typ) + len(a.subject) + len(timeLayout) + 20 + len(contentType)
	if a.orsSession != nil {
		size += len(*a.orsSession)
	}
	for _, v := range a.extensions {
		size += len(v)
	}
	buf = make([]byte, 0, size)
	end := func(key string, start int) {
		hs = append(hs, kafka.Header{Key: key, Value: buf[start:len(buf):len(buf)]})
	}
	put := func(key, value string) {
		start := len(buf)
		buf = append(buf, value...)
		end(key, start)
	}
	put(headerSpecVersion, specVersion)
	put(headerID, a.id)
	put(headerSource, a.source)
	put(headerType, a.typ)
	if a.subject != "" {
		put(headerSubject, a.subject)
	}
	start := len(buf)
	buf = time.UnixMicro(int64(a.time)).UTC().AppendFormat(buf, timeLayout)
	end(headerTime, start)
	if a.tenant != nil {
		start := len(buf)
		buf = strconv.AppendInt(buf, *a.tenant, 10)
		end(headerTenant, start)
	}
	if a.orsSession != nil {
		put(headerORSSession, *a.orsSession)
	}
	if len(a.extensions) > 0 {
		for _, name := range slices.Sorted(maps.Keys(a.extensions)) { // invariant 3
			put(prefix+name, a.extensions[name])
		}
	}
	put(headerContentType, contentType)
	return hs
}

func notCloudEvent(format string, args ...any) *callback.BadRecord {
	return callback.Bad(callback.ReasonNotCloudEvent, format, args...)
}

// optional is what pointers to attributes that need not be there point to.
type optional struct {
	tenant     int64
	orsSession string
}

// parse reads the attributes of a record. Of a header that is there twice, the last counts. All texts but those of
// extensions share one piece of memory.
func (a *attributes) parse(r *kafka.Record, room *optional) error {
	var version, id, source, typ, subject, when, tenant, ors, content []byte
	for i := range r.Headers {
		h := &r.Headers[i]
		switch h.Key {
		case headerSpecVersion:
			version = h.Value
		case headerID:
			id = h.Value
		case headerSource:
			source = h.Value
		case headerType:
			typ = h.Value
		case headerSubject:
			subject = h.Value
		case headerTime:
			when = h.Value
		case headerTenant:
			tenant = nonNil(h.Value)
		case headerORSSession:
			ors = nonNil(h.Value)
		case headerContentType:
			content = h.Value
		case headerTraceParent, headerTraceState, headerDataSchema:
			// Tracing is no part of what an event says; the value names its schema itself.
		default:
			name, ok := strings.CutPrefix(h.Key, prefix)
			if !ok {
				continue // not an attribute
			}
			if a.extensions == nil {
				a.extensions = make(map[string]string)
			}
			a.extensions[name] = string(h.Value)
		}
	}
	switch {
	case version == nil && strings.HasPrefix(string(content), structuredEnvelope):
		return notCloudEvent("the record is a CloudEvent in structured mode; this topic takes binary mode, with the attributes as ce_ headers")
	case version == nil:
		return notCloudEvent("there is no header ce_specversion: the attributes of a CloudEvent are missing")
	case string(version) != specVersion:
		return notCloudEvent("ce_specversion is not 1.0")
	case len(id) == 0:
		return notCloudEvent("there is no ce_id, or it is empty")
	case len(source) == 0:
		return notCloudEvent("there is no ce_source, or it is empty")
	case len(typ) == 0:
		return notCloudEvent("there is no ce_type, or it is empty")
	case when == nil:
		return notCloudEvent("there is no ce_time")
	}
	var texts strings.Builder
	texts.Grow(len(id) + len(source) + len(subject) + len(ors))
	text := func(b []byte) string {
		start := texts.Len()
		texts.Write(b)
		return texts.String()[start:]
	}
	a.id, a.source, a.subject, a.typ = text(id), text(source), text(subject), typeName(typ)
	var ok bool
	if a.time, ok = parseTime(when); !ok {
		return notCloudEvent("ce_time is not a time in RFC 3339 form, such as 2026-03-01T09:30:00Z")
	}
	if tenant != nil {
		n, err := strconv.ParseInt(string(tenant), 10, 64)
		if err != nil {
			return notCloudEvent("ce_tenantdbid is not an integer")
		}
		room.tenant = n
		a.tenant = &room.tenant
	}
	if ors != nil {
		room.orsSession = text(ors)
		a.orsSession = &room.orsSession
	}
	return nil
}

// typeName is the type as a string; the types of the project share theirs.
func typeName(b []byte) string {
	if t, ok := typeNames[string(b)]; ok {
		return t
	}
	return string(b)
}

var typeNames = func() map[string]string {
	m := map[string]string{TypeUserEvent: TypeUserEvent, TypeAttachedData: TypeAttachedData, TypeDeadLetter: TypeDeadLetter}
	for _, t := range callback.Types {
		m[string(t)] = string(t)
	}
	return m
}()

// parseTime reads an RFC 3339 time to the microsecond, the rest cut off towards the past.
func parseTime(b []byte) (callback.Micros, bool) {
	// UnmarshalText is more lenient than RFC 3339: it takes an hour of one digit, a comma
	// before the fraction, and an offset of 24 hours.
	const whole = len("2006-01-02T15:04:05")
	if len(b) <= whole || b[13] != ':' || b[whole] == ',' {
		return 0, false
	}
	if zone := string(b[len(b)-1:]); zone != "Z" {
		if zone = string(b[len(b)-len("07:00"):]); zone[:2] > "23" || zone[3:] > "59" {
			return 0, false
		}
	}
	var t time.Time
	if t.UnmarshalText(b) != nil {
		return 0, false
	}
	return callback.Micros(t.UnixMicro()), true
}

func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// checkKey says whether the record's key is the subject.
func checkKey(r *kafka.Record, a *attributes) error {
	if a.subject == "" {
		return notCloudEvent("there is no ce_subject, or it is empty")
	}
	if string(r.Key) != a.subject {
		return callback.Bad(callback.ReasonMiskeyed, "the key is not the ce_subject")
	}
	return nil
}
