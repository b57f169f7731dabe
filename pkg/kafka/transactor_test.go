package kafka

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringback/ringback/pkg/fault"
)

type txnBundle struct {
	cluster *kfake.Cluster
	client  *Client
	network *unreliable
	topic   string
	tx      *Transactor
}

func newTxnBundle(t *testing.T, change ...func(*Config)) txnBundle {
	t.Helper()
	cluster := newFake(t)
	c := newClient(t, cluster.ListenAddrs(), change...)
	network := &unreliable{}
	c.conns.wrap = network.wrap
	b := txnBundle{cluster: cluster, client: c, network: network, topic: newTopic(t, c, 1, nil)}
	var err error
	b.tx, err = c.NewTransactor(t.Context(), "id")
	require.NoError(t, err)
	return b
}

func (b txnBundle) commit(ctx context.Context, value string) error {
	return b.tx.Commit(ctx, Txn{
		Records: []Record{record(b.topic, "k", value)},
		Group:   &GroupOffsets{Generation: Generation{GroupID: "g", ID: -1}, Topic: b.topic, Offsets: map[int32]int64{0: 1}},
	})
}

func (b txnBundle) committed(t *testing.T) []string {
	t.Helper()
	recs, got := readAll(t, b.client, b.topic, 0, 0)
	require.Equal(t, got.HighWatermark, got.LastStable, "a transaction is open")
	return values(recs)
}

// Each step of a transaction may be answered once with what will pass.
func TestTxnRetries(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		key kmsg.Key
		err []*kerr.Error
	}{
		{kmsg.AddPartitionsToTxn, []*kerr.Error{kerr.ConcurrentTransactions, kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.CoordinatorLoadInProgress, kerr.UnknownTopicOrPartition}},
		{kmsg.Produce, []*kerr.Error{kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, kerr.RequestTimedOut}},
		{kmsg.AddOffsetsToTxn, []*kerr.Error{kerr.ConcurrentTransactions, kerr.CoordinatorNotAvailable}},
		{kmsg.TxnOffsetCommit, []*kerr.Error{kerr.CoordinatorLoadInProgress, kerr.NotCoordinator}},
		{kmsg.EndTxn, []*kerr.Error{kerr.ConcurrentTransactions, kerr.CoordinatorNotAvailable, kerr.NotCoordinator}},
	} {
		for _, e := range tc.err {
			t.Run(tc.key.Name()+" "+e.Message, func(t *testing.T) {
				t.Parallel()
				b := newTxnBundle(t)
				hit := b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{tc.key}, Err: e})
				require.NoError(t, b.commit(t.Context(), "v"))
				require.EqualValues(t, 1, hit.Hits())
				require.Equal(t, []string{"v"}, b.committed(t))
			})
		}
	}
}

// Each step may be refused for good: nothing is committed, and the next transaction goes well.
func TestTxnRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		key   kmsg.Key
		err   *kerr.Error
		is    error
		class fault.Class
	}{
		{"not allowed to write", kmsg.AddPartitionsToTxn, kerr.TopicAuthorizationFailed, nil, fault.Misconfiguration},
		{"sequence lost", kmsg.Produce, kerr.OutOfOrderSequenceNumber, nil, fault.Outage},
		{"not allowed to use the group", kmsg.AddOffsetsToTxn, kerr.GroupAuthorizationFailed, nil, fault.Misconfiguration},
		{"put out of the group", kmsg.TxnOffsetCommit, kerr.UnknownMemberID, ErrRebalanced, fault.Bug},
		{"former generation", kmsg.TxnOffsetCommit, kerr.IllegalGeneration, ErrRebalanced, fault.Bug},
		{"rebalancing", kmsg.TxnOffsetCommit, kerr.RebalanceInProgress, ErrRebalanced, fault.Bug},
		{"aborted by the coordinator", kmsg.EndTxn, kerr.InvalidTxnState, nil, fault.Outage},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newTxnBundle(t)
			b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{tc.key}, Err: tc.err})
			err := b.commit(t.Context(), "refused")
			require.Error(t, err)
			require.Equal(t, tc.class, fault.ClassOf(err), err)
			require.NotErrorIs(t, err, ErrFenced)
			if tc.is != nil {
				require.ErrorIs(t, err, tc.is)
			}
			require.Empty(t, b.committed(t))
			require.NoError(t, b.commit(t.Context(), "next"))
			require.Equal(t, []string{"next"}, b.committed(t))
		})
	}
}

func TestTxnFenced(t *testing.T) {
	t.Parallel()
	for _, key := range []kmsg.Key{kmsg.AddPartitionsToTxn, kmsg.Produce, kmsg.AddOffsetsToTxn, kmsg.TxnOffsetCommit, kmsg.EndTxn} {
		t.Run(key.Name(), func(t *testing.T) {
			t.Parallel()
			b := newTxnBundle(t)
			// Somebody takes over just before that step, which is the race there is.
			b.cluster.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
				b.cluster.KeepControl()
				b.cluster.DropControl()
				done := make(chan struct{})
				go func() {
					defer close(done)
					_, err := newClient(t, b.cluster.ListenAddrs()).NewTransactor(context.Background(), "id")
					if err != nil {
						t.Error(err)
					}
				}()
				b.cluster.SleepControl(func() { <-done })
				return nil, nil, false
			})
			err := b.commit(t.Context(), "zombie")
			require.ErrorIs(t, err, ErrFenced)
			require.NotEqual(t, fault.Outage, fault.ClassOf(err), "it is not to be repeated")
			require.ErrorIs(t, b.commit(t.Context(), "zombie"), ErrFenced, "it stays so")
			require.Empty(t, b.committed(t))
		})
	}
}

// The commit's answer is lost: it is asked for again, and the transaction is there once.
func TestTxnCommitAnswerLost(t *testing.T) {
	t.Parallel()
	b := newTxnBundle(t)
	b.cluster.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.DropControl()
		b.network.losing(first(1))
		return nil, nil, false
	})
	require.NoError(t, b.commit(t.Context(), "v"))
	require.Equal(t, []string{"v"}, b.committed(t))
}

// A request whose answer was lost has been sent again with success, and arrives once more in the
// middle of the next transaction, as a network that was away may deliver it (invariant 4): the next
// transaction is there whole and once, and the position with it.
func TestTxnRequestArrivesLate(t *testing.T) {
	t.Parallel()
	for _, late := range []kmsg.Key{kmsg.AddPartitionsToTxn, kmsg.AddOffsetsToTxn, kmsg.TxnOffsetCommit, kmsg.EndTxn} {
		t.Run(late.Name(), func(t *testing.T) {
			t.Parallel()
			b := newTxnBundle(t)
			var held kmsg.Request
			b.cluster.ControlKey(int16(late), func(req kmsg.Request) (kmsg.Response, error, bool) {
				b.cluster.DropControl()
				held = req
				b.network.losing(first(1))
				return nil, nil, false
			})
			require.NoError(t, b.commit(t.Context(), "v"))
			require.NotNil(t, held)

			arrived, next := make(chan struct{}), true
			b.cluster.ControlKey(int16(kmsg.TxnOffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
				b.cluster.DropControl()
				if !next {
					return nil, nil, false
				}
				next = false
				go func() {
					defer close(arrived)
					cl, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.ListenAddrs()...))
					if err != nil {
						t.Error(err)
						return
					}
					defer cl.Close()
					_, _ = cl.Broker(0).Request(context.Background(), held)
				}()
				b.cluster.SleepControl(func() { <-arrived })
				return nil, nil, false
			})
			require.NoError(t, b.commit(t.Context(), "next"))
			<-arrived
			require.Equal(t, []string{"v", "next"}, b.committed(t))
			require.NoError(t, b.commit(t.Context(), "one more"))
			require.Equal(t, []string{"v", "next", "one more"}, b.committed(t))
		})
	}
}

// The commit's answer is lost, and what is answered when it is asked for again tells nothing of the
// first: another owner has come, or no transaction is open. Commit does not pretend to know.
func TestTxnCommitUnknown(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		second *kerr.Error
		fenced bool
	}{{kerr.ProducerFenced, true}, {kerr.InvalidProducerEpoch, true}, {kerr.InvalidTxnState, false}} {
		t.Run(tc.second.Message, func(t *testing.T) {
			t.Parallel()
			b := newTxnBundle(t)
			ends := 0
			b.cluster.ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
				b.cluster.KeepControl()
				if ends++; ends == 1 {
					b.network.losing(first(1))
					return nil, nil, false
				}
				res := req.ResponseKind().(*kmsg.EndTxnResponse)
				res.ErrorCode = tc.second.Code
				return res, nil, true
			})
			err := b.commit(t.Context(), "v")
			require.ErrorIs(t, err, ErrOutcomeUnknown)
			require.Equal(t, tc.fenced, errors.Is(err, ErrFenced))
			require.NotEqual(t, fault.Outage, fault.ClassOf(err), "it is not to be repeated")
			require.ErrorIs(t, b.commit(t.Context(), "v"), ErrOutcomeUnknown, "repeating it here could commit it twice")
			require.Equal(t, []string{"v"}, b.committed(t))
		})
	}
}

// A coordinator that stays silent to the commit: unknown as well, after a while.
func TestTxnCommitSilence(t *testing.T) {
	t.Parallel()
	b := newTxnBundle(t, func(cfg *Config) {
		cfg.RequestTimeout, cfg.TransactionTimeout = 100*time.Millisecond, 800*time.Millisecond
	})
	b.cluster.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		return nil, nil, true
	})
	require.ErrorIs(t, b.commit(t.Context(), "v"), ErrOutcomeUnknown)
}

// Who stops waiting before the commit aborts; during the commit it is gone through with.
func TestTxnContextEnds(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		key       kmsg.Key
		committed []string
	}{{kmsg.Produce, nil}, {kmsg.TxnOffsetCommit, nil}, {kmsg.EndTxn, []string{"v"}}} {
		t.Run(tc.key.Name(), func(t *testing.T) {
			t.Parallel()
			b := newTxnBundle(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			b.cluster.ControlKey(int16(tc.key), func(kmsg.Request) (kmsg.Response, error, bool) {
				b.cluster.DropControl()
				cancel()
				return nil, nil, false
			})
			err := b.commit(ctx, "v")
			if tc.committed == nil {
				require.ErrorIs(t, err, context.Canceled)
			} else {
				require.NoError(t, err)
			}
			require.Equal(t, tc.committed, nilIfEmpty(b.committed(t)))
			require.ErrorIs(t, b.commit(ctx, "not begun"), context.Canceled)
			require.NoError(t, b.commit(t.Context(), "next"))
			require.Equal(t, append(tc.committed, "next"), b.committed(t))
		})
	}
}

func nilIfEmpty(s []string) []string {
	if len(s) == 0 {
		return nil
	}
	return s
}

func TestNewTransactor(t *testing.T) {
	t.Parallel()
	b := newTxnBundle(t)
	_, err := b.client.NewTransactor(t.Context(), "")
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))

	busy := b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.ConcurrentTransactions, Count: 3})
	_, err = b.client.NewTransactor(t.Context(), "id")
	require.NoError(t, err, "waits for the former owner's transaction to end")
	require.EqualValues(t, 3, busy.Hits())

	b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.TransactionalIDAuthorizationFailed})
	_, err = b.client.NewTransactor(t.Context(), "id")
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err), err)

	err = b.tx.Commit(t.Context(), Txn{Records: []Record{{Topic: b.topic, Partition: 9}}})
	require.Error(t, err)
	require.NotErrorIs(t, err, context.Canceled)
}
