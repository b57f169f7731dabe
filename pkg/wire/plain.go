package wire

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/ringback/ringback/pkg/callback"
)

// A lifecycle event's data and a UserEvent are read and written so often that their
// newest version has code of its own. It takes what the pipeline itself writes; for
// anything else, a fault among it, package avro decides. Tests hold the two against
// each other.

// plainReader reads Avro binary form; bad stays set after the first thing it leaves to package avro.
type plainReader struct {
	b       string
	texts   []string // room for what pointers point to
	numbers []int64
	bad     bool
}

// parseData reads the data of a lifecycle event, in the order of dataFields. The data
// shares no memory with b.
func parseData(d *callback.Data, b []byte) bool {
	r := plainReader{b: string(b)}
	d.Channel, d.OfferType, d.OfferTiming = r.optText(), r.optText(), r.optText()
	d.EWT, d.Position, d.EWTThreshold, d.InboundVQEWT, d.WaitedBeforeOffer = r.optLong(), r.optLong(), r.optLong(), r.optLong(), r.optLong()
	d.CustomerANI, d.OriginationIxnID = r.optText(), r.optText()
	if r.given() {
		d.VirtualQueue = &callback.VirtualQueue{Name: r.text(), DBID: r.optLong(), CfgTypeID: r.optLong(), CfgType: r.optText()}
	}
	d.Priority, d.CallbackType, d.ServiceName = r.optLong(), r.optText(), r.optText()
	d.CustomerNumber, d.DesiredTime = r.optText(), (*callback.Micros)(r.optLong())
	d.CallDirection, d.MediaType, d.MaxAttempts = r.optText(), r.optText(), r.optLong()
	if r.given() {
		d.Parameters = r.pairs()
	}
	if r.given() {
		c := r.one()
		v := c == 1
		d.IgnoringAvailability, r.bad = &v, r.bad || c > 1
	}
	d.Kind, d.IxnID = r.optText(), r.optText()
	d.Result, d.Attempt, d.NextAttemptAt = r.optText(), r.optLong(), (*callback.Micros)(r.optLong())
	d.Target, d.ConnectOrder, d.Disposition = r.optText(), r.optText(), r.optText()
	return !r.bad && len(r.b) == 0
}

// one reads a byte, that of a boolean or a branch.
func (r *plainReader) one() byte {
	if len(r.b) == 0 || r.b[0] > 2 {
		r.bad = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

// given reads the branch of a union of null and another type.
func (r *plainReader) given() bool {
	c := r.one()
	r.bad = r.bad || c == 1
	return c == 2 && !r.bad
}

func (r *plainReader) long() int64 {
	var n uint64
	for i := 0; i < len(r.b) && i < binary.MaxVarintLen64-1; i++ {
		c := r.b[i]
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.b = r.b[i+1:]
			return int64(n>>1) ^ -int64(n&1)
		}
	}
	r.bad = true // too short, or of ten bytes, which is rare
	return 0
}

func (r *plainReader) text() string {
	n := r.long()
	if r.bad || n < 0 || n > int64(len(r.b)) || !utf8.ValidString(r.b[:n]) {
		r.bad = true
		return ""
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *plainReader) optText() *string {
	if !r.given() {
		return nil
	}
	if len(r.texts) == cap(r.texts) {
		r.texts = make([]string, 0, 8) // those that were handed out stay where they are
	}
	r.texts = append(r.texts, r.text())
	return &r.texts[len(r.texts)-1]
}

func (r *plainReader) optLong() *int64 {
	if !r.given() {
		return nil
	}
	if len(r.numbers) == cap(r.numbers) {
		r.numbers = make([]int64, 0, 8)
	}
	r.numbers = append(r.numbers, r.long())
	return &r.numbers[len(r.numbers)-1]
}

// pairs reads a map that was written as one block.
func (r *plainReader) pairs() map[string]string {
	n := r.long()
	if r.bad || n < 0 || n > int64(len(r.b)) {
		r.bad = true
		return nil
	}
	m := make(map[string]string, n)
	for range n {
		k := r.text()
		_, twice := m[k]
		m[k] = r.text()
		if r.bad = r.bad || twice; r.bad {
			return nil
		}
	}
	if n > 0 && r.long() != 0 {
		r.bad = true
	}
	return m
}

// causes are the symbols of the UserEvent's cause, in the schema's order.
var causes = [...]callback.Cause{"UNKNOWN", callback.CauseStart, callback.CauseFinal, callback.CauseCorrection, callback.CauseTimeout}

// appendUserEvent appends a UserEvent in the order of its schema's fields.
func appendUserEvent(b []byte, u *callback.UserEvent) (_ []byte, ok bool) {
	w := plainWriter{b: b, ok: true}
	w.long(int64(u.Sequence))
	w.cause(u.Cause)
	w.long(int64(u.LogicVersion))
	w.optText(u.ServiceName)
	w.optText(u.MediaType)
	w.long(int64(u.LastEventTime))
	w.optLong(u.DesiredTime)
	w.optLong(u.PushDeliveryConfirmed)
	w.optLong(u.CustomerReadyToStartIxn)
	for k := range u.KVPs {
		switch v := &u.KVPs[k]; {
		case !v.Set:
			w.b = append(w.b, 0)
		case callback.KVP(k).Info().Kind == callback.String:
			w.optText(&v.Str)
		default:
			w.optLong(&v.Int)
		}
	}
	if n := len(u.Events); n > 0 {
		w.long(int64(n))
		for i := range u.Events {
			w.source(&u.Events[i])
		}
	}
	return append(w.b, 0), w.ok
}

type plainWriter struct {
	b  []byte
	ok bool // false: a value that package avro is to refuse
}

func (w *plainWriter) long(n int64) { w.b = binary.AppendVarint(w.b, n) }

func (w *plainWriter) text(s string) {
	w.ok = w.ok && utf8.ValidString(s)
	w.b = append(binary.AppendVarint(w.b, int64(len(s))), s...)
}

func (w *plainWriter) optText(s *string) {
	if s == nil {
		w.b = append(w.b, 0)
		return
	}
	w.b = append(w.b, 2)
	w.text(*s)
}

func (w *plainWriter) optLong(n *int64) {
	if n == nil {
		w.b = append(w.b, 0)
		return
	}
	w.b = append(w.b, 2)
	w.long(*n)
}

func (w *plainWriter) cause(c callback.Cause) {
	for i := range causes {
		if causes[i] == c {
			w.long(int64(i))
			return
		}
	}
	w.ok = false
}

func (w *plainWriter) source(e *callback.SourceEvent) {
	w.text(e.Source)
	w.text(e.ID)
	w.text(string(e.Type))
	w.long(int64(e.Time))
	w.long(int64(e.Partition))
	w.long(e.Offset)
	if n := len(e.Sets); n > 0 {
		w.long(int64(n))
		for _, name := range e.Sets {
			w.text(name)
		}
	}
	w.b = append(w.b, 0)
}
