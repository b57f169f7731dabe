// Package deadletter makes dead letters of records, and writes them so that they
// are durable before the position of their record moves (invariant 4).
package deadletter

import (
	"fmt"
	"unicode/utf8"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/kafka"
)

// The components that write dead letters; the first part of a dead letter's id.
const (
	Enricher = "enricher"
	Infomart = "infomart"
	TServer  = "tserver"
	Import   = "import"
)

const (
	// MaxValue is how much of a record's value is kept, in bytes.
	MaxValue = 1 << 20
	// maxHeaders is how much of a record's headers is kept, in bytes of names and values.
	maxHeaders = 64 << 10
	// maxKey is how much of a record's key is kept, in bytes.
	maxKey = 4 << 10
	// maxServiceID is the width of SERVICE_ID: a longer key is no service id.
	maxServiceID = 255
)

// New makes the dead letter of a record, whole as far as the limits allow; what is
// cut is said in the detail. The service id is the record's key, where that can be
// one. The detail must not hold personal data (invariant 10).
func New(component string, rec *kafka.Record, reason callback.Reason, detail string) *callback.DeadLetter {
	d := &callback.DeadLetter{
		Component:   component,
		Topic:       rec.Topic,
		Partition:   rec.Partition,
		Offset:      rec.Offset,
		Reason:      reason,
		Detail:      detail,
		RecordTime:  rec.Time,
		RecordKey:   rec.Key,
		RecordValue: rec.Value,
	}
	if id := ServiceID(rec.Key); id != "" {
		d.ServiceID = &id
	}
	if len(rec.Key) > maxKey {
		d.RecordKey = rec.Key[:maxKey]
		d.Detail += cut("key", maxKey, len(rec.Key))
	}
	d.RecordHeaders = headers(d, rec.Headers)
	Cut(d, MaxValue)
	return d
}

// FromBad makes the dead letter of a record that was found bad.
func FromBad(component string, rec *kafka.Record, bad *callback.BadRecord) *callback.DeadLetter {
	return New(component, rec, bad.Reason, bad.Detail)
}

// Cut shortens the kept value to at most size bytes and says so in the detail.
func Cut(d *callback.DeadLetter, size int) {
	if n := len(d.RecordValue); n > size {
		d.RecordValue = d.RecordValue[:size]
		d.Detail += cut("value", size, n)
	}
}

func headers(d *callback.DeadLetter, in []kafka.Header) []callback.Header {
	out := make([]callback.Header, 0, len(in))
	size := 0
	for i, h := range in {
		size += len(h.Key) + len(h.Value)
		if size > maxHeaders {
			d.Detail += fmt.Sprintf("; %d of %d headers are kept", i, len(in))
			break
		}
		out = append(out, callback.Header{Name: h.Key, Value: h.Value})
	}
	return out
}

func cut(what string, kept, of int) string {
	return fmt.Sprintf("; the %s is cut to %d of %d bytes", what, kept, of)
}

// ServiceID returns the service id that a record's key is, empty where the key cannot be one.
func ServiceID(key []byte) string {
	if len(key) == 0 || len(key) > maxServiceID || !utf8.Valid(key) {
		return ""
	}
	for _, r := range string(key) {
		if r < ' ' || r == 0x7f {
			return ""
		}
	}
	return string(key)
}
