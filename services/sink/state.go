package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/ringback/ringback/pkg/admin"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/services/sink/consume"
)

// Name is the sink's name: infomart or tserver.
func (s *Sink) Name() string { return s.name }

// Counts returns the totals since the sink started (invariant 2).
func (s *Sink) Counts() Counts { return s.metrics.Counts() }

// Progress returns how far each partition is done that is or was this member's.
func (s *Sink) Progress() map[TopicPartition]Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	progress := make(map[TopicPartition]Progress, len(s.next)+len(s.owned))
	for tp, next := range s.next {
		progress[tp] = Progress{next}
	}
	for tp, status := range s.owned {
		if next := status.Next(); next >= 0 || progress[tp].Next == 0 {
			progress[tp] = Progress{next}
		}
	}
	return progress
}

// WaitFor returns once every record of the topic below these offsets, by partition,
// has ended and that is durable. It waits for what other members do in vain. It
// returns early where ctx ends, or the sink or one of these partitions has stopped.
func (s *Sink) WaitFor(ctx context.Context, topic string, ends map[int32]int64) error {
	for {
		s.mu.Lock()
		moved, stopped := s.moved, s.stopped
		s.mu.Unlock()
		progress := s.Progress()
		done := true
		var never error // of a partition that an operator must see to first
		for partition, end := range ends {
			tp := TopicPartition{topic, partition}
			if end <= 0 || progress[tp].Next >= end {
				continue
			}
			done, never = false, cmp.Or(never, s.stoppedAt(tp))
		}
		switch {
		case done:
			return nil
		case never != nil:
			return never
		case stopped != nil:
			return fmt.Errorf("sink %s has stopped: %w", s.name, stopped)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("sink %s: wait for %s: %w", s.name, topic, ctx.Err())
		case <-moved:
		}
	}
}

// stoppedAt is why a partition has stopped; nil where it has not.
func (s *Sink) stoppedAt(tp TopicPartition) error {
	s.mu.Lock()
	status := s.owned[tp]
	s.mu.Unlock()
	if status == nil {
		return nil
	}
	if state, reason := status.State(); state == consume.Stopped {
		return fault.Misconfigf("sink %s: partition %d of %s has stopped: %s", s.name, tp.Partition, tp.Topic, reason)
	}
	return nil
}

// Ready says why the sink is not ready: it is not in the group, or a partition waits
// for a dependency that is away, or one is paused or stopped and needs an operator, or it has not
// yet caught up with what lay in its partitions when they were assigned. That is asked
// once in its life: a rebalance under load, or falling behind later, is a matter of the
// lag and its alert, and must not hold a rollout up. nil: it is ready.
func (s *Sink) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped != nil {
		return fmt.Errorf("sink %s has stopped: %w", s.name, s.stopped)
	}
	var why []error
	if s.group != nil {
		why = append(why, fmt.Errorf("sink %s: %w", s.name, s.group))
	}
	for _, tp := range slices.SortedFunc(maps.Keys(s.owned), func(a, b TopicPartition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	}) {
		if state, reason := s.owned[tp].State(); state != consume.Running {
			why = append(why, fmt.Errorf("sink %s: partition %d of %s is %s: %s", s.name, tp.Partition, tp.Topic, state, reason))
		} else if behind := s.owned[tp].Behind(); behind > 0 && !s.reached {
			why = append(why, fmt.Errorf("sink %s: partition %d of %s is catching up: %d offsets to go of those that were there when it was assigned", s.name, tp.Partition, tp.Topic, behind))
		}
	}
	if !s.reached && len(s.owned) < s.share {
		why = append(why, fmt.Errorf("sink %s: %d of its %d partitions have not begun", s.name, s.share-len(s.owned), s.share))
	}
	// A member that stands by has nothing to catch up with: that is no proof for later.
	s.reached = s.reached || why == nil && s.share > 0
	return errors.Join(why...)
}

// Accept lets a paused partition go on: its records up to and including that offset
// are dead-lettered where they are bad, however many (invariant 7).
func (s *Sink) Accept(topic string, partition int32, upTo int64) error {
	s.mu.Lock()
	status := s.owned[TopicPartition{topic, partition}]
	s.mu.Unlock()
	if status == nil {
		return fmt.Errorf("sink %s: partition %d of %s: %w", s.name, partition, topic, admin.ErrNotOwned)
	}
	if err := status.Accept(upTo); err != nil {
		return fmt.Errorf("sink %s: partition %d of %s: %w", s.name, partition, topic, err)
	}
	s.logger.Warn("bad records accepted by an operator", "sink", s.name, "topic", topic, "partition", partition, "up_to", upTo)
	return nil
}
