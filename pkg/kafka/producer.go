package kafka

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/tracing"
)

// ProducerConfig bounds a producer. The zero value of each field takes its default.
type ProducerConfig struct {
	// Linger is how long the first record of a batch waits for more, while fewer than
	// [LingerRecords] are there. With 0 a batch leaves at once and what comes during its round trip
	// makes the next.
	Linger time.Duration `env:"LINGER, default=5ms"`
	// LingerRecords ends the wait.
	LingerRecords int `env:"LINGER_RECORDS, default=500" unit:"records"`
	// BatchBytes bounds a batch before compression; the default fits under a broker's own of 1,048,588. A
	// larger record goes alone.
	BatchBytes int `env:"BATCH_BYTES, default=1000000" unit:"bytes"`
	// BatchRecords bounds a batch.
	BatchRecords int `env:"BATCH_RECORDS, default=5000" unit:"records"`
	// QueueRecords bounds what waits for one partition, the batch under way included. More is refused
	// with 429 QUEUE_FULL.
	QueueRecords int `env:"QUEUE_RECORDS, default=50000" unit:"records"`
	// QueueBytes bounds by its size what waits for all partitions together. More is refused in the same way.
	QueueBytes int `env:"QUEUE_BYTES, default=67108864" unit:"bytes"`
	// Now stamps records without a time. Default time.Now.
	Now func() time.Time `json:"-"`
}

func (cfg ProducerConfig) withDefaults() ProducerConfig {
	cfg.LingerRecords = cmp.Or(cfg.LingerRecords, 500)
	cfg.BatchBytes = cmp.Or(cfg.BatchBytes, 1_000_000)
	cfg.BatchRecords = cmp.Or(cfg.BatchRecords, 5_000)
	cfg.QueueRecords = cmp.Or(cfg.QueueRecords, 50_000)
	cfg.QueueBytes = cmp.Or(cfg.QueueBytes, 64<<20)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return cfg
}

// Delivery is what became of one record.
type Delivery struct {
	Partition int32
	// Offset is where the record lies; -1 where Err is set, and where the broker, having
	// recognised a repeated batch, no longer knows.
	Offset int64
	// Err is nil only once the broker has acknowledged with acks=all (invariant 1). ErrQueueFull:
	// nothing was sent. ErrOutcomeUnknown: the record may be in the log, or get there yet; repeating
	// it may write it twice. Any other: it was not written.
	Err error
}

// Producer writes idempotently: per partition one batch is under way at a time, sent again as the
// same bytes until its fate is known, so that neither order nor number suffers from lost answers.
// It is safe for concurrent use.
type Producer struct {
	client *Client
	cfg    ProducerConfig

	ctx    context.Context // ends the senders at once
	cancel context.CancelFunc
	closed atomic.Bool
	rotate atomic.Uint32 // spreads records without a key
	bytes  atomic.Int64  // of all that waits
	wg     sync.WaitGroup

	mu     sync.RWMutex
	topics map[string][]*partitionQueue

	idMu sync.Mutex
	id   identity
	hasI bool
}

// NewProducer makes a producer. It writes nothing before it is used.
func (c *Client) NewProducer(cfg ProducerConfig) *Producer {
	p := &Producer{client: c, cfg: cfg.withDefaults(), topics: map[string][]*partitionQueue{}}
	p.ctx, p.cancel = context.WithCancel(c.ctx)
	return p
}

// Produce writes the records and blocks until the fate of each is decided or ctx ends; its answers
// are in the order of recs. Records of one key are written in order, also across calls that follow
// each other. The records are the producer's until Produce returns.
//
// During an outage Produce waits as long as ctx lets it; only for a topic that it has not written to
// before, whose partitions it must learn first, it gives up after the client's RequestTimeout.
func (p *Producer) Produce(ctx context.Context, recs []Record) []Delivery {
	if len(recs) == 0 {
		return nil
	}
	ctx, span := tracing.Start(ctx, "send "+recs[0].Topic, trace.SpanKindProducer)
	b := &produceCall{deliveries: make([]Delivery, len(recs)), undecided: len(recs), done: make(chan struct{})}
	now := p.cfg.Now().UnixMilli()
	batches := map[*partitionQueue][]queued{}
	for i := range recs {
		rec := &recs[i]
		q, err := p.queueFor(ctx, rec)
		if err != nil {
			b.decide(i, Delivery{Partition: rec.Partition, Offset: -1, Err: err})
			continue
		}
		ms := now
		if !rec.Time.IsZero() {
			ms = rec.Time.UnixMilli()
		}
		batches[q] = append(batches[q], queued{call: b, index: i, rec: rec, ms: ms, size: recordBound(rec)})
	}
	for q, items := range batches {
		if err := q.enqueue(items); err != nil {
			for _, it := range items {
				b.decide(it.index, Delivery{Partition: q.partition, Offset: -1, Err: err})
			}
			continue
		}
		b.queues = append(b.queues, q)
	}
	select {
	case <-b.done:
	case <-ctx.Done():
		b.abandon(ctx.Err())
	}
	span.End(failureOf(b.deliveries))
	return b.deliveries
}

// failureOf is the first error there is.
func failureOf(deliveries []Delivery) error {
	for i := range deliveries {
		if err := deliveries[i].Err; err != nil {
			return err
		}
	}
	return nil
}

// queueFor finds the queue of the partition that rec belongs to.
func (p *Producer) queueFor(ctx context.Context, rec *Record) (*partitionQueue, error) {
	if p.closed.Load() {
		return nil, fault.Outagef("kafka: producer: %w", ErrClosed)
	}
	p.mu.RLock()
	queues, ok := p.topics[rec.Topic]
	p.mu.RUnlock()
	if !ok {
		var err error
		if queues, err = p.addTopic(ctx, rec.Topic); err != nil {
			return nil, err
		}
	}
	n := len(queues)
	switch {
	case rec.Partition >= 0 && int(rec.Partition) < n:
		return queues[rec.Partition], nil
	case rec.Partition != AnyPartition:
		return nil, fault.Misconfigf("kafka: topic %s has %d partitions: there is no %d", rec.Topic, n, rec.Partition)
	case rec.Key == nil:
		return queues[int(p.rotate.Add(1)%uint32(n))], nil
	}
	return queues[PartitionForKey(rec.Key, n)], nil
}

// addTopic makes the queues of a topic. The number of its partitions is fixed from then on, since
// another would send a key elsewhere.
func (p *Producer) addTopic(ctx context.Context, name string) ([]*partitionQueue, error) {
	n, err := p.client.Partitions(ctx, name)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if queues, ok := p.topics[name]; ok {
		return queues, nil
	}
	if p.closed.Load() {
		return nil, fault.Outagef("kafka: producer: %w", ErrClosed)
	}
	queues := make([]*partitionQueue, n)
	for i := range queues {
		queues[i] = newPartitionQueue(p, name, int32(i))
		p.wg.Go(queues[i].run)
	}
	p.topics[name] = queues
	return queues, nil
}

// Close takes no more records, waits until those it has are decided, and returns. When ctx ends
// first, what is still undecided is given up and said so to its callers.
func (p *Producer) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed.Store(true)
	for _, queues := range p.topics {
		for _, q := range queues {
			q.close()
		}
	}
	p.mu.Unlock()
	drained := make(chan struct{})
	go func() {
		p.wg.Wait()
		close(drained)
	}()
	select {
	case <-drained:
		p.cancel()
		return nil
	case <-ctx.Done():
		p.cancel()
		<-drained
		return fault.Outagef("kafka: producer closed before all was written: %w", ctx.Err())
	}
}

// identify returns the producer id that partitions share; a fresh one belongs to one partition.
func (p *Producer) identify(ctx context.Context, fresh bool) (identity, error) {
	p.idMu.Lock()
	defer p.idMu.Unlock()
	if p.hasI && !fresh {
		return p.id, nil
	}
	id, err := p.client.initProducerID(ctx, "", identity{-1, -1})
	if err != nil {
		return identity{}, err
	}
	if !p.hasI {
		p.id, p.hasI = id, true
	}
	return id, nil
}

// produceCall is one call of Produce.
type produceCall struct {
	queues  []*partitionQueue
	leaving atomic.Bool // the caller no longer waits
	done    chan struct{}

	mu         sync.Mutex
	deliveries []Delivery
	decided    []bool
	undecided  int
	abandoned  bool
}

// decide sets the fate of one record.
func (b *produceCall) decide(i int, d Delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.decideLocked(i, d)
}

func (b *produceCall) decideLocked(i int, d Delivery) {
	if b.abandoned {
		return // the caller has its answers and owns the slice again
	}
	if b.decided == nil {
		b.decided = make([]bool, len(b.deliveries))
	}
	if b.decided[i] {
		return
	}
	b.decided[i] = true
	b.deliveries[i] = d
	if b.undecided--; b.undecided == 0 {
		close(b.done)
	}
}

// abandon decides what is left when the caller stops waiting: what still lies in a queue is taken
// out and was not sent, the rest may be in the log.
func (b *produceCall) abandon(cause error) {
	// Before the queues are searched: a batch that certainly was not written goes back into its
	// queue, and one that goes back after the search must not bring these records along.
	b.leaving.Store(true)
	for _, q := range b.queues {
		for _, it := range q.withdraw(b) {
			b.decide(it.index, Delivery{Partition: q.partition, Offset: -1, Err: q.notSent(cause)})
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.deliveries {
		if b.undecided > 0 && (b.decided == nil || !b.decided[i]) {
			b.deliveries[i] = Delivery{Partition: -1, Offset: -1, Err: unknownOutcome(cause)}
		}
	}
	b.abandoned = true
}

func unknownOutcome(cause error) error {
	return fault.Outagef("kafka: produce: %w: %w", ErrOutcomeUnknown, cause)
}

func (q *partitionQueue) String() string { return fmt.Sprintf("%s[%d]", q.topic, q.partition) }
