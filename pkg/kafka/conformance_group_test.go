package kafka

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/topic"
)

func testGroup(t *testing.T, brokers []string) {
	c := newClient(t, brokers)
	name := unique("topic")
	group := unique("group")

	// The group waits for a topic that is made only later.
	waits := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	started := make(chan int32, 2)
	done := make(chan error, 1)
	go func() {
		done <- c.RunGroup(ctx, GroupConfig{ID: group, Topics: []string{name}, JoinBackoff: 50 * time.Millisecond, OnOutage: func(error) {
			select {
			case waits <- struct{}{}:
			default:
			}
		}}, func(ctx context.Context, gen Generation, _ string, p int32) error {
			if err := gen.CommitOffsets(map[string]map[int32]int64{name: {p: 40 + int64(p)}}); err != nil {
				return err
			}
			started <- p
			if p == 0 {
				return nil // idle from here on: the other partition goes on
			}
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	<-waits
	require.NoError(t, c.EnsureTopics(t.Context(), []topic.Spec{{Name: name, Partitions: 2, Replication: 1, Config: map[string]string{"retention.ms": "-1"}}}))
	require.ElementsMatch(t, []int32{0, 1}, []int32{<-started, <-started})
	offset, ok, err := c.CommittedOffset(t.Context(), group, name, 1)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, int64(41), offset)

	begin := time.Now()
	cancel()
	require.NoError(t, <-done)
	require.Less(t, time.Since(begin), 4500*time.Millisecond, "leaving is quick")

	// A handler's error ends the membership; the next member does not wait for a session to time out.
	boom := errors.New("boom")
	begin = time.Now()
	err = c.RunGroup(t.Context(), GroupConfig{ID: group, Topics: []string{name}}, func(ctx context.Context, _ Generation, _ string, p int32) error {
		if p == 1 {
			return boom
		}
		<-ctx.Done()
		return nil
	})
	require.ErrorIs(t, err, boom)
	require.Less(t, time.Since(begin), 10*time.Second)

	err = c.RunGroup(t.Context(), GroupConfig{ID: group}, nil)
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
}

// ownership notes who owns what and fails when two do.
type ownership struct {
	t       *testing.T
	mu      sync.Mutex
	owner   map[int32]int
	starts  int
	changed chan struct{}
}

func (o *ownership) take(p int32, member int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if former, owned := o.owner[p]; owned {
		o.t.Errorf("partition %d: member %d owns it, and now member %d", p, former, member)
	}
	o.owner[p] = member
	o.starts++
	o.note()
}

func (o *ownership) drop(p int32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.owner, p)
	o.note()
}

func (o *ownership) note() {
	select {
	case o.changed <- struct{}{}:
	default:
	}
}

// await waits until the members own n partitions in the shares that are given, and returns who owns what.
func (o *ownership) await(partitions int, shares map[int]int) map[int32]int {
	o.t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		o.mu.Lock()
		have := map[int]int{}
		owner := map[int32]int{}
		for p, m := range o.owner {
			have[m]++
			owner[p] = m
		}
		o.mu.Unlock()
		if len(owner) == partitions {
			same := len(have) == len(shares)
			for m, n := range shares {
				same = same && have[m] == n
			}
			if same {
				return owner
			}
		}
		select {
		case <-o.changed:
		case <-timeout:
			require.Failf(o.t, "not balanced", "%v where %v is due", have, shares)
		}
	}
}

// From one member to two, three and back to two: no partition has two owners or none, shares are
// even, and what need not move stays.
func testGroupMembers(t *testing.T, brokers []string) {
	const partitions = 6
	c := newClient(t, brokers)
	name := newTopic(t, c, partitions, nil)
	group := unique("group")
	o := &ownership{t: t, owner: map[int32]int{}, changed: make(chan struct{}, 1)}
	stops := map[int]func(){}
	join := func(member int) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		client := newClient(t, brokers)
		go func() {
			done <- client.RunGroup(ctx, GroupConfig{ID: group, Topics: []string{name}, HeartbeatInterval: 50 * time.Millisecond}, func(ctx context.Context, gen Generation, _ string, p int32) error {
				o.take(p, member)
				defer o.drop(p)
				<-ctx.Done()
				return nil
			})
		}()
		stops[member] = sync.OnceFunc(func() {
			cancel()
			require.NoError(t, <-done)
		})
		t.Cleanup(stops[member])
	}
	stayed := func(before, after map[int32]int) (n int) {
		for p, m := range before {
			if after[p] == m {
				n++
			}
		}
		return n
	}
	join(1)
	one := o.await(partitions, map[int]int{1: 6})
	join(2)
	two := o.await(partitions, map[int]int{1: 3, 2: 3})
	require.Equal(t, 3, stayed(one, two))
	join(3)
	three := o.await(partitions, map[int]int{1: 2, 2: 2, 3: 2})
	require.Equal(t, 4, stayed(two, three))
	stops[2]()
	left := o.await(partitions, map[int]int{1: 3, 3: 3})
	require.Equal(t, 4, stayed(three, left))
}

// A member whose handler takes longer to return than a silent member is borne with stays in the group, and its
// partition has no other owner until it is done.
func testGroupDrain(t *testing.T, brokers []string) {
	c := newClient(t, brokers)
	name := newTopic(t, c, 2, nil)
	o := &ownership{t: t, owner: map[int32]int{}, changed: make(chan struct{}, 1)}
	cfg := GroupConfig{ID: unique("group"), Topics: []string{name}, HeartbeatInterval: 200 * time.Millisecond, SessionTimeout: 6 * time.Second}
	ending, cancel := context.WithCancel(t.Context())
	var members sync.WaitGroup
	join := func(member int, drain time.Duration) {
		client := newClient(t, brokers)
		cfg := cfg
		cfg.OnOutage = func(err error) {
			if isCode(err, kafkago.UnknownMemberId, kafkago.IllegalGeneration) {
				t.Errorf("member %d was put out: %v", member, err)
			}
		}
		members.Go(func() {
			err := client.RunGroup(ending, cfg, func(ctx context.Context, _ Generation, _ string, p int32) error {
				o.take(p, member)
				defer o.drop(p)
				<-ctx.Done()
				sleep(ending, drain)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	join(1, cfg.SessionTimeout*3/2)
	o.await(2, map[int]int{1: 2})
	join(2, 0)
	o.await(2, map[int]int{1: 1, 2: 1})
	cancel()
	members.Wait()
}

// A member that shuts down, and one handler of which hangs, keeps its partitions for RebalanceTimeout and
// SessionTimeout, and not for ever: no rebalance has begun that would take them from it.
func testGroupHangs(t *testing.T, brokers []string) {
	const partitions = 4
	c := newClient(t, brokers)
	name := newTopic(t, c, partitions, nil)
	cfg := GroupConfig{ID: unique("group"), Topics: []string{name}, HeartbeatInterval: 200 * time.Millisecond, SessionTimeout: 6 * time.Second, RebalanceTimeout: 2 * time.Second}
	o := &ownership{t: t, owner: map[int32]int{}, changed: make(chan struct{}, 1)}
	release := make(chan struct{})
	var hanging atomic.Bool
	var members sync.WaitGroup
	join := func(member int) (stop func()) {
		ctx, stop := context.WithCancel(t.Context())
		client := newClient(t, brokers)
		members.Go(func() {
			err := client.RunGroup(ctx, cfg, func(ctx context.Context, _ Generation, _ string, p int32) error {
				o.take(p, member)
				<-ctx.Done()
				o.drop(p)
				if hanging.CompareAndSwap(true, false) {
					<-release
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		return stop
	}
	stopFirst := join(1)
	o.await(partitions, map[int]int{1: 4})
	stopSecond := join(2)
	o.await(partitions, map[int]int{1: 2, 2: 2})
	hanging.Store(true)
	stopFirst()
	o.await(partitions, map[int]int{2: 4})
	close(release)
	stopSecond()
	members.Wait()
}

// A former generation's commit is refused: it must not move the group's offset back.
func testGroupZombie(t *testing.T, brokers []string) {
	c := newClient(t, brokers)
	name := newTopic(t, c, 1, nil)
	group := unique("group")
	var former Generation
	run := func(handle func(Generation) error) error {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var handled error
		err := c.RunGroup(ctx, GroupConfig{ID: group, Topics: []string{name}}, func(ctx context.Context, gen Generation, _ string, _ int32) error {
			defer cancel()
			handled = handle(gen)
			return nil
		})
		return errors.Join(err, handled)
	}
	require.NoError(t, run(func(gen Generation) error {
		former = gen
		return gen.CommitOffsets(map[string]map[int32]int64{name: {0: 1}})
	}))
	require.NoError(t, run(func(gen Generation) error {
		if err := gen.CommitOffsets(map[string]map[int32]int64{name: {0: 10}}); err != nil {
			return err
		}
		if err := former.CommitOffsets(map[string]map[int32]int64{name: {0: 2}}); err == nil {
			return errors.New("the former generation has committed")
		}
		return nil
	}))
	offset, _, err := c.CommittedOffset(t.Context(), group, name, 0)
	require.NoError(t, err)
	require.Equal(t, int64(10), offset)
}
