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
	require.Less(t, time.Since(begin), 8*time.Second, "the group must not wait for the former member's session to time out")
	cancel()
	<-ended
	require.NoError(t, <-done)
}

// The first broker takes connections and never answers, as one does that hangs: the member joins by way
// of another.
func TestGroupHangingBroker(t *testing.T) {
	t.Parallel()
	cluster := newFake(t)
	hanging, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = hanging.Close() })
	name := newTopic(t, newClient(t, cluster.ListenAddrs()), 1, nil)
	c := newClient(t, append([]string{hanging.Addr().String()}, cluster.ListenAddrs()...), func(cfg *Config) {
		cfg.RequestTimeout, cfg.DialTimeout = 500*time.Millisecond, 200*time.Millisecond
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	joined := false
	require.NoError(t, c.RunGroup(ctx, GroupConfig{ID: "g", Topics: []string{name}, JoinBackoff: 10 * time.Millisecond}, func(context.Context, Generation, string, int32) error {
		joined = true
		cancel()
		return nil
	}))
	require.True(t, joined)
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
