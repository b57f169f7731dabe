package consume

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/poison"
)

// The headers of a record's CloudEvents id and time, by the Kafka binding in binary mode.
const (
	idHeader   = "ce_id"
	timeHeader = "ce_time"
)

// ErrPosition says that a partition's stored position does not fit its log: another log lies there, or records were
// removed before they were read. Every member of the group would find the same, and the other partitions are well.
var ErrPosition = errors.New("the stored position does not fit the log")

func eventID(rec *kafka.Record) string {
	id, _ := rec.Header(idHeader)
	return string(id)
}

// open finds where to go on, waiting out outages.
func (p *Partition[T]) open(ctx context.Context) error {
	p.dropAhead()
	for {
		err := p.assign(ctx)
		if err == nil {
			p.doubtful = false
			p.status.opened(p.fetched, p.end)
			p.resume()
			return nil
		}
		if err := p.outage(ctx, stagePosition, err); err != nil {
			return err
		}
	}
}

// assign reads the stored position and holds it against the log.
func (p *Partition[T]) assign(ctx context.Context) error {
	pos, ok, err := p.handler.Position(ctx, p.cfg.Key)
	if err != nil {
		return fmt.Errorf("read the position: %w", err)
	}
	start, end, err := p.log.Bounds(ctx)
	if err != nil {
		return fmt.Errorf("read the log's bounds: %w", err)
	}
	p.pending, p.values, p.end, p.held = nil, nil, end, time.Time{}
	p.window.Reset()
	if !ok {
		p.stored, p.fetched = nil, start
		return nil
	}
	if err := p.check(ctx, pos, start, end); err != nil {
		return err
	}
	p.stored, p.fetched = &pos, max(pos.Next, start)
	if p.fetched < end && pos.LastTime.Before(time.Now()) {
		p.held = pos.LastTime // it kept up at least until then
	}
	return nil
}

// verify makes sure, after a wait, that this is still the log of which the last record was applied: another one that
// has grown past the position meanwhile would be gone on with in its middle, and no fetch would tell (invariant 4).
func (p *Partition[T]) verify(ctx context.Context) error {
	if p.stored == nil {
		return nil
	}
	start, end, err := p.log.Bounds(ctx)
	if err != nil {
		return fmt.Errorf("read the log's bounds: %w", err)
	}
	p.window.Reset()
	return p.check(ctx, *p.stored, start, end)
}

// check holds a stored position against the log: is this the log it was stored for?
func (p *Partition[T]) check(ctx context.Context, pos infomart.Position, start, end int64) error {
	if pos.Next > end || pos.LastOffset >= end {
		return p.recreated("the stored position is %d, and the log ends at %d", pos.Next, end)
	}
	if pos.Next < start {
		p.metrics.expired(p.cfg)
		if !p.cfg.AcceptExpired {
			return fault.Misconfigf("consume: %s: %w: records from offset %d to %d were removed by retention before they were read; set SINK_ACCEPT_EXPIRED=true to go on without them",
				p.cfg.name(), ErrPosition, pos.Next, start-1)
		}
		p.metrics.reset(p.cfg)
		p.logger.Error("records were removed by retention before they were read; going on at the start of the log", "from", pos.Next, "to", start-1)
		return nil
	}
	if pos.LastOffset < 0 {
		return nil
	}
	if pos.LastOffset < start {
		// Nothing is lost, but the next time something may be.
		p.metrics.expired(p.cfg)
		p.logger.Warn("the last record applied was removed by retention: the sink is close to losing records", "offset", pos.LastOffset, "start", start)
		return nil
	}
	return p.reread(ctx, pos, start)
}

// reread reads the last record applied, and those before it that the poison rule
// looks back on: a restart must not let it forget what it has seen (invariant 7).
func (p *Partition[T]) reread(ctx context.Context, pos infomart.Position, start int64) error {
	found := false
	for offset := max(start, min(pos.Next-poison.Size, pos.LastOffset)); offset < pos.Next; {
		page, err := p.log.Fetch(ctx, offset, p.cfg.BatchBytes, p.cfg.FetchWait)
		if errors.Is(err, ErrOutOfRange) || err == nil && page.Next <= offset {
			return fault.Outagef("consume: %s: offset %d cannot be read just now", p.cfg.name(), offset)
		}
		if err != nil {
			return fmt.Errorf("read the last record again: %w", err)
		}
		for i := range page.Records {
			rec := &page.Records[i]
			if rec.Offset >= pos.Next {
				break
			}
			if rec.Offset == pos.LastOffset {
				if eventID(rec) != pos.LastID || rec.Time.UnixMilli() != pos.LastTime.UnixMilli() {
					return p.recreated("at offset %d lies another record than the one that was applied", rec.Offset)
				}
				found = true
			}
			if err := p.recall(ctx, rec); err != nil {
				return err
			}
		}
		offset = page.Next
	}
	if !found {
		return p.recreated("there is no record at offset %d, where the last one applied was", pos.LastOffset)
	}
	return nil
}

// recall lets the poison rule see a record again that was dealt with before.
func (p *Partition[T]) recall(ctx context.Context, rec *kafka.Record) error {
	_, err := p.decodeOne(ctx, rec)
	var bad *callback.BadRecord
	if err != nil && !errors.As(err, &bad) {
		return fmt.Errorf("decode offset %d: %w", rec.Offset, err)
	}
	p.observe(rec, bad != nil && poison.CountsAs(bad.Reason))
	return nil
}

func (p *Partition[T]) recreated(format string, args ...any) error {
	return fault.Misconfigf("consume: %s: %w: %s: the topic was made anew, or the position of group %s belongs to another cluster; nothing was read",
		p.cfg.name(), ErrPosition, fmt.Sprintf(format, args...), p.cfg.Key.Group)
}

func (c *Config) name() string {
	return fmt.Sprintf("sink %s, partition %d of %s", c.Sink, c.Key.Partition, c.Key.Topic)
}
