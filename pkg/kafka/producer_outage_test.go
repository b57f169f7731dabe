package kafka

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ringback/ringback/pkg/fault"
)

// The bound by size is that of the process: partitions whose brokers are silent do not take it once each.
func TestProducerBoundsAllPartitionsTogether(t *testing.T) {
	t.Parallel()
	cluster := newFake(t)
	gate := newProduceGate(cluster)
	c := newClient(t, cluster.ListenAddrs(), func(cfg *Config) { cfg.RequestTimeout = 300 * time.Millisecond })
	name := newTopic(t, c, 3, nil)
	of := func(partition int32, bytes int) Record {
		return Record{Topic: name, Partition: partition, Value: make([]byte, bytes)}
	}
	one := of(0, 1000)
	p := newProducer(t, c, ProducerConfig{QueueBytes: 2*recordBound(&one) + 500})
	mustProduce(t, p, of(0, 1), of(1, 1), of(2, 1))
	mustProduce(t, p, of(0, 10_000))
	require.Zero(t, p.bytes.Load())

	gate.shut.Store(true)
	first, second := produceAsync(t.Context(), p, of(0, 1000)), produceAsync(t.Context(), p, of(1, 1000))
	require.Eventually(t, func() bool { return p.bytes.Load() == int64(2*recordBound(&one)) }, 5*time.Second, time.Millisecond)
	full := p.Produce(t.Context(), []Record{of(2, 1000)})
	require.ErrorIs(t, full[0].Err, ErrQueueFull)
	require.ErrorContains(t, full[0].Err, "for all partitions")
	require.EqualValues(t, 2*recordBound(&one), p.bytes.Load(), "what was refused takes no room")
	gate.shut.Store(false)
	require.NoError(t, (<-first).ds[0].Err)
	require.NoError(t, (<-second).ds[0].Err)
	require.Zero(t, p.bytes.Load())
}

// While the broker is silent: what waits beyond the bounds is refused and not sent; who stops waiting
// learns whether the record may be in the log; what was under way is written once all the same.
func TestProducerSilentBroker(t *testing.T) {
	t.Parallel()
	cluster := newFake(t)
	gate := newProduceGate(cluster)
	c := newClient(t, cluster.ListenAddrs(), func(cfg *Config) { cfg.RequestTimeout = 300 * time.Millisecond })
	name := newTopic(t, c, 1, nil)
	p := newProducer(t, c, ProducerConfig{QueueRecords: 3})
	mustProduce(t, p, record(name, "k", "before"))

	gate.shut.Store(true)
	flying, leave := context.WithCancel(t.Context())
	first := produceAsync(flying, p, record(name, "k", "under way"))
	<-gate.arrived
	waiting, stop := context.WithCancel(t.Context())
	second := produceAsync(waiting, p, record(name, "k", "waits"))
	third := produceAsync(t.Context(), p, record(name, "k", "waits longer"))
	q := p.topics[name][0]
	require.Eventually(t, func() bool {
		q.mu.Lock()
		defer q.mu.Unlock()
		return q.records == 3
	}, 5*time.Second, time.Millisecond)

	full := p.Produce(t.Context(), []Record{record(name, "k", "too many")})
	require.ErrorIs(t, full[0].Err, ErrQueueFull)
	require.Equal(t, fault.Outage, fault.ClassOf(full[0].Err))

	stop()
	d := (<-second).ds[0]
	require.ErrorIs(t, d.Err, context.Canceled)
	require.NotErrorIs(t, d.Err, ErrOutcomeUnknown)
	require.ErrorContains(t, d.Err, "not sent")

	leave()
	d = (<-first).ds[0]
	require.ErrorIs(t, d.Err, ErrOutcomeUnknown)
	require.Equal(t, fault.Outage, fault.ClassOf(d.Err))
	require.Equal(t, int64(-1), d.Offset)

	gate.shut.Store(false)
	d = (<-third).ds[0]
	require.NoError(t, d.Err)
	recs, _ := readAll(t, c, name, 0, 0)
	require.Equal(t, []string{"before", "under way", "waits longer"}, values(recs))
}

// The producer rides out a broker that is away and comes back.
func TestProducerOutage(t *testing.T) {
	t.Parallel()
	cluster := newFake(t)
	c := newClient(t, cluster.ListenAddrs())
	name := newTopic(t, c, 1, nil)
	p := newProducer(t, c, ProducerConfig{})
	mustProduce(t, p, record(name, "k", "before"))

	var mu sync.Mutex
	away := true
	c.conns.refuse = func() bool {
		mu.Lock()
		defer mu.Unlock()
		return away
	}
	c.conns.closeOpen()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	d := p.Produce(ctx, []Record{record(name, "k", "given up")})[0]
	require.Equal(t, fault.Outage, fault.ClassOf(d.Err), d.Err)
	require.ErrorIs(t, d.Err, context.DeadlineExceeded)
	during := produceAsync(t.Context(), p, record(name, "k", "during"))
	mu.Lock()
	away = false
	mu.Unlock()
	require.NoError(t, (<-during).ds[0].Err)
	recs, _ := readAll(t, c, name, 0, 0)
	got := values(recs)
	require.Equal(t, "before", got[0])
	require.Equal(t, "during", got[len(got)-1])
}

// Closing while the brokers are gone, with something of each kind under way, leaves nothing running.
func TestNothingLeaksInOutage(t *testing.T) {
	cluster := newFake(t)
	before := goleak.IgnoreCurrent()
	c, err := New(Config{Brokers: cluster.ListenAddrs(), RequestTimeout: 300 * time.Millisecond, DialTimeout: 300 * time.Millisecond})
	require.NoError(t, err)
	name := newTopic(t, c, 1, nil)
	p := c.NewProducer(ProducerConfig{})
	mustProduce(t, p, record(name, "a", "v"))
	tx, err := c.NewTransactor(t.Context(), "id")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	joined := make(chan struct{})
	outage := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = c.RunGroup(ctx, GroupConfig{
			ID: "g", Topics: []string{name}, HeartbeatInterval: 20 * time.Millisecond, JoinBackoff: 20 * time.Millisecond, LeaveTimeout: 100 * time.Millisecond,
			OnOutage: func(error) {
				select {
				case outage <- struct{}{}:
				default:
				}
			},
		}, func(ctx context.Context, _ Generation, _ string, _ int32) error {
			close(joined)
			<-ctx.Done()
			return nil
		})
	})
	<-joined
	cluster.Close()
	wg.Go(func() { _ = p.Produce(ctx, []Record{record(name, "a", "v")}) })
	wg.Go(func() { _ = tx.Commit(ctx, Txn{Records: []Record{record(name, "a", "v")}}) })
	for range 3 {
		<-outage // it tries again, and again
		_, err = c.Fetch(ctx, FetchRequest{Topic: name, MaxWait: time.Second})
		require.Equal(t, fault.Outage, fault.ClassOf(err), err)
	}
	cancel()
	wg.Wait()
	_ = p.Close(ctx)
	c.Close()
	goleak.VerifyNone(t, before)
}
