package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringback/ringback/pkg/fault"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	require.NoError(t, Config{Brokers: []string{"a:1", "[::1]:2"}}.Validate())
	err := Config{Brokers: []string{"nowhere"}, RequestTimeout: -1, DialTimeout: -1, Compression: "rar"}.Validate()
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	for _, part := range []string{`KAFKA_BROKERS: "nowhere"`, "KAFKA_REQUEST_TIMEOUT", "KAFKA_DIAL_TIMEOUT", `KAFKA_COMPRESSION: "rar"`} {
		require.ErrorContains(t, err, part)
	}
	_, err = New(Config{})
	require.ErrorContains(t, err, "no address given")
}

func TestErrorClasses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err       error
		class     fault.Class
		is        error
		transient bool
	}{
		{io.EOF, fault.Outage, io.EOF, true},
		{io.ErrUnexpectedEOF, fault.Outage, nil, true},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, fault.Outage, syscall.ECONNREFUSED, true},
		{context.DeadlineExceeded, fault.Outage, context.DeadlineExceeded, true},
		{context.Canceled, fault.Outage, context.Canceled, false},
		{ErrClosed, fault.Outage, ErrClosed, false},
		{kafkago.NotLeaderForPartition, fault.Outage, kafkago.NotLeaderForPartition, true},
		{kafkago.GroupCoordinatorNotAvailable, fault.Outage, nil, true},
		{kafkago.NotCoordinatorForGroup, fault.Outage, nil, true},
		{kafkago.GroupLoadInProgress, fault.Outage, nil, true},
		{kafkago.ConcurrentTransactions, fault.Outage, nil, true},
		{kafkago.UnknownTopicOrPartition, fault.Outage, nil, true},
		{kafkago.InvalidTransactionState, fault.Outage, nil, false},
		{kafkago.ProducerFenced, fault.Bug, ErrFenced, false},
		{kafkago.InvalidProducerEpoch, fault.Bug, ErrFenced, false},
		{kafkago.InvalidProducerIDMapping, fault.Bug, ErrFenced, false},
		{kafkago.IllegalGeneration, fault.Bug, ErrRebalanced, false},
		{kafkago.UnknownMemberId, fault.Bug, ErrRebalanced, false},
		{kafkago.RebalanceInProgress, fault.Bug, ErrRebalanced, false},
		{kafkago.MessageSizeTooLarge, fault.Misconfiguration, ErrRecordTooLarge, false},
		{kafkago.TopicAuthorizationFailed, fault.Misconfiguration, nil, false},
		{kafkago.GroupAuthorizationFailed, fault.Misconfiguration, nil, false},
		{kafkago.TransactionalIDAuthorizationFailed, fault.Misconfiguration, nil, false},
		{kafkago.SASLAuthenticationFailed, fault.Misconfiguration, nil, false},
		{kafkago.InvalidReplicationFactor, fault.Misconfiguration, nil, false},
		{kafkago.InvalidConfiguration, fault.Misconfiguration, nil, false},
		{kafkago.OffsetOutOfRange, fault.Bug, ErrOffsetOutOfRange, false},
	} {
		t.Run(tc.err.Error(), func(t *testing.T) {
			t.Parallel()
			wrapped := fmt.Errorf("on the way: %w", tc.err)
			err := classed("op", wrapped)
			require.Equal(t, tc.class, fault.ClassOf(err))
			if tc.is != nil {
				require.ErrorIs(t, err, tc.is)
			}
			require.Equal(t, tc.transient, isTransient(wrapped))
			require.Equal(t, tc.transient, isTransient(err))
		})
	}
	require.NoError(t, classed("op", nil))
}

// Nobody is at the address: every call says so as an outage, and when its ctx ends.
func TestNoBroker(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	c := newClient(t, []string{addr}, func(cfg *Config) { cfg.RequestTimeout = 100 * time.Millisecond })
	for name, call := range map[string]func(context.Context) error{
		"Fetch":           func(ctx context.Context) error { _, err := c.Fetch(ctx, FetchRequest{Topic: "t"}); return err },
		"Offsets":         func(ctx context.Context) error { _, err := c.Offsets(ctx, "t"); return err },
		"Partitions":      func(ctx context.Context) error { _, err := c.Partitions(ctx, "t"); return err },
		"CommittedOffset": func(ctx context.Context) error { _, _, err := c.CommittedOffset(ctx, "g", "t", 0); return err },
		"NewTransactor":   func(ctx context.Context) error { _, err := c.NewTransactor(ctx, "id"); return err },
		"Produce": func(ctx context.Context) error {
			return newProducer(t, c, ProducerConfig{}).Produce(ctx, []Record{record("t", "k", "v")})[0].Err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			err := call(ctx)
			require.Equal(t, fault.Outage, fault.ClassOf(err), err)
			require.Error(t, err)
		})
	}
}

// No request that is sent is older than the least that Kafka 4 takes: what a broker that takes more
// does not show.
func TestKafka4Versions(t *testing.T) {
	t.Parallel()
	least := map[kmsg.Key]int16{
		kmsg.Produce: 3, kmsg.Fetch: 4, kmsg.ListOffsets: 1, kmsg.Metadata: 0, kmsg.OffsetCommit: 2, kmsg.OffsetFetch: 1,
		kmsg.FindCoordinator: 0, kmsg.JoinGroup: 2, kmsg.Heartbeat: 0, kmsg.LeaveGroup: 0, kmsg.SyncGroup: 0,
		kmsg.ApiVersions: 0, kmsg.CreateTopics: 2, kmsg.InitProducerID: 0, kmsg.AddPartitionsToTxn: 0,
		kmsg.AddOffsetsToTxn: 0, kmsg.EndTxn: 0, kmsg.TxnOffsetCommit: 0,
	}
	cluster := newFake(t)
	var mu sync.Mutex
	sent := map[kmsg.Key]map[int16]bool{}
	cluster.Control(func(req kmsg.Request) (kmsg.Response, error, bool) {
		mu.Lock()
		defer mu.Unlock()
		key := kmsg.Key(req.Key())
		if sent[key] == nil {
			sent[key] = map[int16]bool{}
		}
		sent[key][req.GetVersion()] = true
		return nil, nil, false
	})
	testTransaction(t, cluster.ListenAddrs())
	testTxnOffsets(t, cluster.ListenAddrs())
	testGroup(t, cluster.ListenAddrs())
	testTopics(t, cluster.ListenAddrs())
	testFetch(t, cluster.ListenAddrs())
	mu.Lock()
	defer mu.Unlock()
	require.GreaterOrEqual(t, len(sent), 17)
	for key, versions := range sent {
		floor, known := least[key]
		require.True(t, known, "%s is not in the list", key.Name())
		for v := range versions {
			require.GreaterOrEqual(t, v, floor, key.Name())
		}
		t.Logf("%s %v", key.Name(), versions)
	}
}

// A partition whose leader has moved: the next fetch after a short while finds it.
func TestLeaderMoves(t *testing.T) {
	t.Parallel()
	cluster := newFake(t, kfake.NumBrokers(3))
	c := newClient(t, cluster.ListenAddrs())
	name := newTopic(t, c, 3, nil)
	p := newProducer(t, c, ProducerConfig{})
	tx, err := c.NewTransactor(t.Context(), "id")
	require.NoError(t, err)
	for i := range 5 {
		value := fmt.Sprint(i)
		var recs []Record
		for partition := range int32(3) {
			recs = append(recs, Record{Topic: name, Partition: partition, Value: []byte(value)})
		}
		mustProduce(t, p, recs...)
		require.NoError(t, tx.Commit(t.Context(), Txn{Records: recs}))
		for partition := range int32(3) {
			require.NoError(t, cluster.MoveTopicPartition(name, partition, (cluster.LeaderFor(name, partition)+1)%3))
		}
		cluster.RehashCoordinators()
	}
	for partition := range int32(3) {
		var recs []Record
		require.Eventually(t, func() bool {
			got, err := c.Fetch(t.Context(), FetchRequest{Topic: name, Partition: partition})
			if err != nil {
				require.Equal(t, fault.Outage, fault.ClassOf(err), err)
				return false
			}
			recs = got.Records
			return true
		}, 5*time.Second, 10*time.Millisecond)
		require.Equal(t, []string{"0", "0", "1", "1", "2", "2", "3", "3", "4", "4"}, values(recs))
	}
}

// The log goes on, and there is nothing in it up to its end, as compaction can leave it: after having
// asked again the reader passes over. With a transaction open it must not.
func TestFetchPassesOverNothing(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		lastStable int64
		next       int64
	}{{"a gap up to the end", 9, 9}, {"a transaction is open", 5, 5}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cluster := newFake(t)
			c := newClient(t, cluster.ListenAddrs())
			name := newTopic(t, c, 1, nil)
			asked := 0
			cluster.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
				cluster.KeepControl()
				asked++
				res := req.ResponseKind().(*kmsg.FetchResponse)
				topic := kmsg.NewFetchResponseTopic()
				topic.Topic = name
				p := kmsg.NewFetchResponseTopicPartition()
				p.HighWatermark, p.LastStableOffset, p.LogStartOffset = 9, tc.lastStable, 2
				topic.Partitions = append(topic.Partitions, p)
				res.Topics = append(res.Topics, topic)
				return res, nil, true
			})
			got, err := c.Fetch(t.Context(), FetchRequest{Topic: name, Offset: 5})
			require.NoError(t, err)
			require.Equal(t, Fetched{Next: tc.next, LogStart: 2, LastStable: tc.lastStable, HighWatermark: 9}, got)
			if tc.next > 5 {
				require.Equal(t, 3, asked, "asked again, twice")
			}
		})
	}
}

func TestFetchErrors(t *testing.T) {
	t.Parallel()
	cluster := newFake(t)
	c := newClient(t, cluster.ListenAddrs())
	name := newTopic(t, c, 1, nil)
	for _, tc := range []struct {
		err   *kerr.Error
		class fault.Class
	}{
		{kerr.NotLeaderForPartition, fault.Outage},
		{kerr.OffsetNotAvailable, fault.Outage},
		{kerr.TopicAuthorizationFailed, fault.Misconfiguration},
	} {
		cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: tc.err})
		_, err := c.Fetch(t.Context(), FetchRequest{Topic: name})
		require.Equal(t, tc.class, fault.ClassOf(err), err)
	}
	_, err := c.Fetch(t.Context(), FetchRequest{Topic: "absent"})
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err), err)
}

// A member rides out a broker that is away: it says so, its handlers end, and they start again.
func TestGroupOutage(t *testing.T) {
	t.Parallel()
	cluster := newFake(t)
	c := newClient(t, cluster.ListenAddrs())
	name := newTopic(t, c, 1, nil)
	var mu sync.Mutex
	away := false
	c.conns.refuse = func() bool {
		mu.Lock()
		defer mu.Unlock()
		return away
	}
	setAway := func(v bool) {
		mu.Lock()
		defer mu.Unlock()
		away = v
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	started, ended, outage := make(chan Generation, 1), make(chan struct{}, 1), make(chan error, 100)
	done := make(chan error, 1)
	go func() {
		done <- c.RunGroup(ctx, GroupConfig{
			ID: "g", Topics: []string{name}, HeartbeatInterval: 20 * time.Millisecond, JoinBackoff: 20 * time.Millisecond,
			OnOutage: func(err error) {
				select {
				case outage <- err:
				default:
				}
			},
		}, func(ctx context.Context, gen Generation, _ string, _ int32) error {
			started <- gen
			<-ctx.Done()
			ended <- struct{}{}
			return errors.New("not to be taken for a failure: its ctx had ended")
		})
	}()
	<-started
	setAway(true)
	c.conns.closeOpen()
	<-ended
	require.Equal(t, fault.Outage, fault.ClassOf(<-outage))
	setAway(false)
	begin := time.Now()
	<-started
	require.Less(t, time.Since(begin), 5*time.Second, "the group must not wait for the former member's session to time out")
	cancel()
	<-ended
	require.NoError(t, <-done)
}

// What no waiting will mend ends the membership.
func TestGroupMisconfigured(t *testing.T) {
	t.Parallel()
	cluster := newFake(t)
	c := newClient(t, cluster.ListenAddrs())
	name := newTopic(t, c, 1, nil)
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.GroupAuthorizationFailed, Count: -1})
	err := c.RunGroup(t.Context(), GroupConfig{ID: "g", Topics: []string{name}}, func(context.Context, Generation, string, int32) error { return nil })
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err), err)
}
