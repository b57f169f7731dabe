//go:build realkafka

package kafka

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/topic"
)

// Leaders move while nobody dies, so that no connection breaks: only answers tell.
func TestClusterRealLeaderMoves(t *testing.T) {
	k := newRealCluster(t)
	tr := k.startTraffic()
	reader := newClient(t, k.brokers)
	read := int64(0)
	for round := range 2 * clusterNodes {
		tr.awaitProgress(50)
		for _, name := range []string{tr.plain, tr.txns} {
			for p := range int32(trafficPartitions) {
				k.lead(name, p, (int32(round)+p)%clusterNodes+1)
			}
		}
		// A reader whose layout is older than the move finds the new leader: a follower would answer it
		// from behind if it asked for that.
		got, err := reader.Fetch(t.Context(), FetchRequest{Topic: tr.plain, Offset: read, MaxBytes: 1000})
		require.NoError(t, err)
		read = got.Next
		node, err := reader.leader(t.Context(), tr.plain, 0)
		require.NoError(t, err)
		require.Equal(t, int32(round)%clusterNodes+1, node)
	}
	tr.check()
}

// Each node in turn is killed with SIGKILL, under writers some of whose answers are lost, and comes
// back once they have got on without it.
func TestClusterRealKilled(t *testing.T) {
	k := newRealCluster(t)
	tr := k.startTraffic()
	tr.network.losing(func() bool { return rand.IntN(100) == 0 })
	for node := int32(1); node <= clusterNodes; node++ {
		tr.awaitProgress(100)
		begin := time.Now()
		k.kill(node)
		tr.awaitProgress(100)
		t.Logf("node %d killed: the writers were on again after %v", node, time.Since(begin).Round(10*time.Millisecond))
		k.start(node)
		k.awaitInSync(tr.plain)
		k.awaitInSync(tr.txns)
	}
	tr.check()
}

// A topic is made with as many replicas as there are nodes while one of them is away: it is written to at
// once, and the third replica joins in later.
func TestClusterRealTopicWhileNodeIsAway(t *testing.T) {
	k := newRealCluster(t)
	k.kill(3)
	name := unique("topic")
	k.eventually("the topic is made", func() bool {
		err := k.admin.EnsureTopics(t.Context(), []topic.Spec{{Name: name, Partitions: 2, Replication: clusterNodes, Config: map[string]string{"retention.ms": "-1", "min.insync.replicas": "2"}}})
		if err != nil {
			require.Equal(t, fault.Outage, fault.ClassOf(err), err)
		}
		return err == nil
	})
	for _, p := range k.partitions(name) {
		require.Len(t, p.ReplicaNodes, clusterNodes)
	}
	mustProduce(t, newProducer(t, k.admin, ProducerConfig{}), record(name, "k", "v"))
	k.start(3)
	k.awaitInSync(name)
}

// Two of three replicas are away: nothing is acknowledged, nothing is refused for good, and what waits
// is written once when they are back (invariants 1 and 7).
func TestClusterRealTooFewReplicas(t *testing.T) {
	k := newRealCluster(t)
	name := k.newTopic(1)
	leader := k.partitions(name)[0].LeaderID
	c := newClient(t, k.brokers, func(cfg *Config) { cfg.RequestTimeout = 2 * time.Second })
	p := newProducer(t, c, ProducerConfig{})
	mustProduce(t, p, record(name, "k", "before"))
	var away []int32
	for node := int32(1); node <= clusterNodes; node++ {
		if node != leader {
			away = append(away, node)
			k.kill(node)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	d := p.Produce(ctx, []Record{record(name, "k", "given up")})[0]
	require.Equal(t, fault.Outage, fault.ClassOf(d.Err), d.Err)
	waiting := produceAsync(t.Context(), p, record(name, "k", "waits"))
	got, err := c.Fetch(t.Context(), FetchRequest{Topic: name})
	require.NoError(t, err, "what is committed can be read")
	require.Equal(t, []string{"before"}, values(got.Records))
	for _, node := range away {
		k.run(node)
	}
	k.awaitNodes(clusterNodes)
	require.NoError(t, (<-waiting).ds[0].Err)
	all := values(readEnded(t, k.admin, name, 0))
	if errors.Is(d.Err, ErrOutcomeUnknown) && len(all) == 3 {
		require.Equal(t, []string{"before", "given up", "waits"}, all)
		return
	}
	require.Equal(t, []string{"before", "waits"}, all)
}

// The coordinator of a group is killed: the members go on with even shares, and the group's offset
// does not move back.
func TestClusterRealGroupCoordinatorKilled(t *testing.T) {
	k := newRealCluster(t)
	name, group := k.newTopic(6), unique("group")
	o := &ownership{t: t, owner: map[int32]int{}, changed: make(chan struct{}, 1)}
	var count atomic.Int64
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for member := range 2 {
		c := newClient(t, k.brokers)
		wg.Go(func() {
			err := c.RunGroup(ctx, GroupConfig{ID: group, Topics: []string{name}, HeartbeatInterval: 200 * time.Millisecond, SessionTimeout: 6 * time.Second}, func(ctx context.Context, gen Generation, _ string, p int32) error {
				o.take(p, member)
				defer o.drop(p)
				if p != 0 {
					<-ctx.Done()
					return nil
				}
				for sleep(ctx, 20*time.Millisecond) {
					if err := gen.CommitOffsets(map[string]map[int32]int64{name: {0: count.Load() + 1}}); err == nil {
						count.Add(1)
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	shares := map[int]int{0: 3, 1: 3}
	o.await(6, shares)
	for range 2 {
		node := k.coordinatorOf(groupCoordinator, group)
		k.eventually("offsets are committed", func() bool { return count.Load() > 5 })
		before := count.Load()
		k.kill(node)
		begin := time.Now()
		k.eventually("offsets are committed again", func() bool { return count.Load() > before+5 })
		t.Logf("coordinator killed: commits again after %v", time.Since(begin).Round(10*time.Millisecond))
		o.await(6, shares)
		offset, ok, err := k.admin.CommittedOffset(t.Context(), group, name, 0)
		require.NoError(t, err)
		require.True(t, ok)
		require.Greater(t, offset, before)
		k.start(node)
	}
	cancel()
	wg.Wait()
}
