package kafka

import (
	"slices"
	"sync"
	"time"

	"github.com/ringback/ringback/pkg/fault"
)

// queued is one record that waits to be written.
type queued struct {
	call  *produceCall
	index int
	rec   *Record
	ms    int64
	size  int
}

// partitionQueue holds what waits for one partition, in order. Its own goroutine, run, empties it.
type partitionQueue struct {
	producer  *Producer
	topic     string
	partition int32
	wake      chan struct{} // one token: look at the queue

	mu      sync.Mutex
	items   []queued
	records int // in items and in the batch under way
	closing bool
	trouble error // why the batch under way was not written; nil once one was

	// Of the sender alone.
	builder    batchBuilder
	batch      []queued
	maxBytes   int
	id         identity
	identified bool
	stale      bool // the broker no longer goes along with id and seq: a fresh id is due
	seq        int32
}

func newPartitionQueue(p *Producer, topic string, partition int32) *partitionQueue {
	return &partitionQueue{producer: p, topic: topic, partition: partition, wake: make(chan struct{}, 1), maxBytes: p.cfg.BatchBytes}
}

// enqueue takes all items or none. A call that alone exceeds the bounds is taken by a queue that is empty
// while no other has anything either.
func (q *partitionQueue) enqueue(items []queued) error {
	size := 0
	for i := range items {
		size += items[i].size
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	cfg := &q.producer.cfg
	switch {
	case q.closing:
		return fault.Outagef("kafka: producer: %w", ErrClosed)
	case q.records > 0 && q.records+len(items) > cfg.QueueRecords:
		return fault.Outagef("kafka: produce to %s[%d]: %w: %d records wait", q.topic, q.partition, ErrQueueFull, q.records)
	}
	if all := q.producer.bytes.Add(int64(size)); all > int64(max(size, cfg.QueueBytes)) {
		q.producer.bytes.Add(int64(-size))
		return fault.Outagef("kafka: produce to %s[%d]: %w: %d bytes wait for all partitions", q.topic, q.partition, ErrQueueFull, all-int64(size))
	}
	q.items = append(q.items, items...)
	q.records += len(items)
	q.signal()
	return nil
}

// left notes that a record waits no more.
func (q *partitionQueue) left(it *queued) {
	q.records--
	q.producer.bytes.Add(int64(-it.size))
}

func (q *partitionQueue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *partitionQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closing = true
	q.signal()
}

// withdraw takes the call's records out of the queue and returns them.
func (q *partitionQueue) withdraw(b *produceCall) []queued {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []queued
	q.items = slices.DeleteFunc(q.items, func(it queued) bool {
		if it.call != b {
			return false
		}
		out = append(out, it)
		q.left(&it)
		return true
	})
	return out
}

// take moves the next batch's worth of records into the builder. It encodes under the lock: once
// withdraw has the lock, no record of an abandoned call is read any more.
func (q *partitionQueue) take() (ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.builder.reset()
	q.batch = q.batch[:0]
	for i := range q.items {
		it := &q.items[i]
		if n := int(q.builder.count); n > 0 && (n >= q.producer.cfg.BatchRecords || len(q.builder.records)+it.size > q.maxBytes) {
			break
		}
		q.builder.add(it.rec, it.ms)
		q.batch = append(q.batch, *it)
	}
	q.items = slices.Delete(q.items, 0, len(q.batch))
	return len(q.batch) > 0
}

// putBack returns the batch under way, which was certainly not written, to the head of the queue.
func (q *partitionQueue) putBack(why error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.trouble = why
	kept := q.batch[:0]
	for _, it := range q.batch {
		if it.call.leaving.Load() {
			q.left(&it)
			continue
		}
		kept = append(kept, it)
	}
	q.items = slices.Insert(q.items, 0, kept...)
	q.batch = q.batch[:0]
}

// settle decides the batch under way: all of it lies at offset base and behind, or failed with err.
func (q *partitionQueue) settle(base int64, err error) {
	q.mu.Lock()
	if err == nil {
		q.trouble = nil
	}
	for i := range q.batch {
		q.left(&q.batch[i])
	}
	q.mu.Unlock()
	for i := 0; i < len(q.batch); {
		b := q.batch[i].call
		b.mu.Lock()
		for ; i < len(q.batch) && q.batch[i].call == b; i++ {
			d := Delivery{Partition: q.partition, Offset: -1, Err: err}
			if err == nil && base >= 0 {
				d.Offset = base + int64(i)
			}
			b.decideLocked(q.batch[i].index, d)
		}
		b.mu.Unlock()
	}
	clear(q.batch)
	q.batch = q.batch[:0]
}

// failAll decides all that waits. The sender has ended.
func (q *partitionQueue) failAll(err error) {
	q.mu.Lock()
	items := q.items
	for i := range items {
		q.left(&items[i])
	}
	q.items, q.closing = nil, true
	q.mu.Unlock()
	for _, it := range items {
		it.call.decide(it.index, Delivery{Partition: q.partition, Offset: -1, Err: err})
	}
}

// await waits until there is something to send; false when the producer closes and nothing is left.
func (q *partitionQueue) await() bool {
	for {
		q.mu.Lock()
		n, closing := len(q.items), q.closing
		q.mu.Unlock()
		switch {
		case n > 0:
			if !closing {
				q.linger(n)
			}
			return true
		case closing:
			return false
		}
		select {
		case <-q.wake:
		case <-q.producer.ctx.Done():
			return false
		}
	}
}

func (q *partitionQueue) linger(n int) {
	cfg := &q.producer.cfg
	if cfg.Linger <= 0 || n >= cfg.LingerRecords {
		return
	}
	t := time.NewTimer(cfg.Linger)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			return
		case <-q.producer.ctx.Done():
			return
		case <-q.wake:
			q.mu.Lock()
			n, closing := len(q.items), q.closing
			q.mu.Unlock()
			if closing || n >= cfg.LingerRecords {
				return
			}
		}
	}
}
