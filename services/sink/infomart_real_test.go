//go:build realkafka && realpostgres

package sink_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/deadletter"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/postgres"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/services/sink"
)

// spied is a store whose calls of Apply a test sees.
type spied struct {
	*postgres.Store
	apply func(context.Context, infomart.Batch, func(context.Context, []infomart.Rejection) error) (infomart.Result, error)
}

func (s *spied) Apply(ctx context.Context, b infomart.Batch, before func(context.Context, []infomart.Rejection) error) (infomart.Result, error) {
	return s.apply(ctx, b, before)
}

// Invariants 2, 4, 5 and 9: good records, undecodable ones and those without a mandatory KVP, while the
// dead-letter topic is away. Until each letter is written neither rows nor position are there; then each
// record has ended one way, and each letter has been written once.
func TestRealDeadLettersBeforeThePosition(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	var recs []kafka.Record
	for i := range 60 {
		recs = append(recs, w.userEvent(fmt.Sprint("s", i), 1))
	}
	recs[10], recs[20] = garbage(recs[10]), garbage(recs[20])
	recs[30], recs[40] = w.record("short", 1, incomplete), w.record("short", 2, incomplete)
	w.write(recs...)
	// Unequal numbers: a sink that passes over the refusal of one kind must not be held up for as long by the other.
	refusals := map[callback.Reason]int{callback.ReasonUndecodable: 3, callback.ReasonMissingKVP: 1}
	w.letters.fail = func(letters []*callback.DeadLetter) error {
		reason := letters[0].Reason
		if refusals[reason] == 0 {
			return nil
		}
		refusals[reason]--
		if _, moved := w.position(sink.Infomart); moved {
			t.Error("invariant 4: the position moves with its effects, not before")
		}
		if n := w.counts().Facts; n > 0 {
			t.Errorf("%d facts are there before the letters", n)
		}
		return fault.Outagef("the dead-letter topic is away")
	}
	m := w.runInfomart(w.facts)
	w.done(m)

	c := balanced(t, m)
	require.Equal(t, map[callback.Reason]int64{callback.ReasonUndecodable: 2, callback.ReasonMissingKVP: 2}, c.Reasons)
	require.Equal(t, int64(56), c.Applied)
	rows := w.counts()
	require.Equal(t, int64(56), rows.Facts)
	require.Equal(t, int64(4), rows.Discards)
	ids := map[string]*callback.DeadLetter{}
	for _, d := range w.allLetters() {
		require.NotContains(t, ids, d.ID(), "written once")
		ids[d.ID()] = d
	}
	require.Len(t, ids, 4)
	for _, offset := range []int{10, 20, 30, 40} {
		d := ids[fmt.Sprintf("infomart/%s/0/%d", topic.UserEvents, offset)]
		require.NotNil(t, d, "offset %d", offset)
		if d.Reason == callback.ReasonMissingKVP { // invariant 9
			require.Equal(t, []string{"_CB_D_CALLBACK_OFFER", "_CB_T_CALLBACK_OFFERED"}, d.Missing)
		}
	}
	require.Equal(t, map[callback.Reason]int{callback.ReasonUndecodable: 0, callback.ReasonMissingKVP: 0}, refusals)
}

// Invariant 2: a store that loses a record is found out before the sink goes on.
func TestRealLostRecordIsFoundOut(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	w.write(w.services("s", 3)...)
	m := w.runInfomart(&spied{w.facts, func(ctx context.Context, b infomart.Batch, before func(context.Context, []infomart.Rejection) error) (infomart.Result, error) {
		result, err := w.facts.Apply(ctx, b, before)
		result.Applied--
		return result, err
	}})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.ErrorContains(t, m.WaitFor(ctx, topic.UserEvents, map[int32]int64{0: w.end()}), "invariant 2 broken: of 3 records")
}

// Invariant 4: the position is the next offset to fetch, past the markers and the aborted records.
func TestRealPositionIsPastMarkers(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	tx, err := w.client.NewTransactor(t.Context(), w.prefix+"tx")
	require.NoError(t, err)
	recs := w.services("s", 2)
	for i := range recs {
		recs[i].Topic = w.prefix + recs[i].Topic
	}
	require.NoError(t, tx.Commit(t.Context(), kafka.Txn{Records: recs}))
	require.Eventually(t, func() bool { return w.end() == 3 }, 10*time.Second, time.Millisecond, "the marker is written after the commit is answered")
	m := w.runInfomart(w.facts)
	w.done(m)
	pos, _ := w.position(sink.Infomart)
	require.Equal(t, int64(3), pos.Next)
	require.Equal(t, int64(1), pos.LastOffset)
}

// Invariant 5: an owner that comes late, with its first batch or a later one, writes nothing; it joins the
// group again and goes on from where the other one got to.
func TestRealFormerOwnerLoses(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	overtake, late := true, []error{}
	m := w.runInfomart(&spied{w.facts, func(ctx context.Context, b infomart.Batch, before func(context.Context, []infomart.Rejection) error) (infomart.Result, error) {
		overtaken := overtake
		if overtaken {
			overtake = false
			if _, err := w.facts.Apply(ctx, b, before); err != nil {
				t.Error(err)
			}
		}
		result, err := w.facts.Apply(ctx, b, before)
		if overtaken {
			late = append(late, err)
		}
		return result, err
	}})
	for round := range 2 {
		w.write(w.userEvent(fmt.Sprint("s", round), 1))
		w.done(m)
		require.Len(t, late, round+1)
		require.ErrorIs(t, late[round], infomart.ErrPositionMoved)
		overtake = true
	}
	require.Equal(t, 2.0, metric(t, m, "ringback_sink_rejoins_total"))
	require.Equal(t, int64(2), w.counts().Facts)
}

// Invariant 5: records that are read again change nothing, dead letters and custom data included.
func TestRealRedeliveryChangesNothing(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	w.write(append(w.services("s", 20), w.record("short", 1, incomplete))...)
	m := w.runInfomart(w.facts)
	w.done(m)
	require.NoError(t, m.stop())
	before := w.counts()
	w.exec("DELETE FROM RINGBACK_POSITION")
	m = w.runInfomart(w.facts)
	w.done(m)
	c := balanced(t, m)
	require.Equal(t, int64(20), c.AlreadyApplied)
	require.Equal(t, int64(1), c.DeadLettered, "its letter again, by the same id")
	after := w.counts()
	require.Equal(t, before.Facts, after.Facts)
	require.Equal(t, before.CustomData, after.CustomData)
	require.Equal(t, before.Discards, after.Discards)
	letters := w.allLetters()
	require.Len(t, letters, 2)
	require.Equal(t, letters[0].ID(), letters[1].ID())
}

// Invariant 6: what comes late is older whatever it says, and the newest row alone is final.
func TestRealOlderRevisionNeverReplaces(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	m := w.runInfomart(w.facts)
	for _, step := range []struct {
		sequence int32
		finals   map[int64]int64
	}{
		{2, map[int64]int64{2: 1}},
		{1, map[int64]int64{1: 0, 2: 1}},
		{3, map[int64]int64{1: 0, 2: 0, 3: 1}},
	} {
		w.write(w.record("s", step.sequence, final))
		w.done(m)
		facts, err := w.facts.Facts(t.Context(), "s")
		require.NoError(t, err)
		finals, newest := map[int64]int64{}, int64(0)
		for _, row := range facts {
			finals[row["EVENT_SEQUENCE"].(int64)] = row["FINAL_RECORD"].(int64)
			newest = max(newest, row["EVENT_SEQUENCE"].(int64))
		}
		require.Equal(t, step.finals, finals)
		latest, _, err := w.facts.Latest(t.Context(), "s")
		require.NoError(t, err)
		require.Equal(t, newest, latest["EVENT_SEQUENCE"])
	}
}

// Invariant 7: a topic that turns all bad pauses before more than half of its records are dead letters, and
// a restart does not forget.
func TestRealPoisonPauses(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	recs := w.services("s", 120)
	for i := 20; i < len(recs); i++ {
		recs[i] = garbage(recs[i])
	}
	w.write(recs...)
	for range 2 {
		m := w.runInfomart(w.facts)
		require.Eventually(t, func() bool {
			err := m.Ready()
			return m.Counts().DeadLettered > 29 || err != nil && strings.Contains(err.Error(), "paused at offset 49")
		}, 20*time.Second, time.Millisecond)
		pos, _ := w.position(sink.Infomart)
		require.Equal(t, int64(49), pos.Next, "with 30 of 50 bad, the 50th is not dead-lettered")
		require.Len(t, w.allLetters(), 29)
		require.NoError(t, m.stop())
	}
	m := w.runInfomart(w.facts)
	require.Eventually(t, func() bool { return m.Accept(topic.UserEvents, 0, 119) == nil }, 20*time.Second, time.Millisecond)
	w.done(m)
	require.Len(t, w.allLetters(), 100)
}

// Invariant 7: while the registry is away a schema id that is not known is no bad data, nor is it at once
// when the registry is back.
func TestRealRegistryAwayIsNoBadData(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	unknown := w.userEvent("u", 1)
	binary.BigEndian.PutUint32(unknown.Value[1:], 4711)
	w.write(w.userEvent("s", 1), unknown, w.userEvent("t", 1))
	w.away.Store(true)
	patience := time.Hour
	start := func() *member {
		return w.run(func(cfg sink.Config, d sink.Deps) (*sink.Sink, error) {
			cfg.Group, cfg.UnknownSchemaWait = w.group(sink.Infomart), patience
			return sink.NewInfomart(cfg, w.facts, d)
		})
	}
	m := start()
	says := func(part string) {
		t.Helper()
		require.Eventually(t, func() bool {
			err := m.Ready()
			return m.Counts().DeadLettered > 0 || err != nil && strings.Contains(err.Error(), part)
		}, 20*time.Second, time.Millisecond)
		require.Empty(t, w.allLetters())
		pos, _ := w.position(sink.Infomart)
		require.Equal(t, int64(1), pos.Next, "what comes before it does not wait")
	}
	says("status 503")
	w.away.Store(false)
	says("the registry does not know schema id 4711 of offset 1; retried for another")
	require.NoError(t, m.stop())
	patience = 0
	m = start()
	w.done(m)
	letters := w.allLetters()
	require.Len(t, letters, 1)
	require.Equal(t, callback.ReasonUnknownSchema, letters[0].Reason)
	require.Equal(t, deadletter.Infomart, letters[0].Component)
	require.Equal(t, int64(2), w.counts().Facts)
}
