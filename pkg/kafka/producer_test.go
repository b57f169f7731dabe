package kafka

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/ringback/ringback/pkg/fault"
)

// produceGate holds back the answers to Produce requests, before the broker has acted on them.
type produceGate struct {
	shut    atomic.Bool
	arrived chan struct{}
}

func newProduceGate(cluster *kfake.Cluster) *produceGate {
	g := &produceGate{arrived: make(chan struct{}, 100)}
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if !g.shut.Load() {
			return nil, nil, false
		}
		g.arrived <- struct{}{}
		return nil, nil, true // no answer at all
	})
	return g
}

type produced struct{ ds []Delivery }

func produceAsync(ctx context.Context, p *Producer, recs ...Record) <-chan produced {
	out := make(chan produced, 1)
	go func() { out <- produced{p.Produce(ctx, recs)} }()
	return out
}

// A batch may be in the log and the broker no longer knows its producer: written anew it could be
// there twice, so it is not, and the caller learns that the outcome is unknown.
func TestProducerUnknownIsNotRepeated(t *testing.T) {
	t.Parallel()
	for _, written := range []bool{true, false} {
		t.Run(fmt.Sprint("written ", written), func(t *testing.T) {
			t.Parallel()
			cluster := newFake(t)
			c, network := newLossyClient(t, cluster.ListenAddrs())
			name := newTopic(t, c, 1, nil)
			p := newProducer(t, c, ProducerConfig{})
			mustProduce(t, p, record(name, "k", "before"))

			attempts := 0
			cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
				cluster.KeepControl()
				switch attempts++; attempts {
				case 1:
					network.losing(first(1))
					return nil, nil, false
				case 2:
					return produceError(req, kerr.UnknownProducerID), nil, true
				}
				return nil, nil, false
			})
			if !written {
				cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition})
			}
			d := p.Produce(t.Context(), []Record{record(name, "k", "lost answer")})[0]
			require.ErrorIs(t, d.Err, ErrOutcomeUnknown)
			mustProduce(t, p, record(name, "k", "after"))
			want := []string{"before", "after"}
			if written {
				want = []string{"before", "lost answer", "after"}
			}
			recs, _ := readAll(t, c, name, 0, 0)
			require.Equal(t, want, values(recs))
		})
	}
}

func produceError(req kmsg.Request, e *kerr.Error) kmsg.Response {
	r := req.(*kmsg.ProduceRequest)
	res := r.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range r.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.ErrorCode, rp.BaseOffset = p.Partition, e.Code, -1
			rt.Partitions = append(rt.Partitions, rp)
		}
		res.Topics = append(res.Topics, rt)
	}
	return res
}

// What the broker answers once, and what becomes of the record and of those behind it.
func TestProducerAnswers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err   *kerr.Error
		class fault.Class // of the delivery, where it fails
		fails bool
		is    error
		kept  bool // answered so, and yet appended
	}{
		{err: kerr.NotLeaderForPartition},
		{err: kerr.LeaderNotAvailable},
		{err: kerr.UnknownTopicOrPartition},
		{err: kerr.NotEnoughReplicas},
		{err: kerr.NotEnoughReplicasAfterAppend, kept: true},
		{err: kerr.RequestTimedOut, kept: true},
		{err: kerr.KafkaStorageError},
		{err: kerr.UnknownServerError},
		{err: kerr.OutOfOrderSequenceNumber},
		{err: kerr.UnknownProducerID},
		{err: kerr.InvalidProducerEpoch},
		{err: kerr.MessageTooLarge, fails: true, class: fault.Misconfiguration, is: ErrRecordTooLarge},
		{err: kerr.TopicAuthorizationFailed, fails: true, class: fault.Misconfiguration},
		{err: kerr.ClusterAuthorizationFailed, fails: true, class: fault.Misconfiguration},
		{err: kerr.InvalidTimestamp, fails: true, class: fault.Misconfiguration},
		{err: kerr.UnsupportedCompressionType, fails: true, class: fault.Misconfiguration},
	} {
		t.Run(tc.err.Message, func(t *testing.T) {
			t.Parallel()
			cluster := newFake(t)
			c := newClient(t, cluster.ListenAddrs())
			name := newTopic(t, c, 1, nil)
			p := newProducer(t, c, ProducerConfig{})
			mustProduce(t, p, record(name, "k", "before"))
			hit := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: tc.err})
			d := p.Produce(t.Context(), []Record{record(name, "k", "met by it")})[0]
			require.EqualValues(t, 1, hit.Hits())
			want := []string{"before", "met by it", "after"}
			if tc.fails {
				require.Equal(t, tc.class, fault.ClassOf(d.Err), d.Err)
				require.NotErrorIs(t, d.Err, ErrOutcomeUnknown)
				if tc.is != nil {
					require.ErrorIs(t, d.Err, tc.is)
				}
				want = []string{"before", "after"}
			} else {
				require.NoError(t, d.Err)
				require.Equal(t, int64(1), d.Offset)
			}
			mustProduce(t, p, record(name, "k", "after"))
			recs, _ := readAll(t, c, name, 0, 0)
			require.Equal(t, want, values(recs))
		})
	}
}

// DUPLICATE_SEQUENCE_NUMBER means that it is in the log.
func TestProducerDuplicate(t *testing.T) {
	t.Parallel()
	cluster := newFake(t)
	c := newClient(t, cluster.ListenAddrs())
	name := newTopic(t, c, 1, nil)
	p := newProducer(t, c, ProducerConfig{})
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.DuplicateSequenceNumber})
	d := p.Produce(t.Context(), []Record{record(name, "k", "v")})[0]
	require.NoError(t, d.Err)
	require.Equal(t, int64(-1), d.Offset, "which the broker did not say")
}

// Before the sequence numbers run out the producer takes a fresh id, and order is kept.
func TestProducerSequenceEnd(t *testing.T) {
	t.Parallel()
	cluster := newFake(t)
	c := newClient(t, cluster.ListenAddrs())
	name := newTopic(t, c, 1, nil)
	p := newProducer(t, c, ProducerConfig{})
	mustProduce(t, p, record(name, "k", "0"))
	q := p.topics[name][0]
	former := q.id
	q.seq = 1<<31 - 3
	var want []string
	for i := range 5 {
		if i > 0 {
			mustProduce(t, p, record(name, "k", fmt.Sprint(i)), record(name, "k", fmt.Sprint(i)))
			want = append(want, fmt.Sprint(i))
		}
		want = append(want, fmt.Sprint(i))
	}
	recs, _ := readAll(t, c, name, 0, 0)
	require.Equal(t, want, values(recs))
	require.NotEqual(t, former, q.id)
}

// Close writes what waits; with its ctx ended it gives it up and says so.
func TestProducerClose(t *testing.T) {
	t.Parallel()
	cluster := newFake(t)
	gate := newProduceGate(cluster)
	c := newClient(t, cluster.ListenAddrs())
	name := newTopic(t, c, 1, nil)
	p := c.NewProducer(ProducerConfig{Linger: time.Hour})
	waiting := produceAsync(t.Context(), p, record(name, "k", "lingers"))
	require.Eventually(t, func() bool {
		p.mu.RLock()
		defer p.mu.RUnlock()
		if len(p.topics[name]) == 0 {
			return false
		}
		q := p.topics[name][0]
		q.mu.Lock()
		defer q.mu.Unlock()
		return q.records == 1
	}, 5*time.Second, time.Millisecond)
	require.NoError(t, p.Close(t.Context()))
	require.NoError(t, (<-waiting).ds[0].Err, "closing does not wait for more")
	require.NoError(t, p.Close(t.Context()), "a second time")

	p = c.NewProducer(ProducerConfig{})
	gate.shut.Store(true)
	flying := produceAsync(t.Context(), p, record(name, "k", "under way"))
	<-gate.arrived
	behind := produceAsync(t.Context(), p, record(name, "k", "behind"))
	q := p.topics[name][0]
	require.Eventually(t, func() bool {
		q.mu.Lock()
		defer q.mu.Unlock()
		return q.records == 2
	}, 5*time.Second, time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, p.Close(ctx), context.Canceled)
	require.ErrorIs(t, (<-flying).ds[0].Err, ErrOutcomeUnknown)
	d := (<-behind).ds[0]
	require.ErrorIs(t, d.Err, ErrClosed)
	require.NotErrorIs(t, d.Err, ErrOutcomeUnknown)
}

// Lingering gathers the records of callers that come one after the other.
func TestProducerLinger(t *testing.T) {
	t.Parallel()
	cluster := newFake(t)
	c := newClient(t, cluster.ListenAddrs())
	name := newTopic(t, c, 1, nil)
	p := newProducer(t, c, ProducerConfig{Linger: time.Hour, LingerRecords: 5})
	requests := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Observe: true, Count: -1})
	var all []<-chan produced
	for i := range 5 {
		all = append(all, produceAsync(t.Context(), p, record(name, "k", fmt.Sprint(i))))
	}
	for _, ch := range all {
		require.NoError(t, (<-ch).ds[0].Err)
	}
	require.EqualValues(t, 1, requests.Hits())
}

// Closing leaves nothing running.
func TestNothingLeaks(t *testing.T) {
	cluster := newFake(t)
	before := goleak.IgnoreCurrent()
	c, err := New(Config{Brokers: cluster.ListenAddrs()})
	require.NoError(t, err)
	name := newTopic(t, c, 2, nil)
	p := c.NewProducer(ProducerConfig{})
	mustProduce(t, p, record(name, "a", "v"), record(name, "b", "v"))
	tx, err := c.NewTransactor(t.Context(), "id")
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context(), Txn{Records: []Record{record(name, "a", "v")}}))
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, c.RunGroup(ctx, GroupConfig{ID: "g", Topics: []string{name}}, func(ctx context.Context, _ Generation, _ string, p int32) error {
		_, err := c.Fetch(ctx, FetchRequest{Topic: name, Partition: p, Offset: 2, MaxWait: 10 * time.Millisecond})
		cancel()
		<-ctx.Done()
		if ctx.Err() != nil {
			return nil
		}
		return err
	}))
	require.NoError(t, p.Close(t.Context()))
	c.Close()
	_, err = c.Fetch(t.Context(), FetchRequest{Topic: name})
	require.ErrorIs(t, err, ErrClosed)
	_, err = c.Partitions(t.Context(), name)
	require.ErrorIs(t, err, ErrClosed)
	cluster.Close()
	goleak.VerifyNone(t, before)
}
