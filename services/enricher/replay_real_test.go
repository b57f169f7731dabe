//go:build realkafka

package enricher_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fold"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/session"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
)

// Invariant 3: what the lifecycle log gives in one piece, read by one process, is byte for byte what was written,
// though it was read by two members, with a takeover, a fence, repeated events, a correction and a tick.
func TestRealTheLogAloneDecides(t *testing.T) {
	w := newRealWorld(t)
	w.config.Settle = 200 * time.Millisecond
	const sessions = 24
	members := []*member{w.start()}
	for step := range 7 {
		for s := range sessions {
			w.produce(w.life(s)[step])
			if s%3 == 0 {
				w.produce(w.life(s)[:step+1]...) // all of it again
			}
		}
		switch step {
		case 2:
			members = append(members, w.start())
			w.await(members...)
		case 4:
			require.NoError(t, members[0].stop())
			members = members[1:]
		case 5:
			_, err := w.client.NewTransactor(t.Context(), fmt.Sprintf("%s-%d", w.config.Group, kafka.PartitionForKey([]byte(w.id(0)), partitions)))
			require.NoError(t, err)
		}
	}
	for s := range sessions {
		w.produce(w.event(s, 7, 95, callback.DialogEnded, callback.Data{Result: ptr("RIGHT_PERSON")}))
	}
	w.await(members...)
	require.Eventually(t, func() bool {
		corrected := 0
		for _, u := range w.userEvents() {
			if len(u) == 3 {
				corrected++
			}
		}
		return corrected == sessions
	}, 20*time.Second, 20*time.Millisecond, "the corrections that quiet partitions are given ticks for")
	require.NoError(t, members[0].stop())

	written := map[int32][]kafka.Record{}
	for _, r := range w.read(topic.UserEvents) {
		if strings.HasPrefix(string(r.Key), w.prefix) {
			r.Offset = 0
			written[r.Partition] = append(written[r.Partition], r)
		}
	}
	for p := range int32(partitions) {
		require.Equal(t, w.replay(p), written[p], "partition %d", p)
	}
}

// replay is what a partition of the lifecycle log, as it is now, comes to for the sessions of this test.
func (w *world) replay(p int32) (due []kafka.Record) {
	w.t.Helper()
	c := w.config
	state := session.NewPartition(session.Rules{
		Fold: fold.Options{ServiceStartRequest: c.ServiceStart == "request", MaxAttempts: c.MaxAttempts}, Settle: c.Settle, OfferGrace: c.OfferGrace,
		Timeout: c.SessionTimeout, Retention: c.StateRetention, Marker: c.MarkerRetention, MaxEvents: c.SessionMaxEvents, MaxBytes: c.SessionMaxBytes,
	}, p)
	var log []session.Record
	for _, r := range w.read(topic.Lifecycle) {
		if r.Partition == p {
			log = append(log, w.parse(&r))
		}
	}
	for len(log) > 0 {
		fx, err := state.Process(log, log[len(log)-1].Offset+1)
		require.NoError(w.t, err)
		for i := range fx.UserEvents {
			r, err := w.codec.UserEvent(&fx.UserEvents[i].What)
			require.NoError(w.t, err)
			if strings.HasPrefix(string(r.Key), w.prefix) {
				r.Partition, r.Time = p, time.UnixMilli(fx.UserEvents[i].At).UTC()
				due = append(due, r)
			}
		}
		for len(log) > 0 && log[0].Offset < fx.Position.Next {
			log = log[1:]
		}
	}
	return due
}

func (w *world) parse(r *kafka.Record) session.Record {
	w.t.Helper()
	record := session.Record{Offset: r.Offset, Time: r.Time.UnixMilli()}
	if record.Tick, record.Flush = wire.IsTick(r); record.Tick {
		return record
	}
	event, err := w.codec.ParseLifecycle(w.t.Context(), r)
	switch {
	case err != nil:
		// Other tests' records: what they are matters to their own sessions only.
		record.Bad = callback.Bad(callback.ReasonUndecodable, "%v", err)
	case kafka.PartitionForKey(r.Key, partitions) != r.Partition:
		record.Bad = callback.Bad(callback.ReasonMiskeyed, "%s", r.Key)
	default:
		record.Event = event
	}
	return record
}
