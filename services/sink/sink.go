package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/tracing"
	"github.com/ringback/ringback/pkg/watchdog"
	"github.com/ringback/ringback/services/sink/consume"
)

// Counts are a sink's totals since it started.
type Counts = consume.Counts

// Deps are what a sink works with.
type Deps struct {
	Kafka   Kafka
	Decoder Decoder
	Letters consume.DeadLetters
	// Registerer takes the metrics; nil exposes none.
	Registerer prometheus.Registerer
	// Tracer makes a span of each batch; nil makes none.
	Tracer *tracing.Tracer
	// Watch is told that the partitions go on; nil: nobody is.
	Watch *watchdog.Watch
	// Logger takes what someone must act on; nil discards it.
	Logger *slog.Logger
}

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Progress is how far a partition is done.
type Progress struct {
	Next int64 // every record below it has ended, and that is durable; -1 until the position is known
}

// source is a topic that a sink reads, and how it works through one of its partitions.
type source struct {
	topic string
	run   func(ctx context.Context, cfg consume.Config, log consume.Log, status *consume.Status) error
}

// Sink is one member of a sink's consumer group.
type Sink struct {
	name    string
	cfg     Config
	shape   consume.Config
	kafka   Kafka
	logger  *slog.Logger
	metrics *consume.Metrics
	rejoins prometheus.Counter
	sources []source

	mu      sync.Mutex
	owned   map[TopicPartition]*consume.Status
	next    map[TopicPartition]int64 // of partitions that were owned
	moved   chan struct{}            // closed and replaced at each change
	group   error                    // why it is not in the group; nil once it has joined
	share   int                      // how many partitions the group gave it
	reached bool                     // it has caught up with all of them once
	stopped error                    // why Run has returned
}

var errJoining = errors.New("joining the consumer group")

func newSink(name, component string, cfg Config, deps Deps, batchRecords int) (*Sink, error) {
	cfg.Group = cfg.GroupOf(name)
	cfg.BatchRecords = cmp.Or(cfg.BatchRecords, batchRecords)
	if faults := cfg.Validate(); len(faults) > 0 {
		return nil, fault.Misconfigf("sink: %w", errors.Join(faults...))
	}
	s := &Sink{
		name: name, cfg: cfg, shape: cfg.consume(name, component), kafka: deps.Kafka, logger: deps.Logger,
		metrics: consume.NewMetrics(name, deps.Registerer),
		rejoins: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "ringback", Subsystem: "sink", Name: "rejoins_total", ConstLabels: prometheus.Labels{"sink": name},
			Help: "Times that it left the group because another owner had moved a position, and joined again.",
		}),
		owned: map[TopicPartition]*consume.Status{}, next: map[TopicPartition]int64{}, moved: make(chan struct{}), group: errJoining,
	}
	s.shape.Tracer, s.shape.Watch = deps.Tracer, deps.Watch
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if deps.Registerer != nil {
		deps.Registerer.MustRegister(s.rejoins)
	}
	return s, nil
}

// reads makes a source of a topic whose records a handler of T takes.
func reads[T any](s *Sink, topic string, letters consume.DeadLetters, handler func() consume.Handler[T]) source {
	return source{topic, func(ctx context.Context, cfg consume.Config, log consume.Log, status *consume.Status) error {
		return consume.NewPartition(cfg, log, handler(), letters, s.metrics, s.logger, status).Run(ctx)
	}}
}

// Run consumes until ctx ends, and then returns nil; else the error says that an
// operator must act, or that there is a bug.
func (s *Sink) Run(ctx context.Context) error {
	err := s.run(ctx)
	s.mu.Lock()
	s.stopped = cmp.Or(err, context.Canceled)
	s.mu.Unlock()
	s.changed()
	return err
}

func (s *Sink) run(ctx context.Context) error {
	var topics []string
	for _, src := range s.sources {
		topics = append(topics, src.topic)
	}
	measuring, stop := context.WithCancel(ctx)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer stop()
	group := kafka.GroupConfig{
		ID: s.cfg.Group, Topics: topics,
		OnOutage: func(err error) {
			s.metrics.Left()
			s.joined(err)
		},
		OnJoin: func(partitions int) {
			s.metrics.Joined(partitions)
			s.mu.Lock()
			s.share = partitions
			s.mu.Unlock()
			s.joined(nil)
			asking.Go(func() { s.measure(measuring) }) // who joins must not wait for it
		},
	}
	for {
		err := s.kafka.RunGroup(ctx, group, s.own)
		if ctx.Err() != nil {
			return nil
		}
		s.metrics.Left()
		s.joined(errJoining)
		switch {
		case errors.Is(err, infomart.ErrPositionMoved):
			// invariant 5: a former owner loses. It joins again, and finds out who owns what.
			s.rejoins.Inc()
			s.logger.Warn("another owner has moved a position; joining the group again", "sink", s.name, "error", err)
		case errors.Is(err, kafka.ErrRebalanced), err != nil && fault.ClassOf(err) == fault.Outage:
			s.joined(err)
		default:
			return fmt.Errorf("sink %s: %w", s.name, cmp.Or(err, errors.New("the consumer group ended by itself")))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(s.cfg.RetryMin):
		}
	}
}

// measure shows how many partitions there are, against which those assigned are held. Where it fails,
// the next generation asks again.
func (s *Sink) measure(ctx context.Context) {
	for _, src := range s.sources {
		if n, err := s.kafka.Partitions(ctx, src.topic); err == nil {
			s.metrics.Partitions(src.topic, n)
		}
	}
}

// own works through a partition for as long as it is this member's.
func (s *Sink) own(ctx context.Context, gen kafka.Generation, topic string, partition int32) error {
	i := slices.IndexFunc(s.sources, func(src source) bool { return src.topic == topic })
	if i < 0 {
		return fmt.Errorf("sink: the group assigned topic %s, which was not asked for", topic)
	}
	tp := TopicPartition{topic, partition}
	status := consume.NewStatus(s.changed)
	s.mu.Lock()
	s.owned[tp] = status
	s.mu.Unlock()
	defer s.disown(tp, status)

	following, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { follow(following, gen, topic, partition, status) })
	defer wg.Wait()
	defer stop()

	cfg := s.shape
	cfg.Key = infomart.PositionKey{Group: s.cfg.Group, Topic: topic, Partition: partition}
	cfg.Owned = gen.Check
	s.metrics.Stopped(cfg.Key, false)
	defer s.metrics.Disowned(cfg.Key)
	for {
		err := s.sources[i].run(ctx, cfg, partitionLog{s.kafka, topic, partition}, status)
		if errors.Is(err, kafka.ErrRebalanced) {
			// The handler has learnt of a rebalance before the group's own heartbeat. To leave the group for it would
			// be another rebalance.
			<-ctx.Done()
			return ctx.Err()
		}
		if ctx.Err() != nil || !errors.Is(err, consume.ErrPosition) {
			return err
		}
		// This partition cannot go on, here or at another member; the others can. It is looked at again from time to
		// time, as a restart would: once an operator has put the position right, it goes on by itself.
		s.metrics.Stopped(cfg.Key, true)
		if status.Stop(err) {
			s.logger.Error("partition stopped", "sink", s.name, "topic", topic, "partition", partition, "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(s.cfg.RetryMax):
		}
	}
}

func (s *Sink) disown(tp TopicPartition, status *consume.Status) {
	s.mu.Lock()
	if s.owned[tp] == status {
		delete(s.owned, tp)
	}
	if next := status.Next(); next >= 0 {
		s.next[tp] = next
	}
	s.mu.Unlock()
	s.changed()
}

func (s *Sink) joined(why error) {
	s.mu.Lock()
	s.group = why
	s.mu.Unlock()
	s.changed()
}

// changed wakes everybody who waits for something to change.
func (s *Sink) changed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.moved)
	s.moved = make(chan struct{})
}
