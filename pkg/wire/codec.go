package wire

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ringback/ringback/pkg/avro"
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/schemas"
)

// shape is one shape of record: its newest schema, and the subject it is registered under.
type shape struct {
	number  int
	name    string // of the schema, as package schemas knows it
	subject string
	schema  *avro.Schema
	records sync.Pool // of *avro.Record, for values that are only passed through
}

const numShapes = 6

// shapes are parsed once, when the first is used.
var shapes = sync.OnceValue(func() *struct{ lifecycle, userEvent, attached, deadLetter, state, position *shape } {
	number := 0
	load := func(name, subject string, fields []string) *shape {
		text, _, err := schemas.Latest(name)
		if err != nil {
			panic(err)
		}
		s := &shape{number: number, name: name, schema: avro.MustParse(text)}
		number++
		s.subject = subject + "-value"
		if subject == topic.Sessions {
			s.subject = subject + "-" + s.schema.Name()
		}
		s.records.New = func() any {
			r := make(avro.Record, s.schema.Len())
			return &r
		}
		// The conversions index a record by the position of its fields.
		if have := s.schema.Fields(); fields != nil && fmt.Sprint(have) != fmt.Sprint(fields) {
			panic(fmt.Sprintf("wire: schema %s has fields %v, the code knows %v", name, have, fields))
		}
		return s
	}
	return &struct{ lifecycle, userEvent, attached, deadLetter, state, position *shape }{
		lifecycle:  load(schemas.LifecycleEvent, topic.Lifecycle, dataFields),
		userEvent:  load(schemas.UserEvent, topic.UserEvents, userEventFields()),
		attached:   load(schemas.AttachedData, topic.AttachedData, attachedFields),
		deadLetter: load(schemas.DeadLetter, topic.DeadLetters, deadLetterFields),
		state:      load(schemas.SessionState, topic.Sessions, nil),
		position:   load(schemas.Position, topic.Sessions, positionFields),
	}
})

func (s *shape) take() *avro.Record { return s.records.Get().(*avro.Record) }

func (s *shape) give(r *avro.Record) {
	clear(*r)
	s.records.Put(r)
}

// Codec encodes and decodes records. It is safe for concurrent use.
type Codec struct {
	registry *registry.Client
	ids      [numShapes]int
	readers  [numShapes]sync.Map // schema id of the writer -> reader
}

// reader is how a writer's schema is read; err says why it cannot be.
type reader struct {
	avro *avro.Reader
	err  error
}

// New registers the newest version of each schema, or finds it registered, and
// returns a codec. The error is an outage where the registry is away, a
// misconfiguration where it refuses a schema.
func New(ctx context.Context, reg *registry.Client) (*Codec, error) {
	c := &Codec{registry: reg}
	all := shapes()
	for _, s := range []*shape{all.lifecycle, all.userEvent, all.attached, all.deadLetter, all.state, all.position} {
		id, err := reg.Register(ctx, s.subject, s.schema.String())
		if err != nil {
			return nil, fmt.Errorf("wire: %w", err)
		}
		same, err := avro.NewReader(s.schema, s.schema)
		if err != nil {
			return nil, fmt.Errorf("wire: %w", err)
		}
		c.ids[s.number] = id
		c.readers[s.number].Store(id, &reader{avro: same})
	}
	return c, nil
}

// encode appends the framed record to b.
func (c *Codec) encode(b []byte, s *shape, r avro.Record) ([]byte, error) {
	b, err := s.schema.AppendRecord(avro.AppendHeader(b, c.ids[s.number]), r)
	if err != nil {
		return nil, fmt.Errorf("wire: %w", err)
	}
	return b, nil
}

// decode reads a framed value into r. Its error is a *callback.BadRecord, an outage,
// or wraps registry.ErrUnknownSchema.
func (c *Codec) decode(ctx context.Context, s *shape, r avro.Record, value []byte) error {
	if value == nil {
		return callback.Bad(callback.ReasonUndecodable, "the value is null")
	}
	id, payload, err := avro.SplitHeader(value)
	if err != nil {
		return callback.Bad(callback.ReasonUndecodable, "the value (%d bytes) does not begin with a zero byte and a schema id: it is not in the Confluent wire format", len(value))
	}
	read, err := c.reader(ctx, s, id)
	if err != nil {
		return err
	}
	if _, err := read.Decode(r, payload); err != nil {
		return callback.Bad(callback.ReasonUndecodable, "the value is no record of its schema (id %d): %v", id, err)
	}
	return nil
}

// reader returns how records of that writer's schema are read. What was found out of an id holds for good.
func (c *Codec) reader(ctx context.Context, s *shape, id int) (*avro.Reader, error) {
	known, ok := c.readers[s.number].Load(id)
	if !ok {
		text, err := c.registry.SchemaByID(ctx, id)
		if err != nil && !errors.Is(err, registry.ErrUnsupportedSchema) {
			return nil, fmt.Errorf("wire: %w", err)
		}
		found := &reader{err: err}
		if err == nil {
			found.avro, found.err = newReader(text, s.schema)
		}
		known, _ = c.readers[s.number].LoadOrStore(id, found)
	}
	if r := known.(*reader); r.err == nil {
		return r.avro, nil
	} else {
		return nil, callback.Bad(callback.ReasonUndecodable, "schema id %d is not one of %s: %.300v", id, s.subject, r.err)
	}
}

func newReader(text string, as *avro.Schema) (*avro.Reader, error) {
	writer, err := avro.Parse(text)
	if err != nil {
		return nil, err
	}
	return avro.NewReader(writer, as)
}
