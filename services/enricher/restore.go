package enricher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/poison"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/session"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
)

// restoreBytes is what one fetch of the changelog reads.
const restoreBytes = 8 << 20

// agreement is how long the group's offset may take to come to equal the restored position.
const agreement = 30 * time.Second

// takeOver restores the partition's state and checks that it fits the group's offset.
func (o *owner) takeOver(ctx context.Context) error {
	began := time.Now()
	if err := o.restore(ctx); err != nil {
		return err
	}
	o.metrics.restore.Observe(time.Since(began).Seconds())
	o.last = o.state.Position()
	if err := o.lookBack(ctx); err != nil {
		return err
	}
	o.mu.Lock()
	o.sessions[o.number] = o.state.Sessions()
	o.mu.Unlock()
	if err := o.agree(ctx, o.last.Next); err != nil {
		return err
	}
	o.advance(o.number, o.last.Next)
	return nil
}

// restore reads the changelog to its end, read-committed. A state that was kept
// from a former assignment does, if nobody has written the changelog since.
func (o *owner) restore(ctx context.Context) error {
	o.setStatus(o.number, false, "restoring its state")
	ends, err := retry(ctx, o.Enricher, o.number, func() (map[int32]kafka.OffsetRange, error) { return o.kafka.Offsets(ctx, topic.Sessions) })
	if err != nil {
		return err
	}
	end := ends[o.number]
	o.mu.Lock()
	kept := o.kept[o.number]
	o.mu.Unlock()
	// Between two parts of a tick that makes very many due, another owner may have written the next one,
	// at the same position, and gone: with the state of before, its UserEvents would be sent again (invariant 3).
	if kept != nil && kept.Parted() {
		kept = nil
		o.forget()
	}
	if kept != nil {
		same, err := o.unchanged(ctx, end, kept.Position())
		if same || err != nil {
			o.state = kept
			return err
		}
		kept = nil
		o.forget() // not both in memory
	}
	p := session.NewPartition(o.cfg.rules(), o.number)
	found := false
	for offset := end.Earliest; offset < end.Latest; {
		o.loop.Beat()
		got, err := retry(ctx, o.Enricher, o.number, func() (kafka.Fetched, error) {
			return o.kafka.Fetch(ctx, kafka.FetchRequest{Topic: topic.Sessions, Partition: o.number, Offset: offset, MaxBytes: restoreBytes, MaxWait: maxWait})
		})
		if errors.Is(err, kafka.ErrOffsetOutOfRange) {
			return fault.Outagef("enricher: %s was cleaned while it was read: %w", topic.Sessions, err)
		}
		if err != nil {
			return err
		}
		for i := range got.Records {
			// A state of an older schema version is asked for at the registry.
			position, err := retry(ctx, o.Enricher, o.number, func() (bool, error) { return o.restoreRecord(p, &got.Records[i]) })
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				return fault.Misconfigf("enricher: partition %d of %s, offset %d: %w", o.number, topic.Sessions, got.Records[i].Offset, err)
			}
			found = found || position
		}
		offset = got.Next
	}
	if !found {
		if err := o.begin(ctx, p); err != nil {
			return err
		}
	}
	if err := p.Whole(); err != nil { // invariant 4
		return fault.Misconfigf("enricher: partition %d of %s has lost states: %w; the topic was made again, or is not compacted", o.number, topic.Sessions, err)
	}
	o.state = p
	o.mu.Lock()
	o.kept[o.number] = o.state
	o.mu.Unlock()
	return nil
}

// unchanged reports whether the changelog ends with the transaction that wrote pos:
// each ends with its position and its marker, and no two positions are equal but those of the parts of one record.
func (o *owner) unchanged(ctx context.Context, end kafka.OffsetRange, pos session.Position) (bool, error) {
	offset := max(end.Earliest, end.Latest-2)
	if offset >= end.Latest {
		return false, nil
	}
	got, err := retry(ctx, o.Enricher, o.number, func() (kafka.Fetched, error) {
		return o.kafka.Fetch(ctx, kafka.FetchRequest{Topic: topic.Sessions, Partition: o.number, Offset: offset, MaxBytes: restoreBytes, MaxWait: maxWait})
	})
	if err != nil || len(got.Records) == 0 {
		return false, err
	}
	last := &got.Records[len(got.Records)-1]
	if !wire.IsPosition(last) {
		return false, nil
	}
	found, err := o.codec.ParsePosition(last)
	return err == nil && found == pos, err
}

func (o *owner) restoreRecord(p *session.Partition, r *kafka.Record) (position bool, err error) {
	if wire.IsPosition(r) {
		pos, err := o.codec.ParsePosition(r)
		if err == nil {
			p.RestorePosition(pos)
		}
		return true, err
	}
	if r.Value == nil {
		return false, p.Restore(string(r.Key), nil)
	}
	state, err := o.codec.UnframeState(r.Value)
	if err != nil {
		return false, err
	}
	return false, p.Restore(string(r.Key), state)
}

// lookBack fills the poison window from the records before the position, so that a
// restart does not begin it anew (invariant 7). They must be those that were read: a topic that was made
// again and has grown past the position would else be read from its middle, and nobody would know.
func (o *owner) lookBack(ctx context.Context) error {
	starts, err := retry(ctx, o.Enricher, o.number, func() (map[int32]kafka.OffsetRange, error) { return o.kafka.Offsets(ctx, topic.Lifecycle) })
	if err != nil {
		return err
	}
	for offset := max(starts[o.number].Earliest, o.last.Next-poison.Size); offset < o.last.Next; {
		got, err := retry(ctx, o.Enricher, o.number, func() (kafka.Fetched, error) {
			return o.kafka.Fetch(ctx, kafka.FetchRequest{Topic: topic.Lifecycle, Partition: o.number, Offset: offset, MaxBytes: o.cfg.BatchBytes, MaxWait: maxWait})
		})
		if errors.Is(err, kafka.ErrOffsetOutOfRange) {
			return nil // they have expired
		}
		if err != nil {
			return err
		}
		if len(got.Records) == 0 && got.Next == offset {
			return nil // the log ends before the position; who fetches there is told so
		}
		for i := range got.Records {
			if got.Records[i].Offset >= o.last.Next {
				break
			}
			// The clock is the largest timestamp of all that was read.
			if at := got.Records[i].Time; at.UnixMilli() > o.last.Clock { // invariant 4
				return fault.Misconfigf("enricher: partition %d of %s is not the log that was read: offset %d is of %s, but the last of all before %d came at %s; the topic was made again, or is another cluster's",
					o.number, topic.Lifecycle, got.Records[i].Offset, at.UTC().Format(time.RFC3339Nano), o.last.Next, time.UnixMilli(o.last.Clock).UTC().Format(time.RFC3339Nano))
			}
			record, err := o.parse(ctx, &got.Records[i])
			if err != nil && !errors.Is(err, registry.ErrUnknownSchema) {
				return err
			}
			o.poison.Observe(err != nil || record.Bad != nil && poison.CountsAs(record.Bad.Reason))
		}
		offset = got.Next
	}
	return nil
}

// begin starts a partition that has no position yet: at the log's beginning.
func (o *owner) begin(ctx context.Context, p *session.Partition) error {
	starts, err := retry(ctx, o.Enricher, o.number, func() (map[int32]kafka.OffsetRange, error) { return o.kafka.Offsets(ctx, topic.Lifecycle) })
	if err != nil {
		return err
	}
	p.RestorePosition(session.Position{Next: starts[o.number].Earliest})
	return nil
}

// agree waits for the group's offset to equal the restored position. They were
// written in one transaction, so a difference that stays means that the changelog
// and the group are not of one generation: starting would lose or repeat events.
func (o *owner) agree(ctx context.Context, position int64) error {
	type committed struct {
		offset int64
		found  bool
	}
	deadline := o.now().Add(agreement)
	for {
		c, err := retry(ctx, o.Enricher, o.number, func() (committed, error) {
			offset, found, err := o.kafka.CommittedOffset(ctx, o.cfg.Group, topic.Lifecycle, o.number)
			return committed{offset, found}, err
		})
		if err != nil {
			return err
		}
		if !c.found || c.offset == position {
			return nil
		}
		why := fmt.Sprintf("the changelog stands at offset %d, the group %s at %d", position, o.cfg.Group, c.offset)
		if o.now().After(deadline) {
			return fault.Misconfigf("enricher: partition %d of %s: %s; they must be equal", o.number, topic.Lifecycle, why)
		}
		o.setStatus(o.number, false, why)
		if !wait(ctx, 100*time.Millisecond) {
			return ctx.Err()
		}
	}
}
