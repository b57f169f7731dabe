package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/addoffsetstotxn"
	"github.com/segmentio/kafka-go/protocol/addpartitionstotxn"
	"github.com/segmentio/kafka-go/protocol/endtxn"
	"github.com/segmentio/kafka-go/protocol/txnoffsetcommit"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/tracing"
)

// Txn is what one transaction writes.
type Txn struct {
	Records []Record
	Group   *GroupOffsets // nil: no position
}

// GroupOffsets is a group's input position on one topic: the next offset to read, by partition.
type GroupOffsets struct {
	Generation Generation
	Topic      string
	Offsets    map[int32]int64
}

// Transactor commits transactions under one transactional id, one after the other. It is safe for
// concurrent use, which makes calls wait for each other.
//
// It speaks the first version of Kafka's transaction protocol: partitions are added explicitly, the
// epoch stays from one transaction to the next.
type Transactor struct {
	client *Client
	id     string

	mu       sync.Mutex
	producer identity
	seq      map[topicPartition]int32
	maxBytes int
	dirty    bool  // the last transaction failed and may still be open, or something of it may still arrive
	doubt    bool  // a request of the transaction may have left and has no answer
	dead     error // of no more use
	builder  batchBuilder
}

type topicPartition struct {
	topic     string
	partition int32
}

// NewTransactor takes over a transactional id: the former owner is fenced, its open transaction
// aborted, and its last one ended when NewTransactor returns (CONCURRENT_TRANSACTIONS until then).
func (c *Client) NewTransactor(ctx context.Context, transactionalID string) (*Transactor, error) {
	if transactionalID == "" {
		return nil, fault.Misconfigf("kafka: transactional id is empty")
	}
	t := &Transactor{client: c, id: transactionalID, seq: map[topicPartition]int32{}, maxBytes: ProducerConfig{}.withDefaults().BatchBytes}
	err := c.retry(ctx, 3*c.cfg.RequestTimeout, func(ctx context.Context) error {
		var err error
		// No identity yet, said by -1: zeros would be a producer that the broker does not know.
		t.producer, err = c.initProducerID(ctx, transactionalID, identity{-1, -1})
		return err
	})
	if err != nil {
		return nil, classed("transactional id "+transactionalID, err)
	}
	return t, nil
}

// Commit writes txn in one transaction: all of it is there for read-committed readers, position
// included, or nothing. An empty one does nothing.
//
// After an error nothing is committed, and after an Outage Commit may be repeated. ErrFenced and
// ErrOutcomeUnknown end the Transactor's use: whoever still owns the input, which Generation.Check
// tells, makes a new one and reads its state and position again. ErrRebalanced: the group has given
// the partition away.
func (t *Transactor) Commit(ctx context.Context, txn Txn) (err error) {
	if len(txn.Records) == 0 && (txn.Group == nil || len(txn.Group.Offsets) == 0) {
		return nil
	}
	ctx, span := tracing.Start(ctx, "commit transaction", trace.SpanKindProducer)
	defer func() { span.End(err) }()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dead != nil {
		return t.dead
	}
	if err := ctx.Err(); err != nil {
		return classed("transaction "+t.id, err)
	}
	for {
		err := t.attempt(ctx, txn)
		if err == nil {
			return nil
		}
		if t.dead != nil {
			return t.dead
		}
		// At once, so that readers do not wait for this transaction's time-out; Commit tries again
		// if it does not succeed.
		if abortErr := t.recover(context.WithoutCancel(ctx), t.client.cfg.DialTimeout); t.dead != nil {
			return errors.Join(t.dead, abortErr)
		}
		if isCode(err, kafkago.MessageSizeTooLarge, kafkago.RecordListTooLarge) && t.maxBytes > 1024 && !t.dirty {
			t.maxBytes /= 2
			continue
		}
		return classed("transaction "+t.id, err)
	}
}

// attempt runs one transaction. On error it may be left open, unless t.dead says how it ended.
func (t *Transactor) attempt(ctx context.Context, txn Txn) error {
	budget := min(t.client.cfg.TransactionTimeout/4, 2*t.client.cfg.RequestTimeout)
	if t.dirty {
		if err := t.recover(ctx, budget); err != nil {
			return err
		}
	}
	plan, err := t.plan(ctx, txn.Records)
	if err != nil {
		return err
	}
	// From here on the broker may know of the transaction.
	t.dirty, t.doubt = true, false
	if len(plan) > 0 {
		if err := t.addPartitions(ctx, budget, plan); err != nil {
			return err
		}
	}
	// Where one fails the other is waited for: a request that is still on its way when the
	// transaction is aborted could begin another, which nobody would end.
	var g errgroup.Group
	if len(plan) > 0 {
		g.Go(func() error { return t.write(ctx, budget, plan) })
	}
	if txn.Group != nil && len(txn.Group.Offsets) > 0 {
		g.Go(func() error { return t.commitOffsets(ctx, budget, txn.Group) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return t.commit(ctx, budget)
}

// commit ends the transaction. Once the request has left there is no way back: it is repeated until
// the answer is known, for a while even after ctx has ended.
func (t *Transactor) commit(ctx context.Context, budget time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	maybe := false
	err := t.client.retry(context.WithoutCancel(ctx), budget, func(ctx context.Context) error {
		sent, err := t.end(ctx, true)
		if err != nil && sent && !isCode(err, kafkago.InvalidTransactionState) {
			maybe = true
		}
		return err
	})
	switch {
	case err == nil:
		// What was sent, not answered and sent again may arrive once more, late. Under the same epoch
		// it would end the next transaction in its middle, or set the position back in it (invariant 4).
		t.dirty = t.doubt
		return nil
	case isFencedErr(err):
		if maybe {
			// Fenced where an earlier attempt had no answer: that attempt may have committed.
			t.dead = fmt.Errorf("kafka: transaction %s: %w: %w: %w", t.id, ErrFenced, ErrOutcomeUnknown, err)
			return t.dead
		}
		t.dead = fmt.Errorf("kafka: transaction %s: %w: %w", t.id, ErrFenced, err)
		return t.dead
	case isCode(err, kafkago.InvalidTransactionState) && !maybe:
		return err // the coordinator has aborted it
	case maybe:
		t.dead = fmt.Errorf("kafka: transaction %s: commit: %w: %w", t.id, ErrOutcomeUnknown, err)
		return t.dead
	}
	return err
}

// recover aborts what the last transaction left and takes the next epoch, so that nothing of it can
// still arrive. Sequence numbers start again.
func (t *Transactor) recover(ctx context.Context, budget time.Duration) error {
	err := t.client.retry(ctx, budget, func(ctx context.Context) error {
		_, err := t.end(ctx, false)
		if isCode(err, kafkago.InvalidTransactionState) {
			return nil // it was not open
		}
		return err
	})
	if err == nil {
		err = t.client.retry(ctx, budget, func(ctx context.Context) error {
			// With the present identity, which the broker refuses if another owner has come: without
			// it, this would fence that owner.
			id, err := t.client.initProducerID(ctx, t.id, t.producer)
			if err == nil {
				t.producer = id
			}
			return err
		})
	}
	if isFencedErr(err) {
		t.dead = fmt.Errorf("kafka: transaction %s: %w: %w", t.id, ErrFenced, err)
		return t.dead
	}
	if err == nil {
		t.dirty = false
		clear(t.seq)
	}
	return err
}

func isFencedErr(err error) bool {
	var code kafkago.Error
	return errors.As(err, &code) && isFenced(code)
}

// end sends EndTxn. sent tells whether it may have reached the coordinator.
func (t *Transactor) end(ctx context.Context, commit bool) (sent bool, err error) {
	node, err := t.client.coordinator(ctx, transactionCoordinator, t.id)
	if err != nil {
		return false, err
	}
	msg, sent, err := t.client.do(ctx, node, &endtxn.Request{TransactionalID: t.id, ProducerID: t.producer.pid, ProducerEpoch: t.producer.epoch, Committed: commit})
	if err != nil {
		t.doubt = t.doubt || sent
		t.client.coordinators.Delete(coordinatorKey{transactionCoordinator, t.id})
		return sent, err
	}
	return true, t.client.answered(transactionCoordinator, t.id, msg.(*endtxn.Response).ErrorCode)
}

func (t *Transactor) addPartitions(ctx context.Context, budget time.Duration, plan []*partitionPlan) error {
	req := &addpartitionstotxn.Request{TransactionalID: t.id, ProducerID: t.producer.pid, ProducerEpoch: t.producer.epoch}
	at := map[string]int{}
	for _, p := range plan {
		i, ok := at[p.topic]
		if !ok {
			i = len(req.Topics)
			at[p.topic] = i
			req.Topics = append(req.Topics, addpartitionstotxn.RequestTopic{Name: p.topic})
		}
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, p.partition)
	}
	return t.coordinated(ctx, budget, "add partitions", req, func(msg protocol.Message) (codes []int16) {
		for _, r := range msg.(*addpartitionstotxn.Response).Results {
			for _, p := range r.Results {
				codes = append(codes, p.ErrorCode)
			}
		}
		return codes
	})
}

func (t *Transactor) commitOffsets(ctx context.Context, budget time.Duration, g *GroupOffsets) error {
	err := t.coordinated(ctx, budget, "add offsets", &addoffsetstotxn.Request{
		TransactionalID: t.id, ProducerID: t.producer.pid, ProducerEpoch: t.producer.epoch, GroupID: g.Generation.GroupID,
	}, func(msg protocol.Message) []int16 { return []int16{msg.(*addoffsetstotxn.Response).ErrorCode} })
	if err != nil {
		return err
	}
	// With generation and member: a member that the group has put out cannot move the position.
	req := &txnoffsetcommit.Request{
		TransactionalID: t.id, GroupID: g.Generation.GroupID, ProducerID: t.producer.pid, ProducerEpoch: t.producer.epoch,
		GenerationID: g.Generation.ID, MemberID: g.Generation.MemberID,
		Topics: []txnoffsetcommit.RequestTopic{{Name: g.Topic}},
	}
	for p, offset := range g.Offsets {
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, txnoffsetcommit.RequestPartition{Partition: p, CommittedOffset: offset, CommittedLeaderEpoch: -1})
	}
	c, group := t.client, g.Generation.GroupID
	err = c.retry(ctx, budget, func(ctx context.Context) error {
		msg, sent, err := c.coordinated(ctx, groupCoordinator, group, req)
		if err != nil {
			t.doubt = t.doubt || sent
			return err
		}
		for _, topic := range msg.(*txnoffsetcommit.Response).Topics {
			for _, p := range topic.Partitions {
				if err := c.answered(groupCoordinator, group, p.ErrorCode); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return wrap("commit offsets of group "+group, err)
}

// coordinated sends a request to the transaction coordinator until it is done or cannot be.
func (t *Transactor) coordinated(ctx context.Context, budget time.Duration, op string, req protocol.Message, codes func(protocol.Message) []int16) error {
	c := t.client
	return wrap(op, c.retry(ctx, budget, func(ctx context.Context) error {
		msg, sent, err := c.coordinated(ctx, transactionCoordinator, t.id, req)
		if err != nil {
			t.doubt = t.doubt || sent
			return err
		}
		var first error
		for _, code := range codes(msg) {
			err := c.answered(transactionCoordinator, t.id, code)
			// The partition that is to blame comes first; the others only say that they were not tried.
			if err != nil && (first == nil || isCode(first, operationNotAttempted)) {
				first = err
			}
		}
		return first
	}))
}

// operationNotAttempted says that another partition of the request failed.
const operationNotAttempted kafkago.Error = 55

func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", op, err)
}
