package wire

import (
	"encoding/binary"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/ringback/ringback/pkg/avro"
	"github.com/ringback/ringback/pkg/callback"
)

// causes are the symbols of the UserEvent's cause, in the schema's order.
var causes = [...]callback.Cause{"UNKNOWN", callback.CauseStart, callback.CauseFinal, callback.CauseCorrection, callback.CauseTimeout}

// drafts are values that are being written: how long one will be is known at its end.
var drafts = sync.Pool{New: func() any { return new([]byte) }}

// plainUserEventValue is the value of a UserEvent's record, with the id of its schema.
func plainUserEventValue(schema int, u *callback.UserEvent) (value []byte, ok bool) {
	draft := drafts.Get().(*[]byte)
	defer drafts.Put(draft)
	*draft, ok = appendUserEvent(avro.AppendHeader((*draft)[:0], schema), u)
	return slices.Clone(*draft), ok
}

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

// plainUserEvent is a UserEvent and what its pointers point to.
type plainUserEvent struct {
	callback.UserEvent
	texts   [2]string
	numbers [3]int64
}

// parseUserEventValues reads a UserEvent in the order of its schema's fields. The events
// that it was made of are checked and passed over: they are most of its bytes.
func parseUserEventValues(b []byte) (*callback.UserEvent, bool) {
	made := &plainUserEvent{}
	u := &made.UserEvent
	r := plainReader{b: string(b), texts: made.texts[:0], numbers: made.numbers[:0]}
	u.Sequence = r.integer()
	cause := r.long()
	if r.bad || cause < 0 || cause >= int64(len(causes)) {
		return nil, false
	}
	u.Cause, u.LogicVersion = causes[cause], r.integer()
	u.ServiceName, u.MediaType = r.optText(), r.optText()
	u.LastEventTime = callback.Micros(r.long())
	u.DesiredTime, u.PushDeliveryConfirmed, u.CustomerReadyToStartIxn = r.optLong(), r.optLong(), r.optLong()
	for k := range u.KVPs {
		if !r.given() {
			continue
		}
		v := &u.KVPs[k]
		v.Set, v.By = true, -1
		if isString[k] {
			v.Str = r.text()
		} else {
			v.Int = r.long()
		}
	}
	r.passSources()
	return u, !r.bad && len(r.b) == 0
}

// isString tells which KVPs are text.
var isString = func() (of [callback.NumKVPs]bool) {
	for k := range of {
		of[k] = callback.KVP(k).Info().Kind == callback.String
	}
	return of
}()

// passSources reads over the events of a UserEvent.
func (r *plainReader) passSources() {
	n := r.items()
	for range n {
		r.text() // source
		r.text() // id
		r.text() // type
		r.long() // time
		r.integer()
		r.long() // offset
		sets := r.items()
		for range sets {
			if r.text(); r.bad {
				return
			}
		}
		r.end(sets)
		if r.bad {
			return
		}
	}
	r.end(n)
}

// end reads the end of an array of n items; an empty one is nothing else.
func (r *plainReader) end(n int64) {
	if n > 0 && r.long() != 0 {
		r.bad = true
	}
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

// name writes a text of the project's own, such as a KVP's name, which need not be looked at.
func (w *plainWriter) name(s string) {
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
	w.name(string(e.Type))
	w.long(int64(e.Time))
	w.long(int64(e.Partition))
	w.long(e.Offset)
	if n := len(e.Sets); n > 0 {
		w.long(int64(n))
		for _, name := range e.Sets {
			w.name(name)
		}
	}
	w.b = append(w.b, 0)
}
