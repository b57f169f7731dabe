package enricher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/session"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/tracing"
	"github.com/ringback/ringback/pkg/watchdog"
	"github.com/ringback/ringback/pkg/wire"
)

// Deps are what an enricher works with.
type Deps struct {
	Kafka *kafka.Client
	Codec *wire.Codec
	// Registerer takes the metrics; nil means none are exposed.
	Registerer prometheus.Registerer
	// Logger takes what someone must act on; nil discards it.
	Logger *slog.Logger
	// Tracer makes a span of each batch; nil makes none.
	Tracer *tracing.Tracer
	// Watch is told that the partitions go on; nil: nobody is.
	Watch *watchdog.Watch
	// Now is the wall clock, by which a quiet partition is given a tick; nil is time.Now.
	Now func() time.Time
}

// Enricher is one member of the enricher's consumer group.
type Enricher struct {
	cfg        Config
	kafka      *kafka.Client
	codec      *wire.Codec
	logger     *slog.Logger
	now        func() time.Time
	metrics    *metrics
	tracer     *tracing.Tracer
	watch      *watchdog.Watch
	partitions int

	ticks *kafka.Producer

	mu     sync.Mutex
	kept   map[int32]*session.Partition // states of partitions that may come back unchanged
	status map[int32]status             // of the partitions owned now
	loops  map[int32]*watchdog.Loop     // of the partitions owned now
	moved  chan struct{}                // closed and replaced when a position moves
	next   map[int32]int64              // next offset of every partition seen, for WaitFor
	paused map[int32]*poisonHold        // partitions that wait for an operator
	parked map[int32]error              // partitions that stopped, and why
	joined bool                         // it is in the group
	group  error                        // why it is not, where the brokers do not answer
	share  int                          // how many partitions the group gave it
	caught bool                         // it was ready once with partitions of its own

	counts   Counts
	sessions map[int32]session.Sessions // as of the last batch
}

// Counts are what this member has read and sent since it started.
type Counts struct {
	Read           int64 `json:"read"` // the sum of the next four (invariant 2)
	Applied        int64 `json:"applied"`
	AlreadyApplied int64 `json:"already_applied"`
	DeadLettered   int64 `json:"dead_lettered"`
	Ticks          int64 `json:"ticks"`
	UserEvents     int64 `json:"user_events"`
	AttachedData   int64 `json:"attached_data"`
}

func (c *Counts) add(d Counts) {
	c.Read += d.Read
	c.Applied += d.Applied
	c.AlreadyApplied += d.AlreadyApplied
	c.DeadLettered += d.DeadLettered
	c.Ticks += d.Ticks
	c.UserEvents += d.UserEvents
	c.AttachedData += d.AttachedData
}

// status is how an owned partition does, for health.
type status struct {
	ready  bool
	reason string
}

// New makes an enricher. The error names every fault of the configuration.
func New(cfg Config, deps Deps) (*Enricher, error) {
	if faults := cfg.Validate(); len(faults) > 0 {
		return nil, fault.Misconfigf("enricher: %w", joined(faults))
	}
	e := &Enricher{
		cfg: cfg, kafka: deps.Kafka, codec: deps.Codec, logger: deps.Logger, now: deps.Now, tracer: deps.Tracer, watch: deps.Watch,
		kept: map[int32]*session.Partition{}, status: map[int32]status{}, loops: map[int32]*watchdog.Loop{}, next: map[int32]int64{}, paused: map[int32]*poisonHold{}, parked: map[int32]error{},
		moved: make(chan struct{}), sessions: map[int32]session.Sessions{},
	}
	if e.logger == nil {
		e.logger = slog.New(slog.DiscardHandler)
	}
	if e.now == nil {
		e.now = time.Now
	}
	e.metrics = newMetrics(deps.Registerer)
	return e, nil
}

// Run reads until ctx ends, or an error that is no outage.
func (e *Enricher) Run(ctx context.Context) error {
	if err := e.checkTopics(ctx); err != nil {
		return err
	}
	e.ticks = e.kafka.NewProducer(kafka.ProducerConfig{})
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = e.ticks.Close(closing) // a tick that was not written is written again by the next owner
	}()
	return e.kafka.RunGroup(ctx, kafka.GroupConfig{
		ID: e.cfg.Group, Topics: []string{topic.Lifecycle},
		OnJoin: func(partitions int) {
			e.metrics.joins.Inc()
			e.metrics.assigned.Set(float64(partitions))
			e.setJoined(nil, partitions)
			if partitions == 0 {
				e.release() // else the first takeover does
			}
		},
		OnOutage: func(err error) {
			e.metrics.outages.Inc() // a member without partitions has nothing else that would count it
			e.metrics.assigned.Set(0)
			e.setJoined(err, 0)
		},
	}, e.own)
}

func (e *Enricher) setJoined(why error, share int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.joined, e.group, e.share = why == nil, why, share
}

// checkTopics refuses topics whose partitions do not lie side by side, and those that would forget what the
// enricher or a sink counts on, or have another clock than the producer's (invariants 3 and 4).
func (e *Enricher) checkTopics(ctx context.Context) error {
	counts := map[string]int{}
	for _, t := range []string{topic.Lifecycle, topic.Sessions} {
		n, err := retry(ctx, e, -1, func() (int, error) { return e.kafka.Partitions(ctx, t) })
		if err != nil {
			return fmt.Errorf("enricher: partitions of %s: %w", t, err)
		}
		counts[t] = n
	}
	if counts[topic.Lifecycle] != counts[topic.Sessions] {
		return fault.Misconfigf("enricher: %s has %d partitions and %s %d; they must be equal, since a session's state lies on the partition of its events",
			topic.Lifecycle, counts[topic.Lifecycle], topic.Sessions, counts[topic.Sessions])
	}
	var kinds []topic.Spec
	for _, s := range topic.Specs(1, 1) {
		if s.Name != topic.DeadLetters {
			kinds = append(kinds, s)
		}
	}
	if _, err := retry(ctx, e, -1, func() (struct{}, error) { return struct{}{}, e.kafka.CheckKind(ctx, kinds) }); err != nil {
		return fmt.Errorf("enricher: %w", err)
	}
	e.partitions = counts[topic.Lifecycle]
	e.metrics.all.Set(float64(e.partitions))
	return nil
}

// Ready says why the enricher is not ready; nil once it is in the group and every
// partition that it owns, if any, has caught up.
func (e *Enricher) Ready() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.joined {
		return fmt.Errorf("enricher: not in the consumer group yet: %w", cmp.Or(e.group, errJoining))
	}
	for n, s := range e.status {
		if !s.ready {
			return fmt.Errorf("enricher: partition %d of %s: %s", n, topic.Lifecycle, s.reason)
		}
	}
	// Between two generations nothing is owned, nor in the moment after joining: a rollout must not go on over a
	// member that has not caught up with anything yet.
	if !e.caught && len(e.status) < e.share {
		return fmt.Errorf("enricher: %d of its %d partitions of %s have not begun", e.share-len(e.status), e.share, topic.Lifecycle)
	}
	e.caught = e.caught || e.share > 0
	return nil
}

var errJoining = errors.New("joining")

// WaitFor returns once every partition has been read, and its effects committed, up
// to these offsets. It returns an error where one of them has stopped or is paused.
func (e *Enricher) WaitFor(ctx context.Context, ends map[int32]int64) error {
	for {
		moved, there, err := e.reached(ends)
		if there || err != nil {
			return err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (e *Enricher) reached(ends map[int32]int64) (moved <-chan struct{}, there bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	there = true
	for n, end := range ends {
		if e.next[n] >= end {
			continue
		}
		there = false
		if why := e.parked[n]; why != nil {
			return nil, false, why
		}
		if h := e.paused[n]; h != nil {
			return nil, false, fmt.Errorf("enricher: partition %d of %s is paused before offset %d: its records cannot be decoded (%s)", n, topic.Lifecycle, h.offset, h.reason)
		}
	}
	return e.moved, there, nil
}

// Counts returns what this member has read and sent.
func (e *Enricher) Counts() Counts {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.counts
}

// Sessions counts the sessions of the partitions that this member has owned.
func (e *Enricher) Sessions() (all session.Sessions) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.sessions {
		all.Open += s.Open
		all.Ended += s.Ended
		all.Closed += s.Closed
		all.Bytes += s.Bytes
	}
	return all
}

func (e *Enricher) advance(n int32, next int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.next[n] = next
	close(e.moved)
	e.moved = make(chan struct{})
}

func (e *Enricher) setStatus(n int32, ready bool, reason string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n < 0 { // before it joins
		e.group = errors.New(reason)
		return
	}
	e.status[n] = status{ready, reason}
	e.loops[n].Beat() // each poll and each try comes by here
}
