package consume

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/deadletter"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/tracing"
)

// application is one batch on its way into the store, over as many tries as it takes.
type application[T any] struct {
	p       *Partition[T]
	batch   *Batch[T]
	records []kafka.Record
	outcome Outcome
	letters map[int64]*callback.DeadLetter // durable, by offset: a retry writes none twice
}

// apply makes the first n pending records and the position after them durable,
// waiting out outages, and counts how they ended (invariant 2).
func (p *Partition[T]) apply(ctx context.Context, b *Batch[T], n int) (err error) {
	started := time.Now()
	p.readAhead(ctx, len(p.pending)-n)
	a := &application[T]{p: p, batch: b, records: p.pending[:n], letters: make(map[int64]*callback.DeadLetter)}
	ctx, span := tracing.Batch(ctx, p.cfg.Tracer, "sink "+p.cfg.Sink, a.records, tracing.Messaging("process", p.cfg.Key.Topic, p.cfg.Key.Partition)...)
	defer func() { span.End(err) }()
	if err := a.settle(ctx); err != nil {
		return err
	}
	o := a.outcome
	if o.Applied+o.AlreadyApplied+o.Rejected != len(b.Items) {
		return fmt.Errorf("%s: invariant 2 broken: of %d records up to offset %d, %d were applied, %d already applied, %d rejected",
			p.cfg.name(), len(b.Items), b.To.LastOffset, o.Applied, o.AlreadyApplied, o.Rejected)
	}
	to := b.To
	p.stored, p.pending, p.values = &to, p.pending[n:], p.values[min(n, len(p.values)):]
	p.resume()
	now := time.Now()
	p.metrics.applied(p.cfg, n, len(b.SetAside), o, a.letters, now.Sub(started))
	for i := range b.Items {
		p.metrics.aged(b.Items[i].Record, now)
	}
	p.metrics.position(p.cfg, to.Next, max(0, p.end-to.Next))
	p.status.progress(to.Next)
	return nil
}

// persist stores a position that moved past markers only, while the partition is idle.
func (p *Partition[T]) persist(ctx context.Context) error {
	to := *p.stored
	to.Next = p.fetched
	a := &application[T]{p: p, batch: &Batch[T]{PositionKey: p.cfg.Key, Expected: p.stored, To: to, Held: p.held}}
	if err := a.settle(ctx); err != nil {
		return err
	}
	p.stored = &to
	p.resume()
	p.metrics.position(p.cfg, to.Next, max(0, p.end-to.Next))
	return nil
}

// settle tries until the batch is durable.
func (a *application[T]) settle(ctx context.Context) error {
	for again := false; ; again = true {
		done, err := false, error(nil)
		if again {
			done, err = a.committed(ctx)
		}
		if !done && err == nil {
			done, err = true, a.try(ctx)
			if again && errors.Is(err, infomart.ErrPositionMoved) {
				// The earlier try may have been committing still when it was looked for.
				done, err = a.committed(ctx)
				if !done && err == nil {
					err = infomart.ErrPositionMoved
				}
			}
		}
		if err == nil && done {
			return nil
		}
		if err := a.p.outage(ctx, stageApply, err); err != nil {
			return err
		}
	}
}

func (a *application[T]) try(ctx context.Context) error {
	// Written before the store is asked, so that no transaction of it waits for the broker.
	if err := a.reject(ctx, a.batch.SetAside); err != nil {
		return err
	}
	outcome, err := a.p.handler.Apply(ctx, a.batch, a.reject)
	a.outcome = outcome
	if err != nil {
		return fmt.Errorf("apply offsets up to %d: %w", a.batch.To.LastOffset, err)
	}
	return nil
}

// committed reports whether an earlier try was committed although its answer was
// lost. Without this look the next try would meet its own position and take it for
// another owner's.
func (a *application[T]) committed(ctx context.Context) (bool, error) {
	pos, ok, err := a.p.handler.Position(ctx, a.batch.PositionKey)
	switch {
	case err != nil:
		return false, fmt.Errorf("read the position: %w", err)
	case ok == (a.batch.Expected != nil) && (!ok || samePosition(pos, *a.batch.Expected)):
		return false, nil
	case ok && samePosition(pos, a.batch.To):
		if o := a.outcome; o.Applied+o.AlreadyApplied+o.Rejected != len(a.batch.Items) {
			rejected := len(a.letters) - len(a.batch.SetAside)
			a.outcome = Outcome{Applied: len(a.batch.Items) - rejected, Rejected: rejected}
		}
		return true, nil
	default:
		return false, infomart.ErrPositionMoved
	}
}

func samePosition(a, b infomart.Position) bool {
	return a.Next == b.Next && a.LastOffset == b.LastOffset && a.LastID == b.LastID && a.LastTime.UnixMilli() == b.LastTime.UnixMilli()
}

// reject makes the dead letters of these records durable, once each (invariant 4).
func (a *application[T]) reject(ctx context.Context, rejections []infomart.Rejection) error {
	var letters []*callback.DeadLetter
	for i := range rejections {
		r := &rejections[i]
		if a.letters[r.Offset] != nil {
			continue
		}
		rec, err := a.record(r.Offset)
		if err != nil {
			return err
		}
		d := deadletter.New(a.p.cfg.Component, rec, r.Reason, r.Detail)
		d.Missing = r.Missing
		if r.ServiceID != "" {
			d.ServiceID = &r.ServiceID
		}
		letters = append(letters, d)
	}
	if len(letters) == 0 {
		return nil
	}
	if err := a.p.letters.Write(ctx, letters); err != nil {
		return err
	}
	for _, d := range letters {
		a.letters[d.Offset] = d
	}
	return nil
}

func (a *application[T]) record(offset int64) (*kafka.Record, error) {
	i := sort.Search(len(a.records), func(i int) bool { return a.records[i].Offset >= offset })
	if i == len(a.records) || a.records[i].Offset != offset {
		return nil, errors.New("consume: a record was rejected that is not in the batch")
	}
	return &a.records[i], nil
}
