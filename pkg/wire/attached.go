package wire

import (
	"context"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
)

// attachedFields are the fields of the schema of attached data, in its order.
var attachedFields = []string{
	"ixn_id", "occasion", "event_source", "event_id", "service_name", "logic_version", "last_event_time",
	"cb_service_id", "cb_t_callback_accepted", "cb_t_customer_connected", "cb_t_service_start",
}

// AttachedData makes the record of attached data.
func (c *Codec) AttachedData(d *callback.AttachedData) (kafka.Record, error) {
	s := shapes().attached
	rec := s.take()
	defer s.give(rec)
	r := *rec
	r[0], r[1] = d.IxnID, string(d.Occasion)
	if d.EventID != "" || d.EventSource != "" {
		r[2], r[3] = d.EventSource, d.EventID
	}
	r[4], r[5], r[6] = d.ServiceName, d.LogicVersion, int64(d.LastEventTime)
	r[7], r[8], r[9], r[10] = d.ServiceID, d.CallbackAccepted, d.CustomerConnected, d.ServiceStart
	value, err := c.encode(make([]byte, 0, 192), s, r)
	if err != nil {
		return kafka.Record{}, err
	}
	a := attributes{id: d.ID(), source: sourceEnricher, typ: TypeAttachedData, subject: d.ServiceID, time: d.LastEventTime}
	return kafka.Record{
		Topic: topic.AttachedData, Partition: kafka.AnyPartition, Key: []byte(d.ServiceID), Value: value, Headers: a.headers(),
	}, nil
}

// ParseAttachedData reads the record of attached data. Errors are as ParseLifecycle's.
func (c *Codec) ParseAttachedData(ctx context.Context, rec *kafka.Record) (*callback.AttachedData, error) {
	a, err := c.parseOwn(rec, TypeAttachedData)
	if err != nil {
		return nil, err
	}
	if err := checkKey(rec, a); err != nil {
		return nil, err
	}
	s := shapes().attached
	held := s.take()
	defer s.give(held)
	r := *held
	if err := c.decode(ctx, s, r, rec.Value); err != nil {
		return nil, err
	}
	d := &callback.AttachedData{
		IxnID:             r[0].(string),
		Occasion:          callback.Occasion(r[1].(string)),
		ServiceName:       opt[string](r[4]),
		LogicVersion:      r[5].(int32),
		LastEventTime:     callback.Micros(r[6].(int64)),
		ServiceID:         r[7].(string),
		CallbackAccepted:  opt[int64](r[8]),
		CustomerConnected: opt[int64](r[9]),
		ServiceStart:      opt[int64](r[10]),
	}
	d.EventSource, _ = r[2].(string)
	d.EventID, _ = r[3].(string)
	switch {
	case d.ServiceID != a.subject:
		return nil, callback.Bad(callback.ReasonMiskeyed, "cb_service_id is not the ce_subject")
	case d.IxnID == "":
		return nil, callback.Bad(callback.ReasonInvalidField, "ixn_id is empty: there is nothing to attach to")
	}
	return d, nil
}
