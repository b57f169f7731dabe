package intake

import (
	"fmt"
	"strconv"

	"github.com/ringback/ringback/pkg/callback"
)

// fieldBits is a set of fields of the data, by their row in fields.
type fieldBits uint32

// reader reads the value of a field into the event.
type reader func(p *parser, d *callback.Data, name string) bool

type field struct {
	bit  fieldBits
	read reader
}

// fields holds every field of the data that some type of event has.
var fields = func() map[string]field {
	m := make(map[string]field)
	add := func(name string, read reader) {
		m[name] = field{bit: 1 << len(m), read: read}
	}
	add("channel", text(func(d *callback.Data) **string { return &d.Channel }))
	add("offer_type", text(func(d *callback.Data) **string { return &d.OfferType }))
	add("offer_timing", text(func(d *callback.Data) **string { return &d.OfferTiming }))
	add("ewt", number(func(d *callback.Data) **int64 { return &d.EWT }))
	add("position", number(func(d *callback.Data) **int64 { return &d.Position }))
	add("ewt_threshold", number(func(d *callback.Data) **int64 { return &d.EWTThreshold }))
	add("inbound_vq_ewt", number(func(d *callback.Data) **int64 { return &d.InboundVQEWT }))
	add("waited_before_offer", number(func(d *callback.Data) **int64 { return &d.WaitedBeforeOffer }))
	add("customer_ani", text(func(d *callback.Data) **string { return &d.CustomerANI }))
	add("origination_ixn_id", text(func(d *callback.Data) **string { return &d.OriginationIxnID }))
	add("virtual_queue", virtualQueue)
	add("priority", number(func(d *callback.Data) **int64 { return &d.Priority }))
	add("callback_type", text(func(d *callback.Data) **string { return &d.CallbackType }))
	add("service_name", text(func(d *callback.Data) **string { return &d.ServiceName }))
	add("customer_number", text(func(d *callback.Data) **string { return &d.CustomerNumber }))
	add("desired_time", moment(func(d *callback.Data) **callback.Micros { return &d.DesiredTime }))
	add("call_direction", text(func(d *callback.Data) **string { return &d.CallDirection }))
	add("media_type", text(func(d *callback.Data) **string { return &d.MediaType }))
	add("max_attempts", number(func(d *callback.Data) **int64 { return &d.MaxAttempts }))
	add("parameters", parameters)
	add("ignoring_availability", ignoringAvailability)
	add("kind", text(func(d *callback.Data) **string { return &d.Kind }))
	add("ixn_id", text(func(d *callback.Data) **string { return &d.IxnID }))
	add("result", text(func(d *callback.Data) **string { return &d.Result }))
	add("attempt", number(func(d *callback.Data) **int64 { return &d.Attempt }))
	add("next_attempt_at", moment(func(d *callback.Data) **callback.Micros { return &d.NextAttemptAt }))
	add("target", text(func(d *callback.Data) **string { return &d.Target }))
	add("connect_order", text(func(d *callback.Data) **string { return &d.ConnectOrder }))
	add("disposition", text(func(d *callback.Data) **string { return &d.Disposition }))
	return m
}()

// data reads the data of the event; null is none.
func (p *parser) data() bool {
	switch kind := p.kind(); kind {
	case "an object":
		return p.object(p.dataField)
	case "null":
		return p.skip()
	default:
		ok := p.skip()
		if ok {
			p.faults.field("data", "must be an object, was "+kind)
		}
		return ok
	}
}

func (p *parser) dataField(name string) bool {
	f, known := fields[name]
	switch {
	case !known:
		p.faults.field(callback.ShowName(name), "is no field of the data of any event")
		return p.skip()
	case p.fields&f.bit != 0:
		p.faults.field(name, twice)
		return p.skip()
	}
	p.fields |= f.bit
	if p.null() { // not given
		return true
	}
	// A value that is no valid one has its fault; only broken JSON ends the parse.
	f.read(p, &p.event.Data, name)
	return p.problem == ""
}

func text(of func(*callback.Data) **string) reader {
	return func(p *parser, d *callback.Data, name string) bool {
		s, ok := p.stringOf(name, fieldFault)
		if ok {
			*of(d) = &s
		}
		return ok
	}
}

func number(of func(*callback.Data) **int64) reader {
	return func(p *parser, d *callback.Data, name string) bool {
		n, ok := p.integerOf(name, fieldFault)
		if ok {
			*of(d) = &n
		}
		return ok
	}
}

func moment(of func(*callback.Data) **callback.Micros) reader {
	return func(p *parser, d *callback.Data, name string) bool {
		if kind := p.kind(); kind == "a number" {
			p.faults.field(name, notRFC3339+", was a number")
			return p.skip()
		}
		s, ok := p.stringOf(name, fieldFault)
		if !ok {
			return false
		}
		t, ok := instant(s)
		if !ok {
			p.faults.field(name, notRFC3339)
			return false
		}
		*of(d) = &t
		return true
	}
}

func ignoringAvailability(p *parser, d *callback.Data, name string) bool {
	if kind := p.kind(); kind != "a boolean" {
		p.faults.field(name, "must be a boolean, was "+kind)
		return p.skip()
	}
	is := p.peek() == 't'
	d.IgnoringAvailability = &is
	return p.skip()
}

func virtualQueue(p *parser, d *callback.Data, name string) bool {
	if kind := p.kind(); kind != "an object" {
		p.faults.field(name, "must be an object, was "+kind)
		return p.skip()
	}
	var q callback.VirtualQueue
	var given [4]bool
	first := func(i int, key string) bool {
		if given[i] {
			p.faults.field(name+"."+key, twice)
			return false
		}
		given[i] = true
		return true
	}
	ok := p.object(func(key string) bool {
		i, known := queueFields[key]
		if !known {
			p.faults.field(name+"."+callback.ShowName(key), "is no field of a virtual queue")
			return p.skip()
		}
		if !first(i, key) {
			return p.skip()
		}
		if p.null() {
			given[i] = i != 0 // a queue needs its name
			return p.problem == ""
		}
		switch path := name + "." + key; i {
		case 0, 3:
			if s, ok := p.stringOf(path, fieldFault); ok && i == 0 {
				q.Name = s
			} else if ok {
				q.CfgType = &s
			}
		default:
			if n, ok := p.integerOf(path, fieldFault); ok && i == 1 {
				q.DBID = &n
			} else if ok {
				q.CfgTypeID = &n
			}
		}
		return p.problem == ""
	})
	if ok && !given[0] {
		p.faults.field(name+".name", "is missing")
	}
	d.VirtualQueue = &q
	return ok
}

var queueFields = map[string]int{"name": 0, "dbid": 1, "cfg_type_id": 2, "cfg_type": 3}

// parameters reads the _cb_* map. Its values are texts; a number is taken in
// decimal, as the application might as well have written it.
func parameters(p *parser, d *callback.Data, name string) bool {
	if kind := p.kind(); kind != "an object" {
		p.faults.field(name, "must be an object, was "+kind)
		return p.skip()
	}
	m := make(map[string]string)
	met := 0
	ok := p.object(func(key string) bool {
		path := name + "." + callback.ShowName(key)
		if met++; met > callback.MaxParameters {
			p.faults.field(name, fmt.Sprintf("are more than %d", callback.MaxParameters))
			return p.skip()
		}
		if _, known := m[key]; known {
			p.faults.field(path, twice)
			return p.skip()
		}
		m[key] = ""
		switch kind := p.kind(); kind {
		case "a string":
			if s, ok := p.stringOf(path, fieldFault); ok {
				m[key] = s
			}
		case "a number":
			if literal, ok := p.number(); ok {
				m[key] = decimal(literal)
			}
		case "null": // not given
			delete(m, key)
			return p.skip()
		default:
			p.faults.field(path, "must be a string or a number, was "+kind)
			return p.skip()
		}
		return p.problem == ""
	})
	if len(m) > 0 {
		d.Parameters = m
	}
	return ok
}

// decimal writes a JSON number in decimal where it is whole, else as it came.
func decimal(literal string) string {
	if n, reason := integer(literal); reason == "" {
		return formatInt(n)
	}
	return literal
}

func formatInt(n int64) string { return strconv.FormatInt(n, 10) }
