package kafka

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/rawproduce"
	"golang.org/x/sync/errgroup"

	"github.com/ringback/ringback/pkg/fault"
)

// partitionPlan is what a transaction writes to one partition.
type partitionPlan struct {
	topicPartition
	leader  int32
	records []*Record
	batches [][]byte // each behind its size, in order
}

// plan sorts the records by partition and encodes them into batches.
func (t *Transactor) plan(ctx context.Context, records []Record) ([]*partitionPlan, error) {
	if len(records) == 0 {
		return nil, nil
	}
	leaders := map[string]map[int32]int32{}
	byPartition := map[topicPartition]*partitionPlan{}
	var plan []*partitionPlan
	for i := range records {
		rec := &records[i]
		of, ok := leaders[rec.Topic]
		if !ok {
			var err error
			if of, err = t.client.leaders(ctx, rec.Topic); err != nil {
				return nil, err
			}
			leaders[rec.Topic] = of
		}
		tp := topicPartition{rec.Topic, rec.Partition}
		if rec.Partition == AnyPartition {
			tp.partition = PartitionForKey(rec.Key, len(of))
		}
		leader, ok := of[tp.partition]
		if !ok {
			return nil, fault.Misconfigf("topic %s has %d partitions: there is no %d", rec.Topic, len(of), tp.partition)
		}
		p, ok := byPartition[tp]
		if !ok {
			p = &partitionPlan{topicPartition: tp, leader: leader}
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

// write sends all batches: brokers at the same time, per broker one batch of each partition a round,
// since a request takes one batch per partition.
func (t *Transactor) write(ctx context.Context, budget time.Duration, plan []*partitionPlan) error {
	byLeader := map[int32][]*partitionPlan{}
	for _, p := range plan {
		byLeader[p.leader] = append(byLeader[p.leader], p)
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, plans := range byLeader {
		g.Go(func() error {
			for round := 0; ; round++ {
				var batches []partitionBatch
				for _, p := range plans {
					if round < len(p.batches) {
						batches = append(batches, partitionBatch{p.topicPartition, p.batches[round]})
					}
				}
				if len(batches) == 0 {
					return nil
				}
				if err := t.writeRound(ctx, budget, batches); err != nil {
					return fmt.Errorf("write: %w", err)
				}
			}
		})
	}
	return g.Wait()
}

type partitionBatch struct {
	topicPartition
	raw []byte
}

// maxRequestBytes keeps a request well under the broker's socket.request.max.bytes (100 MiB).
const maxRequestBytes = 16 << 20

// writeRound sends batches of different partitions until each is written. The same bytes go out
// again after an answer that was lost or asks for it.
func (t *Transactor) writeRound(ctx context.Context, budget time.Duration, batches []partitionBatch) error {
	for len(batches) > 0 {
		n, size := 0, 0
		for n < len(batches) && (n == 0 || size+len(batches[n].raw) <= maxRequestBytes) {
			size += len(batches[n].raw)
			n++
		}
		pending := batches[:n:n]
		batches = batches[n:]
		err := t.client.retry(ctx, budget, func(ctx context.Context) error {
			var err error
			pending, err = t.client.produceTransactional(ctx, t.id, pending)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// produceTransactional makes one attempt and returns the batches that are not yet written, with the
// error of one of them.
func (c *Client) produceTransactional(ctx context.Context, transactionalID string, batches []partitionBatch) ([]partitionBatch, error) {
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
	msg, _, err := c.do(ctx, anyNode, req)
	if err != nil {
		// Leaders may have moved apart since they were looked up: then one request cannot serve all.
		var routing *rawproduce.Error
		if errors.As(err, &routing) && len(batches) > 1 {
			return c.produceApart(ctx, transactionalID, batches)
		}
		return batches, err
	}
	done := map[topicPartition]error{}
	for _, topic := range msg.(*produce.Response).Topics {
		for _, p := range topic.Partitions {
			done[topicPartition{topic.Topic, p.Partition}] = codeOf(p.ErrorCode)
		}
	}
	return unwritten(batches, done)
}

func (c *Client) produceApart(ctx context.Context, transactionalID string, batches []partitionBatch) ([]partitionBatch, error) {
	done := map[topicPartition]error{}
	for _, b := range batches {
		_, err := c.produceTransactional(ctx, transactionalID, []partitionBatch{b})
		done[b.topicPartition] = err
	}
	return unwritten(batches, done)
}

// unwritten picks the batches that still have to be written, and the weightiest of their errors.
func unwritten(batches []partitionBatch, done map[topicPartition]error) (left []partitionBatch, worst error) {
	for _, b := range batches {
		err, answered := done[b.topicPartition]
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
