package sink_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"github.com/ringback/ringback/pkg/admin"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/services/sink"
)

func balanced(t *testing.T, m *member) sink.Counts {
	t.Helper()
	c := m.Counts()
	require.Equal(t, c.Read, c.Applied+c.AlreadyApplied+c.DeadLettered, "invariant 2")
	return c
}

// One bad record among 500, of every kind: set aside with its reason, its neighbours go on.
func TestInfomartOnABroker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.infomart()
	recs := w.services("s", 500)
	bad := map[string]func(r *kafka.Record){
		"UNDECODABLE":      func(r *kafka.Record) { r.Value = []byte("garbage") },
		"NOT_A_CLOUDEVENT": func(r *kafka.Record) { r.Headers = nil },
		"MISKEYED":         func(r *kafka.Record) { r.Key = []byte("another") },
	}
	at := 100
	for reason, spoil := range bad {
		r := w.userEvent(reason, 1)
		spoil(&r)
		recs[at] = r
		at += 50
	}
	incomplete, err := w.codec.UserEvent(func() *callback.UserEvent {
		u := &callback.UserEvent{Sequence: 1, Cause: callback.CauseStart, LogicVersion: 1}
		u.KVPs.SetStr(callback.KeyServiceID, "incomplete", 0)
		return u
	}())
	require.NoError(t, err)
	recs[400] = incomplete
	w.produce(recs...)
	w.wait(m, topic.UserEvents)

	c := balanced(t, m)
	require.Equal(t, int64(500), c.Read)
	require.Equal(t, int64(496), c.Applied)
	require.Equal(t, map[callback.Reason]int64{
		callback.ReasonUndecodable: 1, callback.ReasonNotCloudEvent: 1, callback.ReasonMiskeyed: 1, callback.ReasonMissingKVP: 1,
	}, c.Reasons)
	rows, err := w.store.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(496), rows.Facts)
	require.Equal(t, int64(4), rows.Discards)
	letters := w.letters()
	require.Len(t, letters, 4)
	for _, d := range letters {
		require.Equal(t, "infomart", d.Component)
		require.Equal(t, topic.UserEvents, d.Topic)
		if d.Reason == callback.ReasonMissingKVP { // invariant 9
			require.Len(t, d.Missing, 4)
			require.Equal(t, "incomplete", *d.ServiceID)
		}
	}
	require.NoError(t, m.Ready())
	require.NoError(t, m.stop())

	// Another sink goes on where this one stopped, and reads nothing twice.
	w.produce(w.services("t", 10)...)
	m = w.infomart()
	w.wait(m, topic.UserEvents)
	require.Equal(t, int64(10), balanced(t, m).Applied)
	require.Len(t, w.letters(), 4)
}

// Two members share the partitions; one that goes leaves its own to the other.
func TestRebalance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.infomart()
	w.produce(w.services("a", 200)...)
	w.wait(first, topic.UserEvents)
	second := w.infomart()
	go w.producer.Produce(t.Context(), w.services("b", 200))
	require.Eventually(t, func() bool { return len(second.Progress()) > 0 && second.Ready() == nil }, 20*time.Second, 20*time.Millisecond)
	w.produce(w.services("c", 200)...)
	require.NoError(t, first.stop())
	w.wait(second, topic.UserEvents)
	rows, err := w.store.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(600), rows.Facts)
	one, two := balanced(t, first), balanced(t, second)
	require.Equal(t, int64(600), one.Applied+two.Applied, "each record applied by one of them")
	require.Zero(t, one.AlreadyApplied+two.AlreadyApplied)
}

// A member that gets no partition, because there are more members, stands by and is ready.
func TestStandbyIsReady(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	members := make([]*member, partitions+1)
	for i := range members {
		members[i] = w.infomart()
	}
	require.Eventually(t, func() bool {
		owned := 0
		for _, m := range members {
			if m.Ready() != nil {
				return false
			}
			owned += len(m.Progress())
		}
		return owned >= partitions
	}, 30*time.Second, 50*time.Millisecond)
}

func TestTServerOnABroker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.tserver()
	w.produce(w.userEvent("a", 1), w.userEvent("a", 2), w.userEvent("b", 1), w.attachedData("a"))
	garbage := w.attachedData("c")
	garbage.Value = []byte("garbage")
	w.produce(garbage)
	w.wait(m, topic.UserEvents, topic.AttachedData)
	events, calls := w.gateway.seen()
	require.ElementsMatch(t, []string{"a/1", "a/2", "b/1"}, events)
	require.Equal(t, []string{"a/accepted"}, calls)
	c := balanced(t, m)
	require.Equal(t, map[string]int64{"acked": 4}, c.Outcomes)
	require.Equal(t, int64(1), c.DeadLettered)
	for _, d := range w.letters() {
		require.Equal(t, "tserver", d.Component)
	}
	require.NoError(t, m.stop())

	m = w.tserver()
	w.produce(w.userEvent("b", 2))
	w.wait(m, topic.UserEvents, topic.AttachedData)
	events, _ = w.gateway.seen()
	require.Len(t, events, 4, "what was acknowledged is not sent again")
	require.Equal(t, "b/2", events[3])
}

// A T-Server that is away never holds up the store (invariant 7).
func TestTServerOutageLeavesTheStoreAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.gateway.answer = func() error { return fault.Outagef("gateway: away") }
	facts, sender := w.infomart(), w.tserver()
	w.produce(w.services("s", 50)...)
	w.wait(facts, topic.UserEvents)
	require.Equal(t, int64(50), balanced(t, facts).Applied)
	require.Eventually(t, func() bool {
		err := sender.Ready()
		return err != nil && strings.Contains(err.Error(), "gateway: away")
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, facts.Ready())
	require.Zero(t, sender.Counts().Read)

	w.gateway.mu.Lock()
	w.gateway.answer = nil
	w.gateway.mu.Unlock()
	w.wait(sender, topic.UserEvents)
	require.Equal(t, int64(50), balanced(t, sender).Applied)
	require.NoError(t, sender.Ready())
}

// A topic that turns all bad pauses, is not ready and says where, until it is accepted (invariant 7).
func TestPoisonedTopic(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.infomart()
	recs := make([]kafka.Record, 120)
	for i := range recs {
		recs[i] = w.userEvent(fmt.Sprint("s", i), 1)
		recs[i].Partition = 1
		if i >= 20 {
			recs[i].Value = []byte("garbage")
		}
	}
	w.produce(recs...)
	require.Eventually(t, func() bool { err := m.Ready(); return err != nil && strings.Contains(err.Error(), "paused at offset") }, 10*time.Second, 10*time.Millisecond)
	paused := m.Progress()[sink.TopicPartition{Topic: topic.UserEvents, Partition: 1}].Next
	require.Equal(t, int64(49), paused, "with 30 of 50 bad, the 50th is not dead-lettered")
	require.ErrorContains(t, m.Ready(), "partition 1 of callback.userevents.v1 is paused: paused at offset 49")
	require.Len(t, w.letters(), 29)

	require.ErrorIs(t, m.Accept(topic.UserEvents, 7, 200), admin.ErrNotOwned)
	require.NoError(t, m.Accept(topic.UserEvents, 1, 119))
	w.wait(m, topic.UserEvents)
	require.Equal(t, int64(100), balanced(t, m).DeadLettered)
	require.Len(t, w.letters(), 100)
	require.NoError(t, m.Ready())
}

func TestUnknownSchemaOnABroker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.start(func(d sink.Deps) (*sink.Sink, error) {
		cfg := quick()
		cfg.UnknownSchemaWait = 300 * time.Millisecond
		return sink.NewInfomart(cfg, w.store, d)
	})
	unknown := w.userEvent("u", 1)
	binary.BigEndian.PutUint32(unknown.Value[1:], 4711)
	w.produce(unknown, w.userEvent("s", 1))
	w.wait(m, topic.UserEvents)
	c := balanced(t, m)
	require.Equal(t, map[callback.Reason]int64{callback.ReasonUnknownSchema: 1}, c.Reasons)
	require.Equal(t, int64(1), c.Applied)
	for _, d := range w.letters() {
		require.Contains(t, d.Detail, "4711")
	}
}

// A position that belongs to another log stops its partition, which says so, and no other; once it is put right, it goes on.
func TestRecreatedTopicOnABroker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	recs := w.services("s", 60)
	for i := range recs {
		recs[i].Partition = int32(i % partitions)
	}
	w.produce(recs...)
	ends := w.ends(topic.UserEvents)
	key := infomart.PositionKey{Group: "ringback-infomart", Topic: topic.UserEvents, Partition: 0}
	_, err := w.store.Apply(t.Context(), infomart.Batch{PositionKey: key, To: infomart.Position{Next: ends[0] + 10, LastOffset: ends[0] + 9, LastID: "x", LastTime: time.Now()}}, nil)
	require.NoError(t, err)
	wrong, _, err := w.store.Position(t.Context(), key)
	require.NoError(t, err)
	m := w.start(func(d sink.Deps) (*sink.Sink, error) {
		cfg := quick()
		cfg.RetryMin, cfg.RetryMax = time.Millisecond, 10*time.Millisecond
		return sink.NewInfomart(cfg, w.store, d)
	})
	err = m.WaitFor(t.Context(), topic.UserEvents, map[int32]int64{0: ends[0] + 11})
	require.ErrorContains(t, err, fmt.Sprintf("the stored position is %d, and the log ends at %d", ends[0]+10, ends[0]))
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	require.Equal(t, 1.0, metric(t, m, "ringback_sink_stopped"))
	require.NoError(t, m.WaitFor(t.Context(), topic.UserEvents, map[int32]int64{1: ends[1], 2: ends[2]}), "the others go on")
	require.ErrorContains(t, m.Ready(), "partition 0 of callback.userevents.v1 is stopped: ")
	require.Equal(t, 1.0, metric(t, m, "ringback_sink_stopped"), "tried again meanwhile, and shown all the time")

	_, err = w.store.Apply(t.Context(), infomart.Batch{PositionKey: key, Expected: &wrong, To: infomart.Position{LastOffset: -1}}, nil)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return m.Ready() == nil }, 20*time.Second, time.Millisecond)
	require.NoError(t, m.WaitFor(t.Context(), topic.UserEvents, ends))
	require.Zero(t, metric(t, m, "ringback_sink_stopped"))
	require.Equal(t, int64(60), balanced(t, m).Applied)
	require.Eventually(t, func() bool { return metric(t, m, "ringback_sink_topic_partitions") == partitions }, 20*time.Second, time.Millisecond)
	require.NoError(t, m.stop())
}

// A member whose position another owner has moved joins the group again (invariant 5).
func TestPositionMovedRejoins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.infomart()
	first := w.userEvent("a", 1)
	first.Partition = 0
	w.produce(first)
	w.wait(m, topic.UserEvents)
	key := infomart.PositionKey{Group: "ringback-infomart", Topic: topic.UserEvents, Partition: 0}
	pos, _, err := w.store.Position(t.Context(), key)
	require.NoError(t, err)
	moved := pos
	moved.LastOffset = -1
	_, err = w.store.Apply(t.Context(), infomart.Batch{PositionKey: key, Expected: &pos, To: moved}, nil)
	require.NoError(t, err)
	second := w.userEvent("b", 1)
	second.Partition = 0
	w.produce(second)
	w.wait(m, topic.UserEvents)
	require.Equal(t, int64(2), balanced(t, m).Applied)
	require.Equal(t, 1.0, metric(t, m, "ringback_sink_rejoins_total"))
}

// The group's offset follows the position, for tools that show lag.
func TestGroupOffsetFollows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.infomart()
	w.produce(w.services("s", 30)...)
	w.wait(m, topic.UserEvents)
	for p, end := range w.ends(topic.UserEvents) {
		require.Eventually(t, func() bool {
			offset, ok, err := w.client.CommittedOffset(t.Context(), "ringback-infomart", topic.UserEvents, p)
			return err == nil && (end == 0 || ok && offset == end)
		}, 10*time.Second, 50*time.Millisecond)
	}
}

func TestWaitForEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.infomart()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, m.WaitFor(ctx, topic.UserEvents, map[int32]int64{0: 1}), context.DeadlineExceeded)
	require.NoError(t, m.stop())
	require.ErrorIs(t, m.WaitFor(t.Context(), topic.UserEvents, map[int32]int64{0: 1}), context.Canceled)
	require.NoError(t, m.WaitFor(t.Context(), topic.UserEvents, map[int32]int64{0: 0}))
	require.True(t, errors.Is(m.Ready(), context.Canceled))
}
