package consume

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/deadletter"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/poison"
	"github.com/ringback/ringback/pkg/registry"
)

// gather adds to the pending records what was read ahead. Where there is neither, it
// fetches until there is a batch.
func (p *Partition[T]) gather(ctx context.Context) error {
	g, ok := p.takeAhead(ctx)
	if !ok {
		if len(p.pending) > 0 {
			return nil
		}
		g = p.collect(ctx, p.fetched, p.end)
	}
	if g.err != nil {
		if len(p.pending) > 0 && ctx.Err() == nil {
			return nil // what is there is not held up; the next fetch meets the fault again
		}
		return p.refetch(ctx, g.err)
	}
	if p.doubtful {
		if err := p.verify(ctx); err != nil {
			return p.outage(ctx, stagePosition, err) // what was fetched is fetched again
		}
		p.doubtful = false
	}
	p.fetched, p.end = g.next, g.end
	// The values go with the first records: with some pending, only those that were decoded too.
	if len(p.values) == len(p.pending) {
		p.values = append(p.values, g.values...)
	}
	p.pending = append(p.pending, g.records...)
	p.metrics.lag(p.cfg, max(0, p.end-p.next()))
	if len(p.pending) == 0 {
		p.resume()
		p.status.progress(p.fetched)
	}
	return nil
}

// refetch deals with a fetch that failed.
func (p *Partition[T]) refetch(ctx context.Context, err error) error {
	if !errors.Is(err, ErrOutOfRange) {
		return p.outage(ctx, stageFetch, fmt.Errorf("fetch offset %d: %w", p.fetched, err))
	}
	// Retention has overtaken it, or the topic was made anew: the checks of the
	// assignment tell which. The wait keeps a log that contradicts itself from spinning.
	if err := p.outage(ctx, stageFetch, fault.Outagef("consume: offset %d is not in the log", p.fetched)); err != nil {
		return err
	}
	return p.open(ctx)
}

// next is the offset of the first record that is not applied yet.
func (p *Partition[T]) next() int64 {
	if len(p.pending) > 0 {
		return p.pending[0].Offset
	}
	return p.fetched
}

// decode makes a batch of the pending records, up to the first that has to wait,
// and returns how many it took. The error says why it took no more.
func (p *Partition[T]) decode(ctx context.Context) (*Batch[T], int, error) {
	b := &Batch[T]{PositionKey: p.cfg.Key, Expected: p.stored, Held: p.held, Loop: p.loop, Owned: p.cfg.Owned}
	if upTo, ok := p.status.takeAccepted(); ok {
		p.accepted = upTo
		p.window.Reset()
	}
	n := 0
	var stop error
	for ; n < min(len(p.pending), p.cfg.BatchRecords); n++ {
		rec := &p.pending[n]
		value, err := p.decodePending(ctx, n)
		if err == nil {
			p.observe(rec, false)
			b.Items = append(b.Items, Item[T]{Record: rec, Value: value})
			continue
		}
		var bad *callback.BadRecord
		if !errors.As(err, &bad) {
			stop = fmt.Errorf("decode offset %d: %w", rec.Offset, err)
			break
		}
		if stop = p.unknownSchema(rec, bad); stop != nil {
			p.lookAhead(ctx, n+1)
			break
		}
		// invariant 7: the pause comes before the dead letter.
		if p.observe(rec, poison.CountsAs(bad.Reason)) {
			stop = &pauseError{offset: rec.Offset, reason: bad.Reason}
			break
		}
		b.SetAside = append(b.SetAside, infomart.Rejection{
			Offset: rec.Offset, Reason: bad.Reason, Detail: bad.Detail, ServiceID: deadletter.ServiceID(rec.Key),
		})
	}
	if n > 0 {
		b.To = p.positionAfter(n)
	}
	return b, n, stop
}

// decodePending decodes the n-th pending record, or takes the value that was decoded ahead.
func (p *Partition[T]) decodePending(ctx context.Context, n int) (T, error) {
	if n < len(p.values) && p.values[n].ok {
		return p.values[n].value, nil
	}
	value, err := p.decodeOne(ctx, &p.pending[n])
	if err == nil && len(p.unknown) > 0 {
		delete(p.unknown, schemaID(p.pending[n].Value)) // should it be unknown once more, that is a new wait
	}
	return value, err
}

func (p *Partition[T]) decodeOne(ctx context.Context, rec *kafka.Record) (T, error) {
	value, err := p.handler.Decode(ctx, rec)
	if errors.Is(err, registry.ErrUnknownSchema) {
		err = callback.Bad(callback.ReasonUnknownSchema, "the registry does not know schema id %d", schemaID(rec.Value))
	}
	return value, err
}

func (p *Partition[T]) observe(rec *kafka.Record, bad bool) (pause bool) {
	if rec.Offset <= p.accepted {
		return false
	}
	return p.window.Observe(bad)
}

// positionAfter is the position once the first n pending records are applied. It
// points past the markers and aborted records that follow them (invariant 4).
func (p *Partition[T]) positionAfter(n int) infomart.Position {
	last := &p.pending[n-1]
	next := p.fetched
	if n < len(p.pending) {
		next = p.pending[n].Offset
	}
	return infomart.Position{Next: next, LastOffset: last.Offset, LastID: eventID(last), LastTime: last.Time}
}

// unknownSchema returns an outage while a schema id that the registry does not know
// may still come to be known there, as behind a registry that lags.
func (p *Partition[T]) unknownSchema(rec *kafka.Record, bad *callback.BadRecord) error {
	if bad.Reason != callback.ReasonUnknownSchema {
		return nil
	}
	id := schemaID(rec.Value)
	waited := time.Since(p.unknownSince(id))
	if waited >= p.cfg.UnknownSchemaWait {
		return nil
	}
	return &schemaError{offset: rec.Offset, id: id, left: p.cfg.UnknownSchemaWait - waited}
}

// unknownSince notes when a schema id was first found unknown.
func (p *Partition[T]) unknownSince(id uint32) time.Time {
	since, ok := p.unknown[id]
	if !ok {
		if len(p.unknown) == maxUnknown {
			clear(p.unknown)
		}
		since = time.Now()
		p.unknown[id] = since
	}
	return since
}

// lookAhead starts the wait of all the unknown schema ids among the records that
// follow. Garbage has a new id in each record: were they to wait one after the other,
// bad data would block for hours.
func (p *Partition[T]) lookAhead(ctx context.Context, from int) {
	for i := from; i < min(len(p.pending), p.cfg.BatchRecords); i++ {
		rec := &p.pending[i]
		id := schemaID(rec.Value)
		if _, ok := p.unknown[id]; ok {
			continue
		}
		var bad *callback.BadRecord
		if _, err := p.decodeOne(ctx, rec); errors.As(err, &bad) && bad.Reason == callback.ReasonUnknownSchema {
			p.unknownSince(id)
		}
	}
}

// maxUnknown bounds the unknown schema ids that are remembered.
const maxUnknown = 10_000

// schemaID is the id in a value of the Confluent wire format, 0 in another.
func schemaID(value []byte) uint32 {
	if len(value) < 5 || value[0] != 0 {
		return 0
	}
	return binary.BigEndian.Uint32(value[1:])
}
