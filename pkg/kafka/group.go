package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/heartbeat"
	"github.com/segmentio/kafka-go/protocol/leavegroup"

	"github.com/ringback/ringback/pkg/fault"
)

// GroupConfig is a member's part in a consumer group. ID and Topics are required, all members must
// name the same topics, and the zero value of each other field takes its default.
type GroupConfig struct {
	ID     string
	Topics []string
	// SessionTimeout is after what a silent member loses its partitions. Default 10 s.
	SessionTimeout time.Duration
	// HeartbeatInterval is also how soon a member learns of a rebalance. Default 1 s.
	HeartbeatInterval time.Duration
	// RebalanceTimeout is how long the group waits for a member's handlers to return before it
	// gives its partitions away. Default 30 s.
	RebalanceTimeout time.Duration
	// JoinBackoff is the pause after a failed attempt to join. Default 500 ms.
	JoinBackoff time.Duration
	// PartitionWatch is how often the number of partitions is looked at. Default 5 s.
	PartitionWatch time.Duration
	// LeaveTimeout bounds saying goodbye to the broker at the end. Default 5 s.
	LeaveTimeout time.Duration
	// OnOutage, where set, is told each failed attempt to join, to say so: the group tries on.
	OnOutage func(error)
	// OnJoin, where set, is told how many partitions each generation brings; a member of a large
	// group may have none.
	OnJoin func(partitions int)
}

func (cfg GroupConfig) withDefaults() GroupConfig {
	cfg.SessionTimeout = cmp.Or(cfg.SessionTimeout, 10*time.Second)
	cfg.HeartbeatInterval = cmp.Or(cfg.HeartbeatInterval, time.Second)
	cfg.RebalanceTimeout = cmp.Or(cfg.RebalanceTimeout, 30*time.Second)
	cfg.JoinBackoff = cmp.Or(cfg.JoinBackoff, 500*time.Millisecond)
	cfg.PartitionWatch = cmp.Or(cfg.PartitionWatch, 5*time.Second)
	cfg.LeaveTimeout = cmp.Or(cfg.LeaveTimeout, 5*time.Second)
	if cfg.OnOutage == nil {
		cfg.OnOutage = func(error) {}
	}
	if cfg.OnJoin == nil {
		cfg.OnJoin = func(int) {}
	}
	return cfg
}

// Generation is one member's membership between two rebalances.
type Generation struct {
	GroupID  string
	MemberID string
	ID       int32

	client *Client
	commit func(map[string]map[int]int64) error
}

// Check asks the group whether this is still its generation. ErrRebalanced: it is not, or not for
// much longer. So an owner that finds itself fenced learns whether it has lost the partition or only
// its transaction.
func (g Generation) Check(ctx context.Context) error {
	if g.client == nil {
		return errNoGeneration
	}
	c, op := g.client, "generation of group "+g.GroupID
	return c.retry(ctx, c.cfg.RequestTimeout, func(ctx context.Context) error {
		msg, _, err := c.coordinated(ctx, groupCoordinator, g.GroupID, versionZero{&heartbeat.Request{GroupID: g.GroupID, GenerationID: g.ID, MemberID: g.MemberID}})
		if err != nil {
			return classed(op, err)
		}
		return classed(op, c.answered(groupCoordinator, g.GroupID, msg.(*heartbeat.Response).ErrorCode))
	})
}

var errNoGeneration = fault.Misconfigf("kafka: this is the generation of no group")

// CommitOffsets sets the group's next offsets, by topic and partition. ErrRebalanced: the
// membership has ended and nothing was set.
func (g Generation) CommitOffsets(offsets map[string]map[int32]int64) error {
	if g.commit == nil {
		return errNoGeneration
	}
	all := make(map[string]map[int]int64, len(offsets))
	for topic, partitions := range offsets {
		all[topic] = make(map[int]int64, len(partitions))
		for p, offset := range partitions {
			all[topic][int(p)] = offset
		}
	}
	return classed("commit offsets of group "+g.GroupID, g.client.security.deniedGroup(g.GroupID, slices.Collect(maps.Keys(offsets)), g.commit(all)))
}

// Handler works on one partition until ctx ends, which it does when the group rebalances or closes.
type Handler func(ctx context.Context, gen Generation, topic string, partition int32) error

// RunGroup is a member of the group until ctx ends. It runs handle, once each, for all partitions
// that the group assigns to it; before it joins the next generation all of them have returned, so
// that no partition has two owners. A handler that returns nil early leaves its partition idle. The
// first error of a handler whose ctx had not ended closes the membership and is returned.
//
// It waits for topics that do not exist yet and for brokers that are away, and returns nil when ctx
// ends, else a handler's error or a Misconfiguration.
func (c *Client) RunGroup(ctx context.Context, cfg GroupConfig, handle Handler) error {
	cfg = cfg.withDefaults()
	if cfg.ID == "" || len(cfg.Topics) == 0 {
		return fault.Misconfigf("kafka: group %q with %d topics: both are required", cfg.ID, len(cfg.Topics))
	}
	if err := c.awaitTopics(ctx, cfg); err != nil || ctx.Err() != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	m := &member{client: c, cfg: cfg, balancer: &stickyBalancer{}, handle: handle, ctx: ctx, fail: cancel}
	if err := m.join(); err != nil {
		return err
	}
	err := m.run()
	cancel(nil)
	m.handlers.Wait()
	m.goodbyes.Wait()
	m.leave()
	return err
}

// join begins to join the group, each time by way of the next broker: kafka-go asks the first one that
// takes a connection who coordinates the group, and where that one never answers it asks it for ever.
func (m *member) join() error {
	c, cfg := m.client, m.cfg
	brokers := c.cfg.Brokers
	at := m.joins % len(brokers)
	m.joins++
	group, err := kafkago.NewConsumerGroup(kafkago.ConsumerGroupConfig{
		ID:                     cfg.ID,
		Brokers:                slices.Concat(brokers[at:], brokers[:at]),
		Topics:                 cfg.Topics,
		Dialer:                 &kafkago.Dialer{ClientID: c.cfg.ClientID, Timeout: c.cfg.DialTimeout, DialFunc: c.conns.dial},
		GroupBalancers:         []kafkago.GroupBalancer{m.balancer},
		HeartbeatInterval:      cfg.HeartbeatInterval,
		SessionTimeout:         cfg.SessionTimeout,
		RebalanceTimeout:       cfg.RebalanceTimeout,
		JoinGroupBackoff:       cfg.JoinBackoff,
		WatchPartitionChanges:  true,
		PartitionWatchInterval: cfg.PartitionWatch,
		Timeout:                c.cfg.RequestTimeout,
	})
	if err != nil {
		return fault.Misconfigf("kafka: group %s: %w", cfg.ID, err)
	}
	m.group = group
	return nil
}

// awaitTopics waits until the topics are there: a group joined before gets no partitions.
func (c *Client) awaitTopics(ctx context.Context, cfg GroupConfig) error {
	for {
		missing := ""
		have, err := c.describe(ctx, cfg.Topics...)
		if err == nil {
			for _, name := range cfg.Topics {
				if len(have[name]) == 0 {
					missing = name
				}
			}
			if missing == "" {
				return nil
			}
			err = fault.Outagef("kafka: group %s: topic %s does not exist yet", cfg.ID, missing)
		}
		if ctx.Err() != nil {
			return nil
		}
		if fault.ClassOf(err) != fault.Outage || errors.Is(err, ErrClosed) {
			return err
		}
		cfg.OnOutage(err)
		sleep(ctx, cfg.JoinBackoff)
	}
}

// member is one membership.
type member struct {
	client   *Client
	cfg      GroupConfig
	group    *kafkago.ConsumerGroup
	joins    int
	balancer *stickyBalancer
	handle   Handler
	ctx      context.Context
	fail     context.CancelCauseFunc
	handlers sync.WaitGroup

	memberID string // of the last generation
	goodbyes sync.WaitGroup
}

// handlerError is the cause of a membership that a handler has ended.
type handlerError struct{ err error }

func (e handlerError) Error() string { return e.err.Error() }

func (m *member) run() error {
	for {
		gen, err := m.group.Next(m.ctx)
		if m.ctx.Err() != nil {
			var failed handlerError
			if errors.As(context.Cause(m.ctx), &failed) {
				return failed.err
			}
			return nil
		}
		if err != nil {
			err = classed("group "+m.cfg.ID, m.client.security.deniedGroup(m.cfg.ID, m.cfg.Topics, err))
			if m.client.ctx.Err() != nil {
				return fault.Outagef("kafka: group %s: %w", m.cfg.ID, ErrClosed)
			}
			if fault.ClassOf(err) != fault.Outage && !errors.Is(err, ErrRebalanced) {
				return err
			}
			if !isCode(err, kafkago.RebalanceInProgress) {
				m.cfg.OnOutage(err)
				m.goodbye()
				_ = m.group.Close() // it has forgotten its membership, and makes a pause
				sleep(m.ctx, m.cfg.JoinBackoff)
				if err := m.join(); err != nil {
					return err
				}
			}
			continue
		}
		m.start(gen)
	}
}

// start runs the handlers of a generation.
func (m *member) start(gen *kafkago.Generation) {
	m.balancer.owns(gen)
	m.memberID = gen.MemberID
	g := Generation{GroupID: gen.GroupID, MemberID: gen.MemberID, ID: gen.ID, client: m.client, commit: gen.CommitOffsets}
	partitions := 0
	for _, assignments := range gen.Assignments {
		partitions += len(assignments)
	}
	m.cfg.OnJoin(partitions)
	var working sync.WaitGroup
	working.Add(partitions)
	gen.Start(func(genCtx context.Context) { m.stay(genCtx, g, &working) })
	for topic, assignments := range gen.Assignments {
		for _, a := range assignments {
			m.handlers.Add(1)
			// The generation waits for the functions that it has started before it joins the next.
			gen.Start(func(genCtx context.Context) {
				defer m.handlers.Done()
				defer working.Done()
				m.own(genCtx, g, topic, int32(a.ID))
			})
		}
	}
}

// own runs the handler of one partition and stays, for a function that returns ends the generation.
func (m *member) own(genCtx context.Context, gen Generation, topic string, partition int32) {
	ctx, cancel := context.WithCancel(m.ctx)
	defer cancel()
	stop := context.AfterFunc(genCtx, cancel)
	defer stop()
	if genCtx.Err() != nil {
		return // ended before it began
	}
	if err := m.handle(ctx, gen, topic, partition); err != nil && ctx.Err() == nil {
		m.fail(handlerError{fmt.Errorf("%s[%d]: %w", topic, partition, err)})
	}
	<-ctx.Done()
}

// stay keeps the membership alive while the handlers of a generation that has ended come to their end. kafka-go's own
// heartbeat stops there, and a member that is silent for SessionTimeout is put out, whatever RebalanceTimeout says:
// its partitions would have another owner before it is done with them. After RebalanceTimeout it falls silent, so that
// a handler that hangs does not keep the partitions for ever: where the group has not begun to rebalance, as while this
// member shuts down, nothing else would take them from it.
func (m *member) stay(genCtx context.Context, gen Generation, working *sync.WaitGroup) {
	<-genCtx.Done()
	ctx, done := context.WithTimeout(m.client.ctx, m.cfg.RebalanceTimeout)
	go func() {
		working.Wait()
		done()
	}()
	for {
		// A coordinator that hangs must not take all the time that there is until the next.
		beat, end := context.WithTimeout(ctx, m.cfg.SessionTimeout/3)
		err := gen.Check(beat)
		end()
		if isCode(err, kafkago.UnknownMemberId, kafkago.IllegalGeneration) || !sleep(ctx, m.cfg.HeartbeatInterval) {
			return
		}
	}
}

// goodbye takes the former member out of the group. After an error kafka-go joins as a new member,
// and the group would wait for the former one until its session has timed out. Its handlers have
// all returned by then.
func (m *member) goodbye() {
	id := m.memberID
	if id == "" {
		return
	}
	m.memberID = ""
	m.goodbyes.Go(func() {
		c, group := m.client, m.cfg.ID
		// What comes of it does not matter: at worst the session does time out.
		_ = c.retry(m.ctx, m.cfg.SessionTimeout, func(ctx context.Context) error {
			msg, _, err := c.coordinated(ctx, groupCoordinator, group, versionZero{&leavegroup.Request{GroupID: group, MemberID: id}})
			if err != nil {
				return err
			}
			return c.answered(groupCoordinator, group, msg.(*leavegroup.Response).ErrorCode)
		})
	})
}

// leave says goodbye, so that the group need not wait for the session to time out. A broker that
// does not answer is given up after a while; the goodbye then goes on in the background, and ends
// with the Client.
func (m *member) leave() {
	left := make(chan struct{})
	go func() {
		_ = m.group.Close() // always nil
		close(left)
	}()
	t := time.NewTimer(m.cfg.LeaveTimeout)
	defer t.Stop()
	select {
	case <-left:
	case <-t.C:
	}
}
