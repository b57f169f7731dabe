package callback

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// tracing names the extension attributes that follow a message, not the event:
// a redelivery may carry others.
var tracing = []string{"traceparent", "tracestate"}

// Digest is that of the event's content: type, subject, time, extensions and
// data. Two events of equal source and id are duplicates where it is equal and in
// CONFLICT where it is not. Source, id and tracing are not in it.
//
// It is kept in the state of sessions, so it must stay the same from release to
// release.
func (e *Event) Digest() [16]byte {
	var room [512]byte
	d := digester{buf: room[:0]}
	d.str(string(e.Type))
	d.str(e.Subject)
	d.num(int64(e.Time))
	d.optNum(1, e.TenantDBID)
	d.optStr(2, e.ORSSessionID)
	d.strMap(3, e.Extensions, tracing)
	d.data(&e.Data)
	sum := sha256.Sum256(d.buf)
	return [16]byte(sum[:16])
}

// digester writes each optional value behind its number, and each text behind its
// length, so that no two contents have the same bytes. What is not given leaves no
// trace: a field that a later release adds changes no digest of an event without it.
type digester struct {
	buf  []byte
	text func(string) uint64 // where set, a text is written as the number that it gives
}

func (d *digester) num(n int64) { d.buf = binary.AppendVarint(d.buf, n) }

func (d *digester) str(s string) {
	if d.text != nil {
		d.buf = binary.AppendUvarint(d.buf, d.text(s))
		return
	}
	d.buf = binary.AppendUvarint(d.buf, uint64(len(s)))
	d.buf = append(d.buf, s...)
}

func (d *digester) optNum(number byte, n *int64) {
	if n != nil {
		d.buf = append(d.buf, number)
		d.num(*n)
	}
}

func (d *digester) optTime(number byte, t *Micros) { d.optNum(number, (*int64)(t)) }

func (d *digester) optStr(number byte, s *string) {
	if s != nil {
		d.buf = append(d.buf, number)
		d.str(*s)
	}
}

// strMap writes the pairs in order of name, without those named. An empty map is
// no other content than none: not every encoding tells them apart.
func (d *digester) strMap(number byte, m map[string]string, without []string) {
	names := sortedKeys(m)
	if len(without) > 0 {
		names = slices.DeleteFunc(names, func(n string) bool { return slices.Contains(without, n) })
	}
	if len(names) == 0 {
		return
	}
	d.buf = append(d.buf, number)
	d.num(int64(len(names)))
	for _, name := range names {
		d.str(name)
		d.str(m[name])
	}
}

// data gives each field its number for good; the next is 43. ParseData reads them by it.
func (d *digester) data(x *Data) {
	d.optStr(11, x.Channel)
	d.optStr(12, x.OfferType)
	d.optStr(13, x.OfferTiming)
	d.optNum(14, x.EWT)
	d.optNum(15, x.Position)
	d.optNum(16, x.EWTThreshold)
	d.optNum(17, x.InboundVQEWT)
	d.optNum(18, x.WaitedBeforeOffer)
	d.optStr(19, x.CustomerANI)
	d.optStr(20, x.OriginationIxnID)
	if q := x.VirtualQueue; q != nil {
		d.optStr(21, &q.Name)
		d.optNum(22, q.DBID)
		d.optNum(23, q.CfgTypeID)
		d.optStr(24, q.CfgType)
	}
	d.optNum(25, x.Priority)
	d.optStr(26, x.CallbackType)
	d.optStr(27, x.ServiceName)
	d.optStr(28, x.CustomerNumber)
	d.optTime(29, x.DesiredTime)
	d.optStr(30, x.CallDirection)
	d.optStr(31, x.MediaType)
	d.optNum(32, x.MaxAttempts)
	d.strMap(33, x.Parameters, nil)
	if b := x.IgnoringAvailability; b != nil {
		n := int64(0)
		if *b {
			n = 1
		}
		d.optNum(34, &n)
	}
	d.optStr(35, x.Kind)
	d.optStr(36, x.IxnID)
	d.optStr(37, x.Result)
	d.optNum(38, x.Attempt)
	d.optTime(39, x.NextAttemptAt)
	d.optStr(40, x.Target)
	d.optStr(41, x.ConnectOrder)
	d.optStr(42, x.Disposition)
}
