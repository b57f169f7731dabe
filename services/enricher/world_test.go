package enricher_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	embedded "github.com/ringback/ringback/pkg/embedded/registry"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/poison"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
	"github.com/ringback/ringback/services/enricher"
)

const partitions = 3

// world is a broker and a registry, and what a test needs to write and read topics.
type world struct {
	t        testing.TB
	brokers  []string
	client   *kafka.Client
	codec    *wire.Codec
	producer *kafka.Producer
	config   enricher.Config
	prefix   string
	now      func() time.Time
}

var worlds atomic.Int64

// newWorld makes the topics on the brokers, if they are not there. Its sessions have a prefix of their own, so that several
// can share a broker.
func newWorld(t testing.TB, brokers []string) *world {
	client, err := kafka.New(kafka.Config{Brokers: brokers, ClientID: "enricher-test"})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	ctx := t.Context()
	specs := topic.Specs(partitions, 1)
	require.NoError(t, client.EnsureTopics(ctx, specs))
	server, err := embedded.Start(embedded.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	schemas, err := registry.New(registry.Config{URL: server.URL(), Timeout: 5 * time.Second})
	require.NoError(t, err)
	t.Cleanup(schemas.Close)
	codec, err := wire.New(ctx, schemas)
	require.NoError(t, err)
	n := worlds.Add(1)
	w := &world{
		t: t, brokers: brokers, client: client, codec: codec, producer: client.NewProducer(kafka.ProducerConfig{}),
		prefix: fmt.Sprintf("%s-%d-%d-", t.Name(), time.Now().UnixNano(), n),
		config: enricher.Config{
			Group: fmt.Sprintf("enricher-%d-%d", time.Now().UnixNano(), n), Settle: 5 * time.Second, OfferGrace: 10 * time.Minute,
			SessionTimeout: 26 * time.Hour, StateRetention: 48 * time.Hour, MarkerRetention: 10440 * time.Hour, ServiceStart: "offer",
			MaxAttempts: 3, SessionMaxEvents: 1000, SessionMaxBytes: 256 << 10, BatchBytes: 1 << 20, Ticks: true,
		},
	}
	t.Cleanup(func() { _ = w.producer.Close(context.WithoutCancel(ctx)) })
	return w
}

// member is a running enricher.
type member struct {
	*enricher.Enricher
	metrics *prometheus.Registry
	stop    func() error
}

func (w *world) start() *member {
	client, err := kafka.New(kafka.Config{Brokers: w.brokers, ClientID: "enricher"})
	require.NoError(w.t, err)
	metrics := prometheus.NewRegistry()
	e, err := enricher.New(w.config, enricher.Deps{Kafka: client, Codec: w.codec, Registerer: metrics, Now: w.now})
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	var stopped bool
	m := &member{Enricher: e, metrics: metrics, stop: func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		err := <-done
		client.Close()
		return err
	}}
	w.t.Cleanup(func() { _ = m.stop() })
	return m
}

func (w *world) id(n int) string { return fmt.Sprintf("%ssession-%d", w.prefix, n) }

// together are n sessions of one partition.
func (w *world) together(n int) (sessions []int, partition int32) {
	partition = kafka.PartitionForKey([]byte(w.id(0)), partitions)
	for s := 0; len(sessions) < n; s++ {
		if kafka.PartitionForKey([]byte(w.id(s)), partitions) == partition {
			sessions = append(sessions, s)
		}
	}
	return sessions, partition
}

// produce writes events of sessions, in order.
func (w *world) produce(events ...*callback.Event) {
	w.t.Helper()
	records := make([]kafka.Record, len(events))
	for i, e := range events {
		r, err := w.codec.Lifecycle(e)
		require.NoError(w.t, err)
		records[i] = r
	}
	w.write(records...)
}

func (w *world) write(records ...kafka.Record) {
	w.t.Helper()
	for _, d := range w.producer.Produce(w.t.Context(), records) {
		require.NoError(w.t, d.Err)
	}
}

// await waits until the enrichers have read all that is in the lifecycle topic now.
func (w *world) await(members ...*member) {
	w.t.Helper()
	ends := w.ends(topic.Lifecycle)
	ctx, cancel := context.WithTimeout(w.t.Context(), 60*time.Second)
	defer cancel()
	for p, end := range ends {
		reached := make(chan error, len(members))
		waiting, stop := context.WithCancel(ctx)
		for _, m := range members {
			go func() { reached <- m.WaitFor(waiting, map[int32]int64{p: end}) }()
		}
		require.NoError(w.t, <-reached, "partition %d has not been read to its end", p)
		stop()
	}
}

func (w *world) ends(name string) map[int32]int64 {
	ranges, err := w.client.Offsets(w.t.Context(), name)
	require.NoError(w.t, err)
	ends := map[int32]int64{}
	for p, r := range ranges {
		ends[p] = r.Latest
	}
	return ends
}

// read returns a topic's records, read-committed, those of this test's sessions.
func (w *world) read(name string) []kafka.Record {
	w.t.Helper()
	var all []kafka.Record
	for p, end := range w.ends(name) {
		for offset := int64(0); offset < end; {
			got, err := w.client.Fetch(w.t.Context(), kafka.FetchRequest{Topic: name, Partition: p, Offset: offset, MaxBytes: 1 << 20, MaxWait: time.Second})
			require.NoError(w.t, err)
			all = append(all, got.Records...)
			offset = got.Next
		}
	}
	return all
}

func (w *world) userEvents() map[string][]*callback.UserEvent {
	w.t.Helper()
	sessions := map[string][]*callback.UserEvent{}
	for _, r := range w.read(topic.UserEvents) {
		u, err := w.codec.ParseUserEvent(w.t.Context(), &r)
		require.NoError(w.t, err)
		if own := u.ServiceID(); len(own) > len(w.prefix) && own[:len(w.prefix)] == w.prefix {
			sessions[own] = append(sessions[own], u)
		}
	}
	return sessions
}

// cleanse reads the topics to their ends, accepting what is bad, and puts good
// records behind it, so that the next test on the same broker finds nothing of it.
func (w *world) cleanse() {
	w.t.Helper()
	m := w.start()
	for p, end := range w.ends(topic.Lifecycle) {
		for m.WaitFor(w.t.Context(), map[int32]int64{p: end}) != nil {
			_ = m.Accept(topic.Lifecycle, p, end) // it may go on already
		}
		ticks := make([]kafka.Record, poison.Size)
		for i := range ticks {
			ticks[i] = wire.Tick(p, false)
		}
		w.write(ticks...)
	}
	w.await(m)
	require.NoError(w.t, m.stop())
}

// takeovers counts the times that the member has restored a partition.
func (w *world) takeovers(m *member) (n uint64) {
	w.t.Helper()
	families, err := m.metrics.Gather()
	require.NoError(w.t, err)
	for _, f := range families {
		if f.GetName() == "ringback_enricher_restore_seconds" {
			n = f.GetMetric()[0].GetHistogram().GetSampleCount()
		}
	}
	return n
}

func (w *world) deadLetters() map[callback.Reason]int {
	w.t.Helper()
	reasons := map[callback.Reason]int{}
	for _, r := range w.read(topic.DeadLetters) {
		d, err := w.codec.ParseDeadLetter(w.t.Context(), &r)
		require.NoError(w.t, err)
		if d.Component == enricher.Component {
			reasons[d.Reason]++
		}
	}
	return reasons
}

var epoch = time.Now().Add(-time.Hour).Truncate(time.Second)

func (w *world) event(session, n, second int, typ callback.Type, data callback.Data) *callback.Event {
	return &callback.Event{
		Source: "/test", ID: fmt.Sprintf("%d", n), Type: typ, Subject: w.id(session),
		Time: callback.Micros(epoch.Add(time.Duration(second) * time.Second).UnixMicro()), Data: data,
	}
}

func ptr[T any](v T) *T { return &v }

// life is a session that is offered, accepted, called, and completed with an agent.
func (w *world) life(session int) []*callback.Event {
	return []*callback.Event{
		w.event(session, 0, 0, callback.Offered, callback.Data{Channel: ptr("IVR")}),
		w.event(session, 1, 5, callback.OfferAccepted, callback.Data{}),
		w.event(session, 2, 6, callback.Requested, callback.Data{CallbackType: ptr("IMMEDIATE")}),
		w.event(session, 3, 20, callback.AttemptStarted, callback.Data{Kind: ptr("CALL"), IxnID: ptr("out")}),
		w.event(session, 4, 30, callback.CustomerConnected, callback.Data{}),
		w.event(session, 5, 40, callback.AgentConnected, callback.Data{Target: ptr("Billing")}),
		w.event(session, 6, 90, callback.Completed, callback.Data{}),
	}
}

// requireLives holds the UserEvents of these sessions against what a life comes to: exactly START and FINAL.
func (w *world) requireLives(sessions int) {
	w.t.Helper()
	all := w.userEvents()
	require.Len(w.t, all, sessions)
	for _, id := range slices.Sorted(maps.Keys(all)) {
		got := all[id]
		require.Len(w.t, got, 2, "session %s", id)
		require.EqualValues(w.t, 1, got[0].Sequence)
		require.EqualValues(w.t, 2, got[1].Sequence)
		require.Equal(w.t, "COMPLETED.AGENT", got[1].KVPs[callback.KeyDisposition].Str)
		require.EqualValues(w.t, 1, got[1].KVPs[callback.KeyFinalRecord].Int)
	}
}
