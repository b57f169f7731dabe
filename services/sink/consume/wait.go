package consume

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/poison"
)

// The stages of a partition's work, as label of the retries.
const (
	stagePosition = "position"
	stageFetch    = "fetch"
	stageDecode   = "decode"
	stageApply    = "apply"
)

// pauseError stops a partition before one more of its records is dead-lettered (invariant 7).
type pauseError struct {
	offset int64
	reason callback.Reason
}

func (e *pauseError) Error() string {
	return fmt.Sprintf("paused at offset %d (%s): more than half of the last records cannot be decoded", e.offset, e.reason)
}

// schemaError holds a partition while a schema id is unknown.
type schemaError struct {
	offset int64
	id     uint32
	left   time.Duration // until it is bad data
}

func (e *schemaError) Error() string {
	return fmt.Sprintf("the registry does not know schema id %d of offset %d; retried for another %s", e.id, e.offset, e.left.Round(time.Second))
}

// standStill waits where the first pending record cannot be taken. It returns nil
// once that record is to be tried again.
func (p *Partition[T]) standStill(ctx context.Context, err error) error {
	var pause *pauseError
	var schema *schemaError
	switch {
	case errors.As(err, &pause):
		return p.pause(ctx, pause)
	case errors.As(err, &schema):
		p.hold()
		p.metrics.unknownSchema(p.cfg)
		p.announce(stageDecode, err)
		return sleep(ctx, min(p.backoff(), schema.left))
	default:
		return p.outage(ctx, stageDecode, err)
	}
}

// pause waits for an operator (invariant 7). It looks at the record again from time
// to time: a registry that was put right needs no operator.
func (p *Partition[T]) pause(ctx context.Context, e *pauseError) error {
	p.hold()
	bad, of := p.window.Counts()
	if p.status.pause(e.offset, bad, of) {
		p.metrics.paused(p.cfg, true)
		p.logger.Error("paused: most records cannot be decoded; accept them up to an offset to go on", "offset", e.offset,
			"reason", e.reason, "bad", bad, "of", of, "looks_back", poison.Size)
	}
	p.measure(ctx)
	timer := time.NewTimer(p.cfg.RetryMax)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.status.acceptSignal():
	case <-timer.C:
	}
	return nil
}

// outage waits before the next try, with the partition shown as waiting
// (invariant 7). An error that is no outage it returns.
func (p *Partition[T]) outage(ctx context.Context, stage string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	// A deadline of a dependency's own, while ours still runs, is its outage.
	if fault.ClassOf(err) != fault.Outage && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", p.cfg.name(), err)
	}
	p.hold()
	p.loop.Beat() // it waits for a dependency: alive (invariant 7)
	p.metrics.retry(p.cfg, stage)
	p.announce(stage, err)
	if stage == stageDecode || stage == stageApply {
		p.measure(ctx)
	}
	return sleep(ctx, p.backoff())
}

// measure shows how much more there is to do by now. Else the lag would stand still while the partition waits or is
// paused, which is when it grows.
func (p *Partition[T]) measure(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if _, end, err := p.log.Bounds(ctx); err == nil {
		p.metrics.lag(p.cfg, max(0, end-p.next()))
	}
}

// announce shows the partition as waiting, and logs it once for each outage.
func (p *Partition[T]) announce(stage string, err error) {
	p.metrics.waiting(p.cfg, true)
	if p.status.wait(stage, err) {
		p.logger.Warn("waiting", "stage", stage, "error", err)
	}
}

// resume shows the partition as running again.
func (p *Partition[T]) resume() {
	p.retries = 0
	if since, was := p.status.run(); was {
		p.metrics.waiting(p.cfg, false)
		p.metrics.paused(p.cfg, false)
		p.metrics.Stopped(p.cfg.Key, false)
		p.logger.Info("going on", "after", time.Since(since).Round(time.Millisecond))
	}
}

// backoff is the next wait: doubling up to RetryMax, the upper half of it by chance,
// so that the partitions of many sinks do not come back in step.
func (p *Partition[T]) backoff() time.Duration {
	d := p.cfg.RetryMax
	if p.retries < 30 {
		d = min(d, p.cfg.RetryMin<<p.retries)
	}
	p.retries++
	return d/2 + rand.N(d/2+1)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
