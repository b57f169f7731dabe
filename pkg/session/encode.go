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
	b = appendLong(b, callback.DataForm)
	if n := len(s.texts); n > 0 {
		b = appendLong(b, int64(n))
		for _, t := range s.texts {
			b = appendString(b, t)
		}
	}
	b = append(b, 0)
	if n := len(s.Events); n > 0 {
		b = appendLong(b, int64(n))
		b = append(append(b, s.body...), s.fresh...)
	}
	return append(b, 0)
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
	d := decoder{b: string(b[:min(len(b), headSize)])}
	h := Head{DueAt: d.long(), Pending: d.bool()}
	h.Closed = d.long() > 0
	d.long() // next sequence
	d.bool() // started
	h.Ended = d.bool()
	return h, d.err
}

// headSize is the most that the fields of a Head take.
const headSize = 3*binary.MaxVarintLen64 + 3

// Parse reads a state back. The state shares no memory with b.
func Parse(serviceID string, b []byte) (*State, error) {
	s := &State{}
	if err := s.parse(serviceID, b); err != nil {
		return nil, err
	}
	return s, nil
}

// parse reads the state of a session into the memory of another.
func (s *State) parse(serviceID string, b []byte) error {
	d := decoder{b: string(b)} // one piece of memory for all its strings
	s.reset(serviceID)
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
	if form := d.long(); d.err == nil && form != callback.DataForm {
		d.err = fmt.Errorf("its events have form %d; this release reads form %d", form, callback.DataForm)
	}
	d.blocks(func() {
		if s.texts == nil {
			s.texts = make([]string, 0, 16)
		}
		t := d.string()
		s.texts = append(s.texts, t)
		s.textBytes += len(t)
	})
	whole, start, end := d.b, 0, 0
	d.blocks(func() {
		at := len(whole) - len(d.b)
		if len(s.Events) == 0 {
			start = at
		} else if at != end && d.err == nil {
			d.err = errors.New("its events lie in several blocks")
		}
		s.applied(&d)
		end = len(whole) - len(d.b)
	})
	s.body = whole[start:end]
	if d.err == nil && len(d.b) > 0 {
		d.err = fmt.Errorf("%d bytes after its end", len(d.b))
	}
	if d.err != nil {
		return fmt.Errorf("session: not a state: %w", d.err)
	}
	return nil
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
	b   string
	err error
}

func (d *decoder) long() int64 {
	if d.err != nil {
		return 0
	}
	var n uint64
	for i := 0; i < len(d.b) && i < binary.MaxVarintLen64; i++ {
		c := d.b[i]
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			if i == binary.MaxVarintLen64-1 && c > 1 {
				break
			}
			d.b = d.b[i+1:]
			return int64(n>>1) ^ -int64(n&1)
		}
	}
	d.err = errShort
	return 0
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

// string returns a part of the input.
func (d *decoder) string() string {
	n := d.long()
	if d.err != nil {
		return ""
	}
	if n < 0 || n > maxString || n > int64(len(d.b)) {
		d.err = errShort
		return ""
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

// digest reports whether there is one.
func (d *decoder) digest(to *[16]byte) bool {
	v := d.string()
	if len(v) != 0 && len(v) != len(to) {
		d.err = fmt.Errorf("a digest of %d bytes", len(v))
	}
	return copy(to[:], v) > 0
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
