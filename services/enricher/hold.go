package enricher

import (
	"context"
	"fmt"

	"github.com/ringback/ringback/pkg/admin"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/topic"
)

// hold pauses the partition until an operator accepts the bad records (invariant
// 7). The process stays up and is not ready.
func (o *owner) hold(ctx context.Context, h *poisonHold) error {
	o.mu.Lock()
	o.paused[o.number] = h
	close(o.moved)
	o.moved = make(chan struct{})
	o.mu.Unlock()
	o.setStatus(o.number, false, fmt.Sprintf("paused before offset %d: more than half of the last records cannot be decoded (%s); accept them up to an offset, or mend the producer", h.offset, h.reason))
	o.logger.ErrorContext(ctx, "partition paused: too many records cannot be decoded",
		"topic", topic.Lifecycle, "partition", o.number, "offset", h.offset, "reason", string(h.reason))
	o.metrics.paused.WithLabelValues(o.label).Set(1)
	o.loop.Rest()
	defer o.loop.Beat()
	defer o.metrics.paused.WithLabelValues(o.label).Set(0)
	select {
	case upTo := <-h.accepted:
		o.mu.Lock()
		delete(o.paused, o.number)
		o.mu.Unlock()
		o.accepted = upTo
		o.poison.Reset()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (o *owner) acceptedUpTo(offset int64) bool { return offset <= o.accepted }

// Accept lets a paused partition go on, dead-lettering what cannot be decoded up to
// and including that offset whatever their share.
func (e *Enricher) Accept(name string, partition int32, upTo int64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	h := e.paused[partition]
	if _, owned := e.status[partition]; !owned || name != topic.Lifecycle {
		return fmt.Errorf("enricher: partition %d of %s: %w", partition, name, admin.ErrNotOwned)
	}
	if h == nil {
		return fmt.Errorf("enricher: partition %d of %s is not paused here", partition, topic.Lifecycle)
	}
	if upTo < h.offset {
		return fault.Misconfigf("enricher: partition %d of %s is paused at offset %d, which is past %d", partition, topic.Lifecycle, h.offset, upTo)
	}
	select {
	case h.accepted <- upTo:
	default:
	}
	return nil
}
