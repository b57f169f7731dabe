package tserver

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ringback/ringback/pkg/kvlist"
)

// request is the body of either request; a field that it does not have stays empty.
type request struct {
	Switch, DN, ANI, DNIS, CustomerID, IdempotencyKey string

	ReferenceID int32
	MediaType   int32
	UserData    []kvlist.Pair
}

// The contract's limits: of names in characters, of keys and values in bytes.
const (
	maxName  = 255
	maxKey   = 1024
	maxPairs = math.MaxUint16
	maxBytes = math.MaxUint16
)

// faults are what is wrong with a body, the first 20 by name.
type faults struct {
	named []fieldFault
	more  int
}

func (f *faults) none() bool { return len(f.named) == 0 }

func (f *faults) add(at pointer, format string, args ...any) {
	if len(f.named) == 20 {
		f.more++
		return
	}
	f.named = append(f.named, fieldFault{at.String(), fmt.Sprintf(format, args...)})
}

func (f *faults) write(w http.ResponseWriter) {
	detail := "the body is not as the contract says"
	if f.more > 0 {
		detail += fmt.Sprintf("; %d more faults are not listed", f.more)
	}
	writeProblem(w, http.StatusBadRequest, detail, f.named)
}

// pointer is a JSON pointer to a member of the body or of one of its pairs. It becomes text only where there is a fault.
type pointer struct {
	pair int    // index of the pair, from 1; 0 is the body
	name string // of the member; empty is the body or the pair itself
}

func (p pointer) String() string {
	s := ""
	if p.pair > 0 {
		s = "/userData/" + strconv.Itoa(p.pair-1)
	}
	if p.name != "" {
		s += "/" + p.name
	}
	return s
}

// kind says which members a body has.
type kind uint8

const (
	forUserEvent kind = iota
	forCall
)

// member is a member that a body may have.
type member struct {
	name     string
	to       *string // nil: a member of a type of its own
	required bool
	most     int // characters
	met      bool
}

// decode reads a body into r, which keeps parts of it, and names every fault of its members. What is no JSON at all
// ends it. r.UserData is appended to.
func decode(body string, k kind, r *request) *faults {
	members := [...]member{
		{name: "switch", to: &r.Switch, required: true, most: maxName},
		{name: "referenceId", required: true},
		{name: "userData", required: true},
		{name: "idempotencyKey", to: &r.IdempotencyKey, most: maxKey},
		{name: "dn", to: &r.DN, required: true, most: maxName},
		{name: "ani", to: &r.ANI, most: maxName},
		{name: "dnis", to: &r.DNIS, most: maxName},
		{name: "customerId", to: &r.CustomerID, most: maxName},
		{name: "mediaType"},
	}
	d := decoder{in: scanner{s: body}}
	if k == forCall {
		d.body(r, members[:4])
	} else {
		d.body(r, members[:])
	}
	d.in.end()
	if d.in.err != nil {
		return &faults{named: []fieldFault{{"", d.in.err.Error()}}}
	}
	return &d.faults
}

type decoder struct {
	in     scanner
	faults faults
}

// body reads an object that has those members, each at most once, and no others.
func (d *decoder) body(r *request, members []member) {
	if d.in.peek() != '{' {
		d.wrong(pointer{}, "must be an object")
		return
	}
	for d.in.open(); d.in.next('}'); {
		name := d.in.memberName()
		if d.in.err != nil {
			return
		}
		i := slices.IndexFunc(members, func(m member) bool { return m.name == name })
		switch {
		case i < 0:
			// The name itself is not repeated: whatever stands here may be a value.
			d.wrong(pointer{}, "has a member that the contract does not have; it has %s", names(members))
			continue
		case members[i].met:
			d.wrong(pointer{name: name}, "is given twice")
			continue
		}
		m := &members[i]
		m.met = true
		switch m.name {
		case "referenceId":
			d.natural(m.name, &r.ReferenceID)
		case "mediaType":
			d.natural(m.name, &r.MediaType)
		case "userData":
			d.userData(r)
		default:
			d.text(m)
		}
	}
	for i := range members {
		if m := &members[i]; m.required && !m.met && d.in.err == nil {
			d.faults.add(pointer{name: m.name}, "is missing")
		}
	}
}

func names(members []member) string {
	list := make([]string, len(members))
	for i, m := range members {
		list[i] = m.name
	}
	return strings.Join(list, ", ")
}

// wrong names a fault and skips the value.
func (d *decoder) wrong(at pointer, format string, args ...any) {
	d.in.skip(0)
	if d.in.err == nil {
		d.faults.add(at, format, args...)
	}
}

func (d *decoder) text(m *member) {
	at := pointer{name: m.name}
	if d.in.peek() != '"' {
		d.wrong(at, "must be a string")
		return
	}
	*m.to = d.in.str()
	switch {
	case d.in.err != nil:
	case m.required && *m.to == "":
		d.faults.add(at, "must not be empty")
	case len(*m.to) > m.most && utf8.RuneCountInString(*m.to) > m.most:
		d.faults.add(at, "has more than %d characters", m.most)
	}
}

// natural reads an integer of 31 bits.
func (d *decoder) natural(name string, to *int32) {
	at := pointer{name: name}
	n, ok := d.integer(at)
	switch {
	case !ok:
	case n < 0 || n > math.MaxInt32:
		d.faults.add(at, "must be from 0 to %d", math.MaxInt32)
	default:
		*to = int32(n)
	}
}

// integer reads an integer; ok is false where it has named a fault.
func (d *decoder) integer(at pointer) (n int64, ok bool) {
	if c := d.in.peek(); c != '-' && (c < '0' || c > '9') {
		d.wrong(at, "must be an integer")
		return 0, false
	}
	token := d.in.number()
	if d.in.err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(token, 10, 64)
	if err != nil {
		d.faults.add(at, "must be an integer of at most 32 bits, written without fraction and exponent")
		return 0, false
	}
	return n, true
}

func (d *decoder) userData(r *request) {
	at := pointer{name: "userData"}
	if d.in.peek() != '[' {
		d.wrong(at, "must be an array")
		return
	}
	n := 0
	for d.in.open(); d.in.next(']'); {
		if n < maxPairs {
			r.UserData = append(r.UserData, d.pair(n+1))
		} else {
			d.in.skip(0)
		}
		n++
	}
	switch {
	case d.in.err != nil:
	case n == 0:
		d.faults.add(at, "must have at least one pair")
	case n > maxPairs:
		d.faults.add(at, "has %d pairs, more than %d", n, maxPairs)
	}
}

// pair reads one pair, counted from 1. Its value is read once its type is known, which may come after it.
func (d *decoder) pair(i int) kvlist.Pair {
	var (
		p                 kvlist.Pair
		kind              string
		key, typed, value bool
		early             = -1 // where a value begins that came before its type
	)
	at := func(name string) pointer { return pointer{pair: i, name: name} }
	if d.in.peek() != '{' {
		d.wrong(at(""), "must be an object")
		return p
	}
	for d.in.open(); d.in.next('}'); {
		name := d.in.memberName()
		switch {
		case d.in.err != nil:
			return p
		case name == "key" && !key:
			key = true
			d.bytes(at("key"), &p.Key, true)
		case name == "type" && !typed:
			typed = true
			if d.in.peek() == '"' {
				kind = d.in.str()
			} else {
				d.in.skip(0)
			}
		case name == "value" && !value:
			value = true
			if typed {
				d.value(at("value"), kind, &p)
				continue
			}
			d.in.space()
			early = d.in.i
			d.in.skip(0)
		case name == "key", name == "type", name == "value":
			d.wrong(at(name), "is given twice")
		default:
			d.wrong(at(""), "has a member that the contract does not have; it has key, type, value")
		}
	}
	if d.in.err != nil {
		return p
	}
	if !key {
		d.faults.add(at("key"), "is missing")
	}
	if !typed {
		d.faults.add(at("type"), "is missing")
	}
	if !value {
		d.faults.add(at("value"), "is missing")
	}
	if typed && kind != "str" && kind != "int" {
		d.faults.add(at("type"), "must be str or int")
	}
	if typed && early >= 0 {
		after := d.in.i
		d.in.i = early
		d.value(at("value"), kind, &p)
		d.in.i = after
	}
	return p
}

// value reads the value of a pair of that type.
func (d *decoder) value(at pointer, kind string, p *kvlist.Pair) {
	switch kind {
	case "str":
		d.bytes(at, &p.Str, false)
	case "int":
		p.Kind = kvlist.Integer
		n, ok := d.integer(at)
		if ok && (n < math.MinInt32 || n > math.MaxInt32) {
			d.faults.add(at, "must be an integer of at most 32 bits")
		}
		p.Int = n
	default:
		d.in.skip(0)
	}
}

// bytes reads a string that T-Server keeps in at most 65,535 bytes.
func (d *decoder) bytes(at pointer, to *string, required bool) {
	if d.in.peek() != '"' {
		d.wrong(at, "must be a string")
		return
	}
	*to = d.in.str()
	switch n := len(*to); {
	case d.in.err != nil:
	case required && n == 0:
		d.faults.add(at, "must not be empty")
	case n > maxBytes:
		d.faults.add(at, "has %d bytes, more than %d", n, maxBytes)
	}
}
