package wire

import (
	"context"
	"fmt"
	"strings"

	"github.com/ringback/ringback/pkg/avro"
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
)

// Lifecycle makes the record of a lifecycle event.
func (c *Codec) Lifecycle(e *callback.Event) (kafka.Record, error) {
	s := shapes().lifecycle
	value, err := appendData(avro.AppendHeader(make([]byte, 0, 192), c.ids[s.number]), &e.Data)
	if err != nil {
		return kafka.Record{}, err
	}
	a := attributes{
		id: e.ID, source: e.Source, typ: string(e.Type), subject: e.Subject, time: e.Time,
		tenant: e.TenantDBID, orsSession: e.ORSSessionID, extensions: e.Extensions,
	}
	return kafka.Record{
		Topic:     topic.Lifecycle,
		Partition: kafka.AnyPartition,
		Key:       []byte(e.Subject),
		Value:     value,
		Headers:   a.headers(),
	}, nil
}

// ParseLifecycle reads the record of a lifecycle event and checks it against the
// contract of its type. The error is a *callback.BadRecord (its detail quotes nothing
// that could be personal, invariant 10), an outage of the registry, or wraps
// registry.ErrUnknownSchema: whether to ask again is the caller's matter.
func (c *Codec) ParseLifecycle(ctx context.Context, r *kafka.Record) (*callback.Event, error) {
	made := &roomyEvent{}
	var a attributes
	if err := a.parse(r, &made.optional); err != nil {
		return nil, err
	}
	e := &made.Event
	e.Source, e.ID, e.Type, e.Subject, e.Time = a.source, a.id, callback.Type(a.typ), a.subject, a.time
	e.TenantDBID, e.ORSSessionID, e.Extensions = a.tenant, a.orsSession, a.extensions
	if e.Type.Rank() == 0 {
		return nil, callback.Bad(callback.ReasonUnknownType, "ce_type %s is no type of lifecycle event", callback.ShowName(a.typ))
	}
	if err := checkKey(r, &a); err != nil {
		return nil, err
	}
	if err := c.readData(ctx, made, r.Value); err != nil {
		return nil, err
	}
	if faults := e.Validate(); len(faults) > 0 {
		return nil, callback.Bad(callback.CodeOf(faults), "%s", describe(faults))
	}
	return e, nil
}

// roomyEvent is an event with room for what most of its pointers point to: one piece of memory for all.
type roomyEvent struct {
	callback.Event
	optional
	texts   [4]string
	numbers [2]int64
}

func (c *Codec) readData(ctx context.Context, made *roomyEvent, value []byte) error {
	s, d := shapes().lifecycle, &made.Data
	if id, payload, err := avro.SplitHeader(value); err == nil && id == c.ids[s.number] {
		if parseData(d, payload, made.texts[:0], made.numbers[:0]) {
			return nil
		}
		*d = callback.Data{}
	}
	rec := s.take()
	defer s.give(rec)
	if err := c.decode(ctx, s, *rec, value); err != nil {
		return err
	}
	readData(d, *rec)
	return nil
}

// describe lists the faults, five at most.
func describe(faults []callback.Fault) string {
	var b strings.Builder
	for i, f := range faults {
		if i == 5 {
			fmt.Fprintf(&b, "; and %d more", len(faults)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.String())
	}
	return b.String()
}
