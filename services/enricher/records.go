package enricher

import (
	"context"
	"errors"
	"sort"
	"time"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/deadletter"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/poison"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/session"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/tracing"
	"github.com/ringback/ringback/pkg/wire"
)

// Component is the enricher's name in dead letters.
const Component = "enricher"

// unknownSchemaPatience is how long a schema id that the registry does not know is
// asked for again: a registry may lag behind the producer that registered it.
const unknownSchemaPatience = 30 * time.Second

// poisonHold is a partition that waits for an operator to accept bad records up to an offset.
type poisonHold struct {
	offset   int64
	reason   callback.Reason
	accepted chan int64
}

// decode turns what was fetched into what the rules read. With a hold it is the
// part before the record at which the partition is to pause.
func (o *owner) decode(ctx context.Context, got kafka.Fetched) (records []session.Record, next int64, hold *poisonHold, err error) {
	records = make([]session.Record, 0, len(got.Records))
	for i := range got.Records {
		r := &got.Records[i]
		record, err := o.parse(ctx, r)
		if errors.Is(err, registry.ErrUnknownSchema) {
			if len(records) > 0 {
				return records, r.Offset, nil, nil // what comes before it does not wait
			}
			o.metrics.unknown.Inc()
			o.setStatus(o.number, false, err.Error())
			if !wait(ctx, firstBackoff) {
				return nil, 0, nil, ctx.Err()
			}
			return nil, r.Offset, nil, errAgain
		}
		if err != nil {
			return nil, 0, nil, err
		}
		bad := record.Bad != nil && poison.CountsAs(record.Bad.Reason)
		if o.poison.Observe(bad) && !o.acceptedUpTo(r.Offset) {
			// Invariant 7: pause before more is dead-lettered.
			return records, r.Offset, &poisonHold{offset: r.Offset, reason: record.Bad.Reason, accepted: make(chan int64, 1)}, nil
		}
		records = append(records, record)
	}
	return records, got.Next, nil, nil
}

// parse reads one record. An outage is waited out; bad data is part of the answer.
func (o *owner) parse(ctx context.Context, r *kafka.Record) (session.Record, error) {
	record := session.Record{Offset: r.Offset, Time: r.Time.UnixMilli()}
	if tick, flush := wire.IsTick(r); tick {
		record.Tick, record.Flush = true, flush
		return record, nil
	}
	event, err := o.event(ctx, r)
	switch {
	case err == nil && kafka.PartitionForKey(r.Key, o.partitions) != o.number:
		err = callback.Bad(callback.ReasonMiskeyed, "event %q of %q lies on partition %d; its key belongs to partition %d",
			event.ID, event.Source, o.number, kafka.PartitionForKey(r.Key, o.partitions))
	case err == nil:
		record.Event = event
	}
	if errors.As(err, &record.Bad) {
		return record, nil
	}
	return record, err
}

// errAgain says that a fetch is to be repeated.
var errAgain = errors.New("enricher: again")

// event decodes a lifecycle event. A schema id that the registry does not know is
// bad data only after it has been asked for long enough, once for all records that name it.
func (o *owner) event(ctx context.Context, r *kafka.Record) (*callback.Event, error) {
	event, err := retry(ctx, o.Enricher, o.number, func() (*callback.Event, error) { return o.codec.ParseLifecycle(ctx, r) })
	if !errors.Is(err, registry.ErrUnknownSchema) {
		return event, err
	}
	id := string(r.Value[:min(5, len(r.Value))])
	since, asked := o.unknown[id]
	if !asked {
		since = o.now()
		o.unknown[id] = since
	}
	if o.now().Sub(since) >= unknownSchemaPatience {
		return nil, callback.Bad(callback.ReasonUnknownSchema, "the value names a schema id that the registry does not know")
	}
	return nil, err
}

// encode makes the records of a transaction, in the order in which they became due.
func (o *owner) encode(raw []kafka.Record, fx *session.Effects, letterSize int) ([]kafka.Record, error) {
	out := make([]kafka.Record, 0, len(fx.UserEvents)+len(fx.Attached)+len(fx.DeadLetters)+len(fx.States)+1)
	add := func(r kafka.Record, err error, at int64) error {
		if at > 0 {
			r.Time = time.UnixMilli(at)
		}
		out = append(out, r)
		return err
	}
	for i := range fx.UserEvents {
		r, err := o.codec.UserEvent(&fx.UserEvents[i].What)
		r.Headers = appendTrace(r.Headers, raw, fx.UserEvents[i].Event)
		if err := add(r, err, fx.UserEvents[i].At); err != nil {
			return nil, err
		}
	}
	for i := range fx.Attached {
		r, err := o.codec.AttachedData(&fx.Attached[i].What)
		r.Headers = appendTrace(r.Headers, raw, fx.Attached[i].Event)
		if err := add(r, err, fx.Attached[i].At); err != nil {
			return nil, err
		}
	}
	for _, d := range fx.DeadLetters {
		letter := deadletter.New(Component, &raw[d.Record], d.Bad.Reason, d.Bad.Detail)
		deadletter.Cut(letter, letterSize)
		r, err := o.codec.DeadLetter(letter)
		if err := add(r, err, raw[d.Record].Time.UnixMilli()); err != nil {
			return nil, err
		}
	}
	for _, s := range fx.States {
		r := kafka.Record{Topic: topic.Sessions, Partition: o.number, Key: []byte(s.ServiceID)}
		if s.Encoded != nil {
			r.Value = o.codec.FrameState(s.Encoded)
		}
		out = append(out, r)
	}
	r, err := o.codec.Position(fx.Position)
	r.Partition = o.number
	return out, add(r, err, 0)
}

// appendTrace hands on the trace of the event that made a record due; what a deadline made due
// belongs to none. It is the log's own, and not the span of this run (invariant 3).
func appendTrace(headers []kafka.Header, raw []kafka.Record, event int64) []kafka.Header {
	if event < 0 {
		return headers
	}
	i := sort.Search(len(raw), func(i int) bool { return raw[i].Offset >= event })
	parent, state := tracing.Carried(raw[i].Header)
	if parent == nil {
		return headers
	}
	headers = append(headers, kafka.Header{Key: tracing.Parent, Value: parent})
	if state != nil {
		headers = append(headers, kafka.Header{Key: tracing.State, Value: state})
	}
	return headers
}
