package callback

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// DataForm is the form of the data that AppendTo writes and ParseData reads. A field
// that is added takes the next number of the digest and leaves the form what it is.
const DataForm = 1

// AppendTo appends the data in the form of a session's state: each field that is given,
// behind the number by which the digest knows it. A text is written as the number that
// text gives it, so that a session keeps equal texts once.
func (d *Data) AppendTo(b []byte, text func(string) uint64) []byte {
	w := digester{buf: b, text: text}
	w.data(d)
	return w.buf
}

var errData = errors.New("callback: not the data of an event")

// ParseData reads what AppendTo has written. The data points into texts.
func ParseData(b string, texts []string) (Data, error) {
	var d Data
	r := dataReader{b: b, texts: texts}
	for len(r.b) > 0 && !r.bad {
		number := r.b[0]
		r.b = r.b[1:]
		if !r.field(&d, number) {
			return Data{}, fmt.Errorf("%w: no field has number %d here; a newer release may have written it", errData, number)
		}
	}
	if r.bad {
		return Data{}, errData
	}
	return d, nil
}

// dataReader reads packed data; bad stays set after the first thing that is malformed.
type dataReader struct {
	b       string
	texts   []string
	numbers []int64 // room for those that pointers point to
	bad     bool
}

func (r *dataReader) field(d *Data, number byte) bool {
	switch number {
	case 11:
		d.Channel = r.text()
	case 12:
		d.OfferType = r.text()
	case 13:
		d.OfferTiming = r.text()
	case 14:
		d.EWT = r.number()
	case 15:
		d.Position = r.number()
	case 16:
		d.EWTThreshold = r.number()
	case 17:
		d.InboundVQEWT = r.number()
	case 18:
		d.WaitedBeforeOffer = r.number()
	case 19:
		d.CustomerANI = r.text()
	case 20:
		d.OriginationIxnID = r.text()
	case 21, 22, 23, 24:
		r.queue(d, number)
	case 25:
		d.Priority = r.number()
	case 26:
		d.CallbackType = r.text()
	case 27:
		d.ServiceName = r.text()
	case 28:
		d.CustomerNumber = r.text()
	case 29:
		d.DesiredTime = (*Micros)(r.number())
	case 30:
		d.CallDirection = r.text()
	case 31:
		d.MediaType = r.text()
	case 32:
		d.MaxAttempts = r.number()
	case 33:
		d.Parameters = r.parameters()
	case 34:
		n := r.number()
		given := n != nil && *n == 1
		d.IgnoringAvailability = &given
	case 35:
		d.Kind = r.text()
	case 36:
		d.IxnID = r.text()
	case 37:
		d.Result = r.text()
	case 38:
		d.Attempt = r.number()
	case 39:
		d.NextAttemptAt = (*Micros)(r.number())
	case 40:
		d.Target = r.text()
	case 41:
		d.ConnectOrder = r.text()
	case 42:
		d.Disposition = r.text()
	default:
		return false
	}
	return true
}

func (r *dataReader) queue(d *Data, number byte) {
	if number == 21 {
		d.VirtualQueue = &VirtualQueue{}
		if name := r.text(); name != nil {
			d.VirtualQueue.Name = *name
		}
		return
	}
	q := d.VirtualQueue
	if q == nil { // the name comes first
		r.bad = true
		return
	}
	switch number {
	case 22:
		q.DBID = r.number()
	case 23:
		q.CfgTypeID = r.number()
	default:
		q.CfgType = r.text()
	}
}

func (r *dataReader) parameters() map[string]string {
	n := r.number()
	if n == nil || *n < 0 || *n > int64(len(r.b)) {
		r.bad = true
		return nil
	}
	m := make(map[string]string, *n)
	for range *n {
		name, value := r.text(), r.text()
		if r.bad {
			return nil
		}
		m[*name] = *value
	}
	return m
}

func (r *dataReader) text() *string {
	var n uint64
	for shift := 0; ; shift += 7 {
		if len(r.b) == 0 || shift > 28 {
			r.bad = true
			return nil
		}
		c := r.b[0]
		r.b = r.b[1:]
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			break
		}
	}
	if n >= uint64(len(r.texts)) {
		r.bad = true
		return nil
	}
	return &r.texts[n]
}

func (r *dataReader) number() *int64 {
	v, n := varint(r.b)
	if n <= 0 {
		r.bad = true
		return nil
	}
	r.b = r.b[n:]
	if len(r.numbers) == cap(r.numbers) {
		r.numbers = make([]int64, 0, 8) // those that were handed out stay where they are
	}
	r.numbers = append(r.numbers, v)
	return &r.numbers[len(r.numbers)-1]
}

// varint is binary.Varint for a string.
func varint(s string) (int64, int) {
	var room [binary.MaxVarintLen64]byte
	return binary.Varint(room[:copy(room[:], s)])
}
