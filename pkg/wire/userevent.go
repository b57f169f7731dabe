package wire

import (
	"context"

	"github.com/ringback/ringback/pkg/avro"
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
)

// The CloudEvents types and the source of what the pipeline itself writes.
const (
	TypeUserEvent    = "callback.userevent"
	TypeAttachedData = "callback.attacheddata"
	TypeDeadLetter   = "callback.deadletter"

	sourceEnricher = "/ringback/enricher"
)

// userEventHead are the fields of the UserEvent's schema before the KVPs; the events follow them.
var userEventHead = []string{
	"event_sequence", "cause", "logic_version", "service_name", "media_type", "last_event_time",
	"desired_time", "push_delivery_confirmed", "customer_ready_to_start_ixn",
}

const numHead = 9

func userEventFields() []string {
	names := append([]string(nil), userEventHead...)
	for k := range callback.KVP(callback.NumKVPs) {
		names = append(names, k.Info().Field)
	}
	return append(names, "events")
}

// UserEvent makes the record of a UserEvent. Its id tells the same UserEvent however often it is made.
func (c *Codec) UserEvent(u *callback.UserEvent) (kafka.Record, error) {
	value, ok := plainUserEventValue(c.ids[shapes().userEvent.number], u)
	if !ok {
		var err error
		if value, err = c.encodeUserEvent(u); err != nil {
			return kafka.Record{}, err
		}
	}
	id := u.ServiceID()
	a := attributes{id: u.ID(), source: sourceEnricher, typ: TypeUserEvent, subject: id, time: u.LastEventTime}
	return kafka.Record{
		Topic: topic.UserEvents, Partition: kafka.AnyPartition, Key: []byte(id), Value: value, Headers: a.headers(),
	}, nil
}

// encodeUserEvent encodes it by its schema.
func (c *Codec) encodeUserEvent(u *callback.UserEvent) ([]byte, error) {
	s := shapes().userEvent
	rec := s.take()
	defer s.give(rec)
	r := *rec
	r[0], r[1], r[2] = u.Sequence, string(u.Cause), u.LogicVersion
	r[3], r[4], r[5] = u.ServiceName, u.MediaType, int64(u.LastEventTime)
	r[6], r[7], r[8] = u.DesiredTime, u.PushDeliveryConfirmed, u.CustomerReadyToStartIxn
	for k := range u.KVPs {
		switch v := &u.KVPs[k]; {
		case !v.Set:
		case callback.KVP(k).Info().Kind == callback.String:
			r[numHead+k] = &v.Str
		default:
			r[numHead+k] = &v.Int
		}
	}
	events := make([]avro.Record, len(u.Events))
	for i := range u.Events {
		e := &u.Events[i]
		events[i] = avro.Record{e.Source, e.ID, string(e.Type), int64(e.Time), e.Partition, e.Offset, e.Sets}
	}
	r[numHead+callback.NumKVPs] = events
	return c.encode(nil, s, r)
}

// ParseUserEvent reads the record of a UserEvent. Errors are as ParseLifecycle's.
func (c *Codec) ParseUserEvent(ctx context.Context, rec *kafka.Record) (*callback.UserEvent, error) {
	return c.parseUserEvent(rec, func() (*callback.UserEvent, error) { return c.readUserEvent(ctx, rec.Value) })
}

// ParseUserEventValues is ParseUserEvent without the events that it was made of: Events is
// nil and each By is -1. It takes and refuses the same records, for the same reasons.
func (c *Codec) ParseUserEventValues(ctx context.Context, rec *kafka.Record) (*callback.UserEvent, error) {
	return c.parseUserEvent(rec, func() (*callback.UserEvent, error) { return c.readUserEventValues(ctx, rec.Value) })
}

// parseUserEvent reads the attributes, the value by read, and holds them against each other.
func (c *Codec) parseUserEvent(rec *kafka.Record, read func() (*callback.UserEvent, error)) (*callback.UserEvent, error) {
	a, err := c.parseOwn(rec, TypeUserEvent)
	if err != nil {
		return nil, err
	}
	if err := checkKey(rec, a); err != nil {
		return nil, err
	}
	u, err := read()
	if err != nil {
		return nil, err
	}
	if u.Sequence < 1 {
		return nil, callback.Bad(callback.ReasonInvalidField, "event_sequence is %d; it counts from 1", u.Sequence)
	}
	// Without a service id in the value, the store says what is missing (invariant 9).
	if id := u.ServiceID(); id != "" && id != a.subject {
		return nil, callback.Bad(callback.ReasonMiskeyed, "cb_service_id is not the ce_subject")
	}
	return u, nil
}

// readUserEvent reads the value by its schema.
func (c *Codec) readUserEvent(ctx context.Context, value []byte) (*callback.UserEvent, error) {
	s := shapes().userEvent
	held := s.take()
	defer s.give(held)
	r := *held
	if err := c.decode(ctx, s, r, value); err != nil {
		return nil, err
	}
	u := &callback.UserEvent{
		Sequence:                r[0].(int32),
		Cause:                   callback.Cause(r[1].(string)),
		LogicVersion:            r[2].(int32),
		ServiceName:             opt[string](r[3]),
		MediaType:               opt[string](r[4]),
		LastEventTime:           callback.Micros(r[5].(int64)),
		DesiredTime:             opt[int64](r[6]),
		PushDeliveryConfirmed:   opt[int64](r[7]),
		CustomerReadyToStartIxn: opt[int64](r[8]),
	}
	for k := range u.KVPs {
		switch v := r[numHead+k].(type) {
		case string:
			u.KVPs[k] = callback.Value{Set: true, Str: v, By: -1}
		case int64:
			u.KVPs[k] = callback.Value{Set: true, Int: v, By: -1}
		}
	}
	readSources(u, r[numHead+callback.NumKVPs].([]any))
	return u, nil
}

func (c *Codec) readUserEventValues(ctx context.Context, value []byte) (*callback.UserEvent, error) {
	if id, payload, err := avro.SplitHeader(value); err == nil && id == c.ids[shapes().userEvent.number] {
		if u, ok := parseUserEventValues(payload); ok {
			return u, nil
		}
	}
	u, err := c.readUserEvent(ctx, value)
	if err != nil {
		return nil, err
	}
	u.Events = nil
	for k := range u.KVPs {
		if v := &u.KVPs[k]; v.Set {
			v.By = -1
		}
	}
	return u, nil
}

// readSources restores the applied events, and by what they set, which event gave each value.
func readSources(u *callback.UserEvent, events []any) {
	u.Events = make([]callback.SourceEvent, len(events))
	for i := range events {
		r := events[i].(avro.Record)
		e := &u.Events[i]
		*e = callback.SourceEvent{
			Source: r[0].(string), ID: r[1].(string), Type: callback.Type(r[2].(string)), Time: callback.Micros(r[3].(int64)),
			Partition: r[4].(int32), Offset: r[5].(int64),
		}
		sets := r[6].([]any)
		if len(sets) == 0 {
			continue
		}
		e.Sets = make([]string, len(sets))
		for j := range sets {
			e.Sets[j] = sets[j].(string)
			if k, ok := callback.KVPByName(e.Sets[j]); ok && u.KVPs[k].Set {
				u.KVPs[k].By = int32(i)
				e.Sets[j] = k.String() // the one string of that name
			}
		}
	}
}

// parseOwn reads the attributes of a record that the pipeline itself writes, of one type.
func (c *Codec) parseOwn(rec *kafka.Record, typ string) (*attributes, error) {
	var a attributes
	if err := a.parse(rec, &optional{}); err != nil {
		return nil, err
	}
	if a.typ != typ {
		return nil, callback.Bad(callback.ReasonUnknownType, "ce_type is %s, not %s", callback.ShowName(a.typ), typ)
	}
	return &a, nil
}
