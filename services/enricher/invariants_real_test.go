//go:build realkafka

package enricher_test

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	embedded "github.com/ringback/ringback/pkg/embedded/registry"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
	"github.com/ringback/ringback/services/enricher"
)

func newRealWorld(t *testing.T) *world {
	t.Helper()
	brokers := os.Getenv("RINGBACK_KAFKA_BROKERS")
	require.NotEmpty(t, brokers, "RINGBACK_KAFKA_BROKERS is not set: start one with make kafka-up")
	return newWorld(t, strings.Split(brokers, ","))
}

// Invariant 2: each record read is counted as exactly one of applied, already applied, dead-lettered or tick, and
// what is dead-lettered is there, once, by where it lay.
func TestRealEveryRecordEndsOneWay(t *testing.T) {
	w := newRealWorld(t)
	w.config.Ticks = false
	m := w.start()
	w.await(m)
	begun, before := m.Counts(), len(w.read(topic.DeadLetters))
	p := kafka.PartitionForKey([]byte(w.id(0)), partitions)
	first := w.ends(topic.Lifecycle)[p]
	life := w.life(0)
	w.produce(life...)
	w.produce(life[2:5]...)
	bad := kafka.Record{Topic: topic.Lifecycle, Partition: p, Key: []byte(w.id(0)), Value: []byte("\x00garbage")}
	w.write(bad, bad, wire.Tick(p, false))
	w.produce(w.event(0, 1, 77, callback.OfferAccepted, callback.Data{})) // the id of another
	w.await(m)
	got := m.Counts()
	require.Equal(t, []int64{14, 7, 3, 3, 1}, []int64{
		got.Read - begun.Read, got.Applied - begun.Applied, got.AlreadyApplied - begun.AlreadyApplied,
		got.DeadLettered - begun.DeadLettered, got.Ticks - begun.Ticks,
	})
	w.requireLives(1)
	var ids []string
	for _, r := range w.read(topic.DeadLetters) {
		d, err := w.codec.ParseDeadLetter(t.Context(), &r)
		require.NoError(t, err)
		if d.Partition == p && d.Offset >= first {
			ids = append(ids, d.ID())
		}
	}
	var want []string
	for _, offset := range []int64{10, 11, 13} {
		want = append(want, fmt.Sprintf("%s/%s/%d/%d", enricher.Component, topic.Lifecycle, p, first+offset))
	}
	require.ElementsMatch(t, want, ids)
	require.Len(t, w.read(topic.DeadLetters), before+3)
}

// Invariant 3: deadlines that are equal pass in the order of the service ids, whatever came first.
func TestRealEqualDeadlines(t *testing.T) {
	w := newRealWorld(t)
	w.config.Ticks, w.config.OfferGrace, w.config.Settle = false, time.Second, time.Second
	sessions, p := w.together(40)
	slices.Reverse(sessions)
	at := time.Now()
	var records []kafka.Record
	for _, s := range sessions {
		r, err := w.codec.Lifecycle(w.event(s, 0, 0, callback.OfferRejected, callback.Data{}))
		require.NoError(t, err)
		r.Time = at
		records = append(records, r)
	}
	m := w.start()
	w.write(records...)
	w.await(m)
	require.Empty(t, w.userEvents())
	tick := wire.Tick(p, false)
	tick.Time = at.Add(w.config.OfferGrace)
	w.write(tick)
	w.await(m)
	var order []string
	for _, r := range w.read(topic.UserEvents) {
		if id := string(r.Key); strings.HasPrefix(id, w.prefix) {
			order = append(order, id)
		}
	}
	require.Len(t, order, len(sessions))
	require.True(t, slices.IsSorted(order), "%v", order)
}

func TestRealFetchedAhead(t *testing.T) { endsBeforeWhatWasFetchedAhead(t, newRealWorld(t)) }

// Invariants 3 and 4: more is due at once than one transaction takes, and the second of them is lost, as the owner is
// fenced in between. The two have the same position: only that the state of the lost one is thrown away tells them apart.
func TestRealLostTransactionIsForgotten(t *testing.T) {
	w := newRealWorld(t)
	const all = 4100 // three transactions
	sessions, p := w.together(all)
	var m atomic.Pointer[member]
	var fenced atomic.Bool
	w.now = func() time.Time {
		// The clock is looked at between two transactions.
		if m := m.Load(); m != nil && m.Counts().UserEvents >= 2000 && !fenced.Swap(true) {
			if _, err := w.client.NewTransactor(t.Context(), fmt.Sprintf("%s-%d", w.config.Group, p)); err != nil {
				t.Error(err)
			}
		}
		return time.Now()
	}
	running := w.start()
	w.await(running)
	var events []*callback.Event
	for _, s := range sessions {
		events = append(events, w.event(s, 0, 0, callback.OfferRejected, callback.Data{}))
	}
	w.produce(events...)
	w.await(running)
	require.Empty(t, w.userEvents())
	m.Store(running)
	before := w.takeovers(running)
	w.write(wire.Tick(p, true))
	w.await(running)
	require.True(t, fenced.Load())
	require.Equal(t, before+1, w.takeovers(running))
	got := w.userEvents()
	require.Equal(t, all, len(got)) // Len would print them
	for id, u := range got {
		require.Len(t, u, 1, id)
		require.EqualValues(t, 1, u[0].Sequence)
	}
}

// Invariants 3 and 4: a partition comes back to a member that has its state of before. The group's offset is the
// position, as both are written in one transaction.
func TestRealPartitionComesBack(t *testing.T) {
	w := newRealWorld(t)
	const sessions = 30
	produce := func(steps ...int) {
		for _, step := range steps {
			for s := range sessions {
				w.produce(w.life(s)[step])
			}
		}
	}
	first := w.start()
	produce(0, 1)
	w.await(first)
	second := w.start()
	require.Eventually(t, func() bool { return second.Kept() > 0 && second.Ready() == nil && first.Ready() == nil }, 30*time.Second, time.Millisecond)
	produce(2, 3, 4)
	w.await(first, second)
	require.NoError(t, second.stop())
	produce(5, 6)
	w.await(first)
	w.requireLives(sessions)
	for p, end := range w.ends(topic.Lifecycle) {
		var offset int64
		require.Eventually(t, func() bool {
			var err error
			offset, _, err = w.client.CommittedOffset(t.Context(), w.config.Group, topic.Lifecycle, p)
			return err == nil && offset == end
		}, 10*time.Second, time.Millisecond, "partition %d ends at %d", p, end)
	}
}

// Invariant 4: where the group's offset is not the position of the changelog, the two are not of one generation, and
// nothing is read.
func TestRealGroupOffsetMustAgree(t *testing.T) {
	w := newRealWorld(t)
	offsets := w.ends(topic.Lifecycle)
	for p := range offsets {
		offsets[p] += 1000
	}
	tx, err := w.client.NewTransactor(t.Context(), w.config.Group+"-other")
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context(), kafka.Txn{Group: &kafka.GroupOffsets{
		Generation: kafka.Generation{GroupID: w.config.Group, ID: -1}, Topic: topic.Lifecycle, Offsets: offsets,
	}}))
	w.produce(w.life(0)...)
	m := w.start()
	require.Eventually(t, func() bool {
		err := m.Ready()
		return m.Counts().Read > 0 || err != nil && strings.Contains(err.Error(), "the changelog stands at offset")
	}, 30*time.Second, time.Millisecond)
	require.Zero(t, m.Counts().Read)
	require.Empty(t, w.userEvents())
}

// Invariant 7: while the registry is away a schema id that is not known is no bad data, nor is it at once when the
// registry is back.
func TestRealRegistryAwayIsNoBadData(t *testing.T) {
	w := newRealWorld(t)
	var away, later atomic.Bool
	w.codec = openCodec(t, &away)
	w.config.Ticks = false
	w.now = func() time.Time {
		if later.Load() {
			return time.Now().Add(time.Minute)
		}
		return time.Now()
	}
	unknown, err := w.codec.Lifecycle(w.event(0, 50, 0, callback.Offered, callback.Data{}))
	require.NoError(t, err)
	unknown.Value = slices.Clone(unknown.Value)
	binary.BigEndian.PutUint32(unknown.Value[1:], 4711)
	before := w.deadLetters()[callback.ReasonUnknownSchema]
	away.Store(true)
	m := w.start()
	w.await(m)
	w.write(unknown)
	w.produce(w.life(0)...)
	says := func(part string) {
		t.Helper()
		require.Eventually(t, func() bool {
			err := m.Ready()
			return m.Counts().DeadLettered > 0 || err != nil && strings.Contains(err.Error(), part)
		}, 10*time.Second, time.Millisecond)
		require.Zero(t, m.Counts().DeadLettered)
		require.Empty(t, w.userEvents())
	}
	says("status 503")
	away.Store(false)
	says("unknown schema id")
	later.Store(true)
	w.await(m)
	w.requireLives(1)
	require.Equal(t, 1, w.deadLetters()[callback.ReasonUnknownSchema]-before)
}

// openCodec makes a codec whose registry answers 503 while it is away.
func openCodec(t *testing.T, away *atomic.Bool) *wire.Codec {
	t.Helper()
	server, err := embedded.Start(embedded.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	target, err := url.Parse(server.URL())
	require.NoError(t, err)
	through := httputil.NewSingleHostReverseProxy(target)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		through.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	schemas, err := registry.New(registry.Config{URL: front.URL})
	require.NoError(t, err)
	t.Cleanup(schemas.Close)
	codec, err := wire.New(t.Context(), schemas)
	require.NoError(t, err)
	return codec
}
