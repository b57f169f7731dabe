package kafka

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/initproducerid"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/rawproduce"

	"github.com/ringback/ringback/pkg/fault"
)

const (
	minBackoff = 20 * time.Millisecond
	maxBackoff = time.Second
)

// run sends batch after batch until the producer closes.
func (q *partitionQueue) run() {
	backoff := time.Duration(0)
	for q.await() {
		if backoff > 0 {
			sleep(q.producer.ctx, jitter(backoff))
		}
		if q.producer.ctx.Err() != nil {
			break
		}
		if !q.take() {
			continue // its caller has withdrawn it
		}
		if q.send() {
			backoff = 0
		} else {
			backoff = min(max(minBackoff, 2*backoff), maxBackoff)
		}
	}
	q.failAll(q.notSent(ErrClosed))
}

// notSent is the error of records that waited in vain; who gave them up says less than what they
// waited for.
func (q *partitionQueue) notSent(cause error) error {
	q.mu.Lock()
	trouble := q.trouble
	q.mu.Unlock()
	if trouble != nil {
		return fault.Outagef("kafka: produce to %v: not sent: %w: %v", q, cause, trouble)
	}
	return fault.Outagef("kafka: produce to %v: not sent: %w", q, cause)
}

func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

// send brings the batch under way to its decision. false: it was certainly not written and lies in
// the queue again.
func (q *partitionQueue) send() bool {
	p := q.producer
	if err := q.identify(); err != nil {
		return q.refuse(err)
	}
	raw, err := q.builder.appendTo([]byte{0, 0, 0, 0}, p.client.codec, false, q.id, q.seq)
	if err != nil {
		q.settle(-1, err)
		return true
	}
	binary.BigEndian.PutUint32(raw, uint32(len(raw)-4))

	maybeWritten := false
	for backoff := minBackoff; ; backoff = min(2*backoff, maxBackoff) {
		base, sent, err := p.client.produceOne(p.ctx, q.topic, q.partition, raw)
		switch fate := fateOf(sent, err); {
		case fate == written:
			if err != nil {
				base = -1
			}
			q.seq += q.builder.count
			q.settle(base, nil) // invariant 1: acknowledged by all in-sync replicas
			return true
		case fate != maybe && !maybeWritten:
			return q.refuse(err)
		case fate == refused:
			// An earlier attempt may have been written and this answer does not say. Sending it
			// under a new sequence could make a second copy, so that is left to the caller.
			q.stale = true
			q.settle(-1, unknownOutcome(err))
			return true
		case fate == maybe:
			maybeWritten = true
		}
		// The same bytes again: their sequence number is what makes a repetition harmless.
		if !sleep(p.ctx, jitter(backoff)) {
			q.settle(-1, unknownOutcome(ErrClosed))
			return true
		}
	}
}

// refuse handles a batch that certainly was not written.
func (q *partitionQueue) refuse(err error) bool {
	var code kafkago.Error
	errors.As(err, &code)
	switch {
	case code == kafkago.MessageSizeTooLarge || code == kafkago.RecordListTooLarge:
		if q.builder.count > 1 {
			q.maxBytes = max(1, len(q.builder.records)/2)
			q.putBack(err)
			return true
		}
		q.maxBytes = q.producer.cfg.BatchBytes // it was this record, not the size of the batches
	case isStaleSequence(code):
		q.stale = true
		q.putBack(err)
		return false
	case q.producer.ctx.Err() != nil:
		q.settle(-1, q.notSent(ErrClosed))
		return true
	case isTransient(err):
		q.putBack(err)
		return false
	}
	q.settle(-1, classed(fmt.Sprintf("produce to %v", q), err))
	return true
}

// identify makes sure that the next batch has a producer id and room for its sequence numbers.
func (q *partitionQueue) identify() error {
	if q.identified && q.seq > math.MaxInt32-q.builder.count {
		q.stale = true // before the sequence wraps: nothing is under way now
	}
	if q.identified && !q.stale {
		return nil
	}
	id, err := q.producer.identify(q.producer.ctx, q.stale)
	if err != nil {
		return err
	}
	q.id, q.identified, q.stale, q.seq = id, true, false, 0
	return nil
}

// fate is what one attempt tells about a batch.
type fate int

const (
	maybe   fate = iota // it may be in the log
	written             // it is
	unsent              // this attempt has not written it; another may
	refused             // this attempt has not written it; another with the same bytes will not
)

func fateOf(sent bool, err error) fate {
	if err == nil {
		return written
	}
	if !sent {
		return unsent
	}
	var code kafkago.Error
	if !errors.As(err, &code) {
		return maybe
	}
	switch code {
	case kafkago.DuplicateSequenceNumber:
		return written // by an attempt whose answer was lost
	case kafkago.UnknownTopicOrPartition, kafkago.NotEnoughReplicas:
		return unsent
	case kafkago.InvalidMessage, kafkago.MessageSizeTooLarge, kafkago.RecordListTooLarge:
		return refused
	}
	if isStaleSequence(code) || misconfigured[code] {
		return refused
	}
	// NOT_LEADER too: a leader that steps down while it waits for its replicas gives that answer
	// after it has appended.
	return maybe
}

// isStaleSequence tells whether the broker no longer goes along with the producer id or sequence.
func isStaleSequence(code kafkago.Error) bool {
	switch code {
	case kafkago.OutOfOrderSequenceNumber, kafkago.UnknownProducerId, kafkago.InvalidProducerEpoch,
		kafkago.InvalidProducerIDMapping, kafkago.ProducerFenced:
		return true
	}
	return false
}

// produceOne makes one attempt with one batch, which raw holds behind its size.
func (c *Client) produceOne(ctx context.Context, topic string, partition int32, raw []byte) (base int64, sent bool, err error) {
	msg, sent, err := c.lead(ctx, topic, partition, &rawproduce.Request{
		Acks:    -1,
		Timeout: int32(c.cfg.RequestTimeout.Milliseconds() / 2),
		Topics: []rawproduce.RequestTopic{{Topic: topic, Partitions: []rawproduce.RequestPartition{{
			Partition: partition, RecordSet: protocol.RawRecordSet{Reader: bytes.NewReader(raw)},
		}}}},
	})
	if err != nil {
		return -1, sent, err
	}
	for _, t := range msg.(*produce.Response).Topics {
		for _, p := range t.Partitions {
			if t.Topic == topic && p.Partition == partition {
				return p.BaseOffset, true, c.ledBy(topic, p.ErrorCode)
			}
		}
	}
	return -1, true, errNoAnswer
}

// initProducerID asks for a producer id: a new one, the transactional id's next epoch, or, with the
// present identity given, the next epoch only if nobody else has taken it.
func (c *Client) initProducerID(ctx context.Context, transactionalID string, present identity) (identity, error) {
	req := &initproducerid.Request{
		TransactionalID: transactionalID, TransactionTimeoutMs: int32(c.cfg.TransactionTimeout.Milliseconds()),
		ProducerID: present.pid, ProducerEpoch: present.epoch,
	}
	var msg protocol.Message
	var err error
	if transactionalID == "" {
		msg, _, err = c.do(ctx, anyNode, req)
	} else {
		msg, _, err = c.coordinated(ctx, transactionCoordinator, transactionalID, req)
	}
	if err != nil {
		return identity{}, err
	}
	res := msg.(*initproducerid.Response)
	if err := c.answered(transactionCoordinator, transactionalID, res.ErrorCode); err != nil {
		return identity{}, err
	}
	return identity{res.ProducerID, res.ProducerEpoch}, nil
}
