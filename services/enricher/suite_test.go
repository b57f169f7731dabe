package enricher_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
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

// suite is what holds on every broker.
func suite(t *testing.T, brokers func(t *testing.T) []string) {
	t.Run("a session becomes START, attached data and FINAL", func(t *testing.T) {
		w := newWorld(t, brokers(t))
		m := w.start()
		for s := range 20 {
			w.produce(w.life(s)...)
		}
		w.await(m)
		w.requireLives(20)
		require.NoError(t, m.stop())
	})
	t.Run("a restart goes on from the changelog", func(t *testing.T) {
		w := newWorld(t, brokers(t))
		for round := range 7 {
			m := w.start()
			for s := range 10 {
				life := w.life(s)
				w.produce(life[:round+1]...) // what was sent before is sent again
			}
			w.await(m)
			require.NoError(t, m.stop())
		}
		w.requireLives(10)
	})
	t.Run("invariant 3: a takeover in the middle of the work changes nothing", func(t *testing.T) {
		w := newWorld(t, brokers(t))
		const sessions = 300
		members := []*member{w.start()}
		for step := range 7 {
			for s := range sessions {
				w.produce(w.life(s)[step])
			}
			switch step {
			case 1, 3:
				members = append(members, w.start())
			case 2, 4:
				require.NoError(t, members[0].stop())
				members = members[1:]
			}
		}
		w.await(members...)
		w.requireLives(sessions)
	})
	t.Run("the states of partitions that went to another member are given up", func(t *testing.T) {
		w := newWorld(t, brokers(t))
		first := w.start()
		for s := range 20 {
			w.produce(w.life(s)[:3]...)
		}
		w.await(first)
		require.Equal(t, partitions, first.Kept())
		second := w.start()
		require.Eventually(t, func() bool { return first.Kept() < partitions && first.Kept()+second.Kept() == partitions }, 60*time.Second, time.Millisecond)
	})
	t.Run("invariant 4: an owner that is fenced has no effect, and goes on if the partition is still its own", func(t *testing.T) {
		w := newWorld(t, brokers(t))
		m := w.start()
		w.produce(w.life(0)...)
		w.await(m)
		p := kafka.PartitionForKey([]byte(w.id(0)), partitions)
		before := w.takeovers(m)
		// Whoever takes the transactional id over fences the one that had it.
		_, err := w.client.NewTransactor(t.Context(), fmt.Sprintf("%s-%d", w.config.Group, p))
		require.NoError(t, err)
		w.produce(w.event(0, 7, 95, callback.DialogEnded, callback.Data{Result: ptr("RIGHT_PERSON")}))
		w.write(wire.Tick(p, true))
		w.await(m)
		require.Greater(t, w.takeovers(m), before, "it met the fence, and restored what the log says")
		require.Len(t, w.userEvents()[w.id(0)], 3)
	})
	t.Run("invariant 7: garbage as large as a record may be does not block", func(t *testing.T) {
		w := newWorld(t, brokers(t))
		m := w.start()
		before := total(w.deadLetters())
		w.write(kafka.Record{Topic: topic.Lifecycle, Partition: kafka.AnyPartition, Key: []byte(w.id(0)), Value: bytes.Repeat([]byte{0xff}, 1_048_000)})
		w.produce(w.life(0)...)
		w.await(m)
		w.requireLives(1)
		require.Equal(t, 1, total(w.deadLetters())-before)
	})
	t.Run("invariant 7: a restart does not forget how many records were bad", func(t *testing.T) {
		w := newWorld(t, brokers(t))
		before := total(w.deadLetters())
		w.produce(w.life(0)[:1]...)
		p := kafka.PartitionForKey([]byte(w.id(0)), partitions)
		for range 5 {
			var garbage []kafka.Record
			for range 30 {
				garbage = append(garbage, kafka.Record{Topic: topic.Lifecycle, Partition: p, Key: []byte(w.id(0)), Value: []byte("\x00garbage")})
			}
			end := w.ends(topic.Lifecycle)[p] + 30
			w.write(garbage...)
			m := w.start()
			_ = m.WaitFor(t.Context(), map[int32]int64{p: end}) // an error says that it is paused
			require.NoError(t, m.stop())
		}
		require.LessOrEqual(t, total(w.deadLetters())-before, poison.Size/2, "five starts must not set aside 30 records each: at half of the last 200 it pauses")
		w.cleanse()
	})
	t.Run("invariant 2: bad data is dead-lettered, its neighbours go on", func(t *testing.T) {
		w := newWorld(t, brokers(t))
		m := w.start()
		before := w.deadLetters()
		w.produce(w.life(0)[:3]...)
		miskeyed, err := w.codec.Lifecycle(w.event(1, 0, 0, callback.Offered, callback.Data{}))
		require.NoError(t, err)
		miskeyed.Key = []byte("another")
		garbage := kafka.Record{Topic: topic.Lifecycle, Partition: kafka.AnyPartition, Key: []byte(w.id(0)), Value: []byte("\x00garbage")}
		unknown, err := w.codec.Lifecycle(w.event(0, 50, 0, callback.Offered, callback.Data{}))
		require.NoError(t, err)
		for i := range unknown.Headers {
			if unknown.Headers[i].Key == "ce_type" {
				unknown.Headers[i].Value = []byte("callback.teleported")
			}
		}
		w.write(miskeyed, garbage, unknown)
		w.produce(w.event(0, 1, 77, callback.OfferAccepted, callback.Data{})) // the id of another
		w.produce(w.life(0)[3:]...)
		w.await(m)
		w.requireLives(1)
		after := w.deadLetters()
		for reason, n := range map[callback.Reason]int{
			callback.ReasonMiskeyed: 1, callback.ReasonUnknownType: 1, callback.ReasonConflict: 1,
		} {
			require.Equal(t, n, after[reason]-before[reason], reason)
		}
		require.Equal(t, 4, total(after)-total(before))
	})
	t.Run("a quiet partition is given ticks, and a correction follows", func(t *testing.T) {
		w := newWorld(t, brokers(t))
		w.config.Settle = 200 * time.Millisecond
		m := w.start()
		w.produce(w.life(0)...)
		w.produce(w.event(0, 7, 95, callback.DialogEnded, callback.Data{Result: ptr("RIGHT_PERSON")}))
		// Nobody writes any more: only a tick makes the correction due.
		require.Eventually(t, func() bool { return len(w.userEvents()[w.id(0)]) == 3 }, time.Minute, 20*time.Millisecond)
		require.Eventually(t, func() bool { return m.Counts().Ticks > 0 }, time.Minute, time.Millisecond)
		got := w.userEvents()[w.id(0)]
		require.Len(t, got, 3)
		require.Equal(t, callback.CauseCorrection, got[2].Cause)
	})
	t.Run("invariant 7: a topic that turns all bad pauses the partition until an operator accepts", func(t *testing.T) {
		w := newWorld(t, brokers(t))
		before := total(w.deadLetters())
		m := w.start()
		w.produce(w.life(0)[:1]...)
		w.await(m)
		p := kafka.PartitionForKey([]byte(w.id(0)), partitions)
		first := w.ends(topic.Lifecycle)[p]
		var garbage []kafka.Record
		for range 150 {
			garbage = append(garbage, kafka.Record{Topic: topic.Lifecycle, Partition: p, Key: []byte(w.id(0)), Value: []byte("\x00garbage")})
		}
		w.write(garbage...)
		w.produce(w.life(0)[1:]...)
		require.Eventually(t, func() bool {
			err := m.Ready()
			return err != nil && strings.Contains(err.Error(), "paused before offset")
		}, 30*time.Second, time.Millisecond)
		require.LessOrEqual(t, total(w.deadLetters())-before, poison.Size/2, "it pauses BEFORE more is dead-lettered")
		require.Empty(t, w.userEvents())
		require.Error(t, m.Accept(topic.Lifecycle, p, 0), "an offset that is not past the bad record")
		require.Error(t, m.Accept(topic.Lifecycle, (p+1)%partitions, first), "another partition")
		require.NoError(t, m.Accept(topic.Lifecycle, p, first+149))
		w.await(m)
		w.requireLives(1)
		require.Equal(t, 150, total(w.deadLetters())-before)
		require.NoError(t, m.stop())
		w.cleanse()
	})
	t.Run("10,000 events of one service id leave its neighbours alone", func(t *testing.T) {
		w := newWorld(t, brokers(t))
		m := w.start()
		before := total(w.deadLetters())
		var events []*callback.Event
		for n := range 10_000 {
			events = append(events, w.event(0, n, n%1000, callback.Queued, callback.Data{}))
		}
		w.produce(events...)
		for s := range 30 {
			w.produce(w.life(s + 1)...)
		}
		w.await(m)
		w.requireLives(30)
		require.Equal(t, 9_000, total(w.deadLetters())-before)
	})
}

func total(reasons map[callback.Reason]int) (n int) {
	for _, k := range reasons {
		n += k
	}
	return n
}
