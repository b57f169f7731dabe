package session

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ringback/ringback/pkg/callback"
)

// The state is read and written once per session and batch, and held encoded, so
// its codec is written by hand: Avro binary form of version 1 of the schema
// session-state, field by field. A test holds it against the schema.

// maxString bounds a string or byte array of a state that is read back.
const maxString = 16 << 20

// Append appends the state in Avro binary form, version 1 of the schema session-state.
func (s *State) Append(b []byte) []byte {
	b = appendLong(b, s.DueAt)
	b = appendBool(b, s.Pending)
	b = appendLong(b, s.ClosedAt)
	b = appendLong(b, int64(s.NextSequence))
	b = appendBool(b, s.Started)
	b = appendBool(b, s.Final)
	b = appendBool(b, s.TimedOut)
	b = appendBool(b, s.OriginationAttached)
	if n := len(s.ConnectedAttached); n > 0 {
		b = appendLong(b, int64(n))
		for _, o := range s.ConnectedAttached {
			b = appendLong(b, o)
		}
	}
	b = append(b, 0)
	b = appendLong(b, s.LastNews)
	b = appendLong(b, s.WakeAt)
	b = appendBool(b, s.Dirty)
	b = appendLong(b, s.FinalAt)
	if s.SentDigest == ([16]byte{}) {
		b = append(b, 0)
	} else {
		b = appendString(b, s.SentDigest[:])
	}
	if n := len(s.Events); n > 0 {
		b = appendLong(b, int64(n))
		for i := range s.Events {
			b = s.Events[i].append(b)
		}
	}
	return append(b, 0)
}

func (a *Applied) append(b []byte) []byte {
	b = appendString(b, a.Source)
	b = appendString(b, a.ID)
	b = appendString(b, string(a.Type))
	b = appendLong(b, int64(a.Time))
	if a.TenantDBID == nil {
		b = append(b, 0)
	} else {
		b = appendLong(append(b, 2), *a.TenantDBID)
	}
	if a.ORSSessionID == nil {
		b = append(b, 0)
	} else {
		b = appendString(append(b, 2), *a.ORSSessionID)
	}
	b = appendString(b, a.Digest[:])
	b = appendLong(b, int64(a.Partition))
	b = appendLong(b, a.Offset)
	return appendString(b, a.Raw)
}

// Head is what a partition needs to know of a state it holds encoded.
type Head struct {
	DueAt   int64
	Pending bool
	Closed  bool
	Ended   bool // its last UserEvent was a FINAL
}

// ParseHead reads the head of an encoded state.
func ParseHead(b []byte) (Head, error) {
	d := decoder{b: b}
	h := Head{DueAt: d.long(), Pending: d.bool()}
	h.Closed = d.long() > 0
	d.long() // next sequence
	d.bool() // started
	h.Ended = d.bool()
	return h, d.err
}

// Parse reads a state back. The state shares no memory with b.
func Parse(serviceID string, b []byte) (*State, error) {
	d := decoder{b: b}
	s := &State{ServiceID: serviceID}
	s.DueAt = d.long()
	s.Pending = d.bool()
	s.ClosedAt = d.long()
	s.NextSequence = int32(d.long())
	s.Started = d.bool()
	s.Final = d.bool()
	s.TimedOut = d.bool()
	s.OriginationAttached = d.bool()
	d.blocks(func() { s.ConnectedAttached = append(s.ConnectedAttached, d.long()) })
	s.LastNews = d.long()
	s.WakeAt = d.long()
	s.Dirty = d.bool()
	s.FinalAt = d.long()
	d.digest(&s.SentDigest)
	d.blocks(func() {
		s.Events = append(s.Events, Applied{Event: callback.Event{Subject: serviceID}})
		d.applied(&s.Events[len(s.Events)-1])
	})
	if d.err == nil && len(d.b) > 0 {
		d.err = fmt.Errorf("%d bytes after its end", len(d.b))
	}
	if d.err != nil {
		return nil, fmt.Errorf("session: not a state: %w", d.err)
	}
	return s, nil
}

func appendLong(b []byte, n int64) []byte { return binary.AppendVarint(b, n) }

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendString[T string | []byte](b []byte, s T) []byte {
	return append(appendLong(b, int64(len(s))), s...)
}

var errShort = errors.New("it ends too early")

// decoder reads Avro binary form; its first error sticks.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) long() int64 {
	if d.err != nil {
		return 0
	}
	n, size := binary.Varint(d.b)
	if size <= 0 {
		d.err = errShort
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *decoder) bool() bool {
	if d.err != nil {
		return false
	}
	if len(d.b) == 0 {
		d.err = errShort
		return false
	}
	v := d.b[0]
	d.b = d.b[1:]
	if v > 1 {
		d.err = fmt.Errorf("%d is no boolean", v)
	}
	return v == 1
}

// bytes returns a part of the input; the caller copies it.
func (d *decoder) bytes() []byte {
	n := d.long()
	if d.err != nil {
		return nil
	}
	if n < 0 || n > maxString || n > int64(len(d.b)) {
		d.err = errShort
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) digest(to *[16]byte) {
	v := d.bytes()
	if len(v) != 0 && len(v) != len(to) {
		d.err = fmt.Errorf("a digest of %d bytes", len(v))
	}
	copy(to[:], v)
}

// optional reads the branch of a union of null and another type.
func (d *decoder) optional() bool {
	n := d.long()
	if d.err == nil && n != 0 && n != 1 {
		d.err = fmt.Errorf("no branch %d in a union of two", n)
	}
	return n == 1
}

// blocks reads an array: blocks of items, each with its count, up to an empty one.
func (d *decoder) blocks(item func()) {
	for d.err == nil {
		n := d.long()
		if n == 0 {
			return
		}
		if n < 0 { // a block that gives its size in bytes, too
			n = -n
			d.long()
		}
		for ; n > 0 && d.err == nil; n-- {
			item()
		}
	}
}

func (d *decoder) applied(a *Applied) {
	a.Source = string(d.bytes())
	a.ID = string(d.bytes())
	a.Type = callback.Type(d.bytes())
	a.Time = callback.Micros(d.long())
	if d.optional() {
		n := d.long()
		a.TenantDBID = &n
	}
	if d.optional() {
		v := string(d.bytes())
		a.ORSSessionID = &v
	}
	d.digest(&a.Digest)
	a.Partition = int32(d.long())
	a.Offset = d.long()
	a.Raw = append([]byte(nil), d.bytes()...)
}
