package wire

import (
	"context"
	"strings"
	"time"

	"github.com/ringback/ringback/pkg/avro"
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
)

// deadLetterFields are the fields of the dead letter's schema, in its order.
var deadLetterFields = []string{
	"component", "topic", "partition", "offset", "reason", "detail", "missing_kvps", "service_id",
	"record_timestamp", "record_key", "record_value", "record_headers",
}

// DeadLetter makes the record of a dead letter. Whatever the bad record holds, this
// does not fail for it: text that is not UTF-8 is mended.
func (c *Codec) DeadLetter(d *callback.DeadLetter) (kafka.Record, error) {
	s := shapes().deadLetter
	rec := s.take()
	defer s.give(rec)
	r := *rec
	r[0], r[1], r[2], r[3] = mend(d.Component), mend(d.Topic), d.Partition, d.Offset
	r[4], r[5] = mend(string(d.Reason)), mend(d.Detail)
	missing := make([]string, len(d.Missing))
	for i := range d.Missing {
		missing[i] = mend(d.Missing[i])
	}
	r[6] = missing
	subject := ""
	if d.ServiceID != nil {
		subject = mend(*d.ServiceID)
		r[7] = subject
	}
	r[8] = d.RecordTime.UnixMilli()
	if d.RecordKey != nil {
		r[9] = d.RecordKey
	}
	if d.RecordValue != nil {
		r[10] = d.RecordValue
	}
	headers := make([]avro.Record, len(d.RecordHeaders))
	for i, h := range d.RecordHeaders {
		headers[i] = avro.Record{mend(h.Name), h.Value}
	}
	r[11] = headers
	value, err := c.encode(make([]byte, 0, 512+len(d.RecordValue)+64*len(headers)), s, r)
	if err != nil {
		return kafka.Record{}, err
	}
	a := attributes{
		id: mend(d.ID()), source: "/ringback/" + mend(d.Component), typ: TypeDeadLetter, subject: subject,
		time: callback.Micros(d.RecordTime.UnixMicro()),
	}
	out := kafka.Record{Topic: topic.DeadLetters, Partition: kafka.AnyPartition, Value: value, Headers: a.headers()}
	if subject != "" {
		out.Key = []byte(subject)
	}
	return out, nil
}

// ParseDeadLetter reads the record of a dead letter. Errors are as ParseLifecycle's.
func (c *Codec) ParseDeadLetter(ctx context.Context, rec *kafka.Record) (*callback.DeadLetter, error) {
	if _, err := c.parseOwn(rec, TypeDeadLetter); err != nil {
		return nil, err
	}
	s := shapes().deadLetter
	held := s.take()
	defer s.give(held)
	r := *held
	if err := c.decode(ctx, s, r, rec.Value); err != nil {
		return nil, err
	}
	d := &callback.DeadLetter{
		Component:  r[0].(string),
		Topic:      r[1].(string),
		Partition:  r[2].(int32),
		Offset:     r[3].(int64),
		Reason:     callback.Reason(r[4].(string)),
		Detail:     r[5].(string),
		ServiceID:  opt[string](r[7]),
		RecordTime: time.UnixMilli(r[8].(int64)).UTC(),
	}
	for _, m := range r[6].([]any) {
		d.Missing = append(d.Missing, m.(string))
	}
	d.RecordKey, _ = r[9].([]byte)
	d.RecordValue, _ = r[10].([]byte)
	for _, h := range r[11].([]any) {
		header := h.(avro.Record)
		d.RecordHeaders = append(d.RecordHeaders, callback.Header{Name: header[0].(string), Value: header[1].([]byte)})
	}
	return d, nil
}

func mend(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
