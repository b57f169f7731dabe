package wire

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/ringback/ringback/pkg/avro"
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

// parseData reads the data of a lifecycle event, in the order of dataFields, its first values into texts and numbers.
// The data shares no memory with b.
func parseData(d *callback.Data, b []byte, texts []string, numbers []int64) bool {
	r := plainReader{b: string(b), texts: texts, numbers: numbers}
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

// integer reads an int, which has 32 bits.
func (r *plainReader) integer() int32 {
	n := r.long()
	r.bad = r.bad || int64(int32(n)) != n
	return int32(n)
}

func (r *plainReader) text() string {
	n := r.long()
	if r.bad || n < 0 || n > min(int64(len(r.b)), avro.MaxLength) || !utf8.ValidString(r.b[:n]) {
		r.bad = true
		return ""
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

// items reads the count of an array or a map that was written as one block. An item has a byte or more.
func (r *plainReader) items() int64 {
	n := r.long()
	if r.bad || n < 0 || n > int64(len(r.b)) {
		r.bad = true
		return 0
	}
	return n
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
	n := r.items()
	if r.bad {
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
	r.end(n)
	return m
}
