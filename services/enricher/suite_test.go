package enricher_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/poison"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
)

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
	t.Run("invariant 4: a topic that was made again and has grown past the position is not gone on with", func(t *testing.T) {
		testRecreated(t, brokers(t))
	})
	t.Run("invariant 4: a changelog that has lost states is not gone on with", func(t *testing.T) {
		testLostStates(t, brokers(t))
	})
	t.Run("invariant 4: records that have expired unread stop the partition, until that is accepted", func(t *testing.T) {
		testExpired(t, brokers(t))
	})
	t.Run("topics that would lose data are refused", func(t *testing.T) {
		testKinds(t, brokers(t))
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
