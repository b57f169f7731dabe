package intake

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/binding/spec"

	"github.com/ringback/ringback/pkg/callback"
)

// ParseBinary reads an event in the binary mode of a transport: attributes in
// the message's metadata, where all of them are text, and the data alone as its
// body. The error is one of reading the message; everything else is a Refusal.
func ParseBinary(ctx context.Context, m binding.Message, now time.Time) (*callback.Event, Tracing, *Refusal, error) {
	w := &binaryWriter{}
	if err := m.ReadBinary(ctx, w); err != nil {
		return nil, Tracing{}, nil, fmt.Errorf("intake: %w", err)
	}
	e, tracing, refusal := w.parse(now)
	return e, tracing, refusal, nil
}

// binaryWriter takes a message's parts as the SDK hands them out.
type binaryWriter struct {
	attributes []attribute
	data       []byte
}

type attribute struct{ name, value string }

var _ binding.BinaryWriter = (*binaryWriter)(nil)

func (w *binaryWriter) Start(context.Context) error { return nil }
func (w *binaryWriter) End(context.Context) error   { return nil }

func (w *binaryWriter) SetAttribute(a spec.Attribute, value any) error {
	return w.SetExtension(a.Name(), value)
}

func (w *binaryWriter) SetExtension(name string, value any) error {
	if value != nil {
		w.attributes = append(w.attributes, attribute{name, fmt.Sprint(value)})
	}
	return nil
}

func (w *binaryWriter) SetData(data io.Reader) (err error) {
	w.data, err = io.ReadAll(data)
	return err
}

func (w *binaryWriter) parse(now time.Time) (*callback.Event, Tracing, *Refusal) {
	p := parser{scanner: scanner{src: string(w.data)}}
	// Metadata has no order; faults are listed in one.
	slices.SortFunc(w.attributes, func(a, b attribute) int { return strings.Compare(a.name, b.name) })
	for _, a := range w.attributes {
		p.binaryAttribute(a.name, a.value)
	}
	if p.peek() != 0 || p.pos < len(p.src) {
		if !p.data() || !p.end() {
			p.faults.attribute("data", "is not valid JSON: "+p.problem)
			p.event.Data = callback.Data{}
		}
	}
	if refusal := p.finish(now); refusal != nil {
		return nil, Tracing{}, refusal
	}
	return &p.event, p.tracing, nil
}

// binaryAttribute gives the event an attribute that came as text.
func (p *parser) binaryAttribute(name, s string) {
	switch bit := attributeBits[name]; bit {
	case hasData, hasDataBase64:
		p.faults.attribute(name, "is no attribute: the data is the body")
	case 0:
		if !callback.IsAttributeName(name) {
			p.faults.attribute(callback.ShowName(name), "is no attribute of a CloudEvent: its name must be lower-case letters and digits, at most 64")
			return
		}
		if p.event.Extensions == nil {
			p.event.Extensions = make(map[string]string, 4)
		}
		p.event.Extensions[name] = s
	case hasTenantDBID:
		p.given |= bit
		n, ok := decimalInteger(s)
		if !ok {
			p.faults.attribute(name, "must be an integer")
			return
		}
		p.event.TenantDBID = &n
	default:
		p.given |= bit
		p.set(bit, name, s)
	}
}

// decimalInteger reads an integer as CloudEvents writes it as text.
func decimalInteger(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "-0123456789") != "" {
		return 0, false
	}
	n, reason := integer(s)
	return n, reason == ""
}
