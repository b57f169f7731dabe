package kafka

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/rawproduce"
)

// partitionPlan is what a transaction writes to one partition.
type partitionPlan struct {
	topicPartition
	records []*Record
	batches [][]byte // each behind its size, in order
}

// plan sorts the records by partition and encodes them into batches.
func (t *Transactor) plan(ctx context.Context, records []Record) ([]*partitionPlan, error) {
	byPartition := map[topicPartition]*partitionPlan{}
	var plan []*partitionPlan
	for i := range records {
		rec := &records[i]
		l, err := t.client.layoutOf(ctx, rec.Topic)
		if err != nil {
			return nil, err
		}
		tp := topicPartition{rec.Topic, rec.Partition}
		if rec.Partition == AnyPartition {
			tp.partition = PartitionForKey(rec.Key, len(l))
		}
		if tp.partition < 0 || int(tp.partition) >= len(l) {
			return nil, noPartition(rec.Topic, tp.partition, len(l))
		}
		p, ok := byPartition[tp]
		if !ok {
			p = &partitionPlan{topicPartition: tp}
			byPartition[tp] = p
			plan = append(plan, p)
		}
		p.records = append(p.records, rec)
	}
	now := time.Now().UnixMilli()
	for _, p := range plan {
		if err := t.encode(p, now); err != nil {
			return nil, err
		}
	}
	return plan, nil
}

func (t *Transactor) encode(p *partitionPlan, now int64) error {
	b := &t.builder
	b.reset()
	flush := func() error {
		raw, err := b.appendTo([]byte{0, 0, 0, 0}, t.client.codec, true, t.producer, t.seq[p.topicPartition])
		if err != nil {
			return err
		}
		binary.BigEndian.PutUint32(raw, uint32(len(raw)-4))
		p.batches = append(p.batches, raw)
		// Wrapping at the largest int32, as brokers do.
		t.seq[p.topicPartition] = int32((int64(t.seq[p.topicPartition]) + int64(b.count)) & 0x7fffffff)
		b.reset()
		return nil
	}
	for _, rec := range p.records {
		if b.count > 0 && len(b.records)+recordBound(rec) > t.maxBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		ms := now
		if !rec.Time.IsZero() {
			ms = rec.Time.UnixMilli()
		}
		b.add(rec, ms)
	}
	return flush()
}

// write sends all batches in rounds of one batch per partition, since a request takes no more.
func (t *Transactor) write(ctx context.Context, budget time.Duration, plan []*partitionPlan) error {
	for round := 0; ; round++ {
		var batches []partitionBatch
		for _, p := range plan {
			if round < len(p.batches) {
				batches = append(batches, partitionBatch{p.topicPartition, p.batches[round]})
			}
		}
		if len(batches) == 0 {
			return nil
		}
		// The same bytes go out again after an answer that was lost or asks for it.
		err := t.client.retry(ctx, budget, func(ctx context.Context) error {
			var err error
			batches, err = t.client.writeBatches(ctx, t.id, batches)
			return err
		})
		if err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
}

type partitionBatch struct {
	topicPartition
	raw []byte
}

// maxRequestBytes keeps a request well under the broker's socket.request.max.bytes (100 MiB).
const maxRequestBytes = 16 << 20

// writeBatches makes one attempt with batches of different partitions, all brokers at the same time,
// and returns those that are not yet written with the weightiest of their errors.
func (c *Client) writeBatches(ctx context.Context, transactionalID string, batches []partitionBatch) ([]partitionBatch, error) {
	type result struct {
		left []partitionBatch
		err  error
	}
	requests := map[int32][][]partitionBatch{}
	sizes := map[int32]int{}
	for _, b := range batches {
		node, err := c.leader(ctx, b.topic, b.partition)
		if err != nil {
			return batches, err
		}
		of := requests[node]
		if len(of) == 0 || sizes[node]+len(b.raw) > maxRequestBytes {
			of, sizes[node] = append(of, nil), 0
		}
		of[len(of)-1] = append(of[len(of)-1], b)
		sizes[node] += len(b.raw)
		requests[node] = of
	}
	results := make(chan result)
	n := 0
	for node, of := range requests {
		for _, some := range of {
			n++
			go func() {
				left, err := c.writeTo(ctx, node, transactionalID, some)
				results <- result{left, err}
			}()
		}
	}
	var all result
	for range n {
		r := <-results
		all.left = append(all.left, r.left...)
		if r.err != nil && (all.err == nil || isTransient(all.err)) {
			all.err = r.err
		}
	}
	return all.left, all.err
}

func (c *Client) writeTo(ctx context.Context, node int32, transactionalID string, batches []partitionBatch) (left []partitionBatch, worst error) {
	req := &rawproduce.Request{TransactionalID: transactionalID, Acks: -1, Timeout: int32(c.cfg.RequestTimeout.Milliseconds() / 2)}
	at := map[string]int{}
	for _, b := range batches {
		i, ok := at[b.topic]
		if !ok {
			i = len(req.Topics)
			at[b.topic] = i
			req.Topics = append(req.Topics, rawproduce.RequestTopic{Topic: b.topic})
		}
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, rawproduce.RequestPartition{
			Partition: b.partition, RecordSet: protocol.RawRecordSet{Reader: bytes.NewReader(b.raw)},
		})
	}
	msg, _, err := c.do(ctx, node, req)
	if err != nil {
		for topic := range at {
			c.layouts.Delete(topic)
		}
		return batches, err
	}
	codes := map[topicPartition]error{}
	for _, topic := range msg.(*produce.Response).Topics {
		for _, p := range topic.Partitions {
			codes[topicPartition{topic.Topic, p.Partition}] = c.ledBy(topic.Topic, p.ErrorCode)
		}
	}
	for _, b := range batches {
		err, answered := codes[b.topicPartition]
		if !answered {
			err = errNoAnswer
		}
		if fateOf(true, err) == written {
			continue
		}
		left = append(left, b)
		if worst == nil || isTransient(worst) {
			worst = err
		}
	}
	return left, worst
}
