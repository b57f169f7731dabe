package oracle_test

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/integration/chaos/oracle"
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/sqlite"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/wire"
)

func TestNothingToFind(t *testing.T) {
	t.Parallel()
	s := newSound(t)
	require.Empty(t, s.findings(t))
	require.Equal(t, s.userEvents.Records()+s.attached.Records(), s.sends.Distributed)
	require.Positive(t, s.attached.Records())
	require.Equal(t, 1, s.dead.ByReason["enricher NOT_A_CLOUDEVENT"])
	require.Positive(t, s.dead.ByReason["infomart MISSING_MANDATORY_KVP"])
}

// Whatever goes wrong is found.
func TestFinds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		harm  func(*testing.T, *sound)
		found string
	}{
		"an accepted event that is lost": {func(t *testing.T, s *sound) {
			r := &s.lifecycle.Partitions[0][5]
			*r = wire.Tick(0, false)
			r.Offset, r.Time = 5, time.Now()
			s.x = s.replay(t)
		}, "accepted events are in the log: event"},
		"an event that nobody sent": {func(_ *testing.T, s *sound) { s.accepted = s.accepted[1:] }, "events of the log were sent: "},
		"a UserEvent that is lost": {func(_ *testing.T, s *sound) {
			s.userEvents.Partitions[1] = slices.Delete(s.userEvents.Partitions[1], 4, 5)
		}, "byte for byte: partition 1, record 4"},
		"a UserEvent twice": {func(_ *testing.T, s *sound) {
			s.userEvents.Partitions[0] = slices.Insert(s.userEvents.Partitions[0], 3, s.userEvents.Partitions[0][2])
		}, "EVENT_SEQUENCE counts from 1 without a gap: service"},
		"two UserEvents in the wrong order": {func(_ *testing.T, s *sound) {
			p := s.userEvents.Partitions[0]
			p[2], p[3] = p[3], p[2]
		}, "byte for byte: partition 0, record 2"},
		"another timestamp": {func(_ *testing.T, s *sound) {
			r := &s.userEvents.Partitions[0][1]
			r.Time = r.Time.Add(time.Millisecond)
		}, "byte for byte: partition 0, record 1"},
		"another header": {func(_ *testing.T, s *sound) {
			r := &s.userEvents.Partitions[0][0]
			r.Headers = append(slices.Clone(r.Headers), kafka.Header{Key: "more"})
		}, "byte for byte: partition 0, record 0"},
		"another value than the reference's": {func(t *testing.T, s *sound) {
			p := s.userEvents.Partitions[0]
			u, err := s.codec.ParseUserEvent(context.Background(), &p[len(p)-1])
			require.NoError(t, err)
			u.KVPs.SetInt(callback.KeyDCallbackOffer, 4711, -1)
			changed, err := s.codec.UserEvent(u)
			require.NoError(t, err)
			p[len(p)-1].Value = changed.Value
		}, "the last UserEvent is what the reference folds: service"},
		"a conflict with nothing": {func(_ *testing.T, s *sound) {
			s.x.Letters["enricher/callback.lifecycle.v1/0/0"] = oracle.Letter{Reason: callback.ReasonConflict}
		}, "CONFLICT follows from the log: enricher/callback.lifecycle.v1/0/0 is dead-lettered as CONFLICT, and the log holds no other"},
		"a conflict that passes": {func(_ *testing.T, s *sound) {
			maps.DeleteFunc(s.x.Letters, func(_ string, l oracle.Letter) bool { return l.Reason == callback.ReasonConflict })
		}, "has another content than the first event of that id, and is not dead-lettered as CONFLICT"},
		"a dead letter that is missing": {func(_ *testing.T, s *sound) {
			s.x.Letters["enricher/x/0/1"] = oracle.Letter{Reason: callback.ReasonLate}
		}, "dead letters are the expected ones: enricher/x/0/1 is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSound(t)
			c.harm(t, s)
			require.Contains(t, strings.Join(s.findings(t), "\n"), c.found)
		})
	}
}

// Two stores that were filled from different UserEvents differ; from the same ones, they do not.
func TestStores(t *testing.T) {
	t.Parallel()
	ctx, s := context.Background(), newSound(t)
	open := func(name string) *sqlite.Reader {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, oracle.Fill(ctx, path, s.userEvents, s.codec))
		r, err := sqlite.OpenReader(ctx, sqlite.Config{Path: path})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, r.Close()) })
		return r
	}
	write(s.userEvents, 1, kafka.Record{Key: []byte("spoilt"), Value: []byte("x")}) // it is set aside
	whole, same := open("whole.db"), open("same.db")
	p := s.userEvents.Partitions[0]
	s.userEvents.Partitions[0] = p[:len(p)-1]
	s.userEvents = s.userEvents.Without("spoilt")
	short := open("short.db")

	f := &oracle.Findings{}
	facts, err := f.Stores(ctx, same, whole)
	require.NoError(t, err)
	require.Empty(t, f.List())
	require.Positive(t, facts)
	_, err = f.Stores(ctx, short, whole)
	require.NoError(t, err)
	require.Contains(t, strings.Join(f.List(), "\n"), "CALLBACK_FACT with its dimensions: service")
	require.Contains(t, strings.Join(f.List(), "\n"), "G_CUSTOM_DATA_S: service")
	require.Contains(t, strings.Join(f.List(), "\n"), "STG_TRANSFORM_DISCARDS: service spoilt at callback.userevents.v1/1/")
}

// twice is a store that has the rows of one kind twice, and says that it is not sound.
type twice struct {
	oracle.Reader
	what string
}

func (r twice) Rows(ctx context.Context, statement string, args ...any) iter.Seq2[infomart.Row, error] {
	return repeated(r.Reader.Rows(ctx, statement, args...), r.what == "facts")
}

func (r twice) Discards(ctx context.Context) iter.Seq2[infomart.Row, error] {
	return repeated(r.Reader.Discards(ctx), r.what == "discards")
}

func (r twice) AllCustomData(ctx context.Context) iter.Seq2[infomart.CustomData, error] {
	return repeated(r.Reader.AllCustomData(ctx), r.what == "custom data")
}

func (r twice) Check(context.Context) (infomart.Check, error) {
	return infomart.Check{DanglingKeys: 1}, nil
}

func repeated[V any](all iter.Seq2[V, error], twice bool) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		for v, err := range all {
			if !yield(v, err) || twice && !yield(v, err) {
				return
			}
		}
	}
}

func TestFindsRowsTwice(t *testing.T) {
	t.Parallel()
	ctx, s := context.Background(), newSound(t)
	path := filepath.Join(t.TempDir(), "store.db")
	require.NoError(t, oracle.Fill(ctx, path, s.userEvents, s.codec))
	r, err := sqlite.OpenReader(ctx, sqlite.Config{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	for what, found := range map[string]string{
		"facts": "has two facts", "discards": "has two discards", "custom data": "G_CUSTOM_DATA_S has it twice", "": "the store is sound: ",
	} {
		f := &oracle.Findings{}
		_, err = f.Stores(ctx, twice{r, what}, r)
		require.NoError(t, err)
		require.Contains(t, strings.Join(f.List(), "\n"), found)
	}
}

func TestFindingsAreCountedAndCut(t *testing.T) {
	t.Parallel()
	f := &oracle.Findings{}
	add := f.Check("numbers")
	for n := range 25 {
		add("%d", n)
	}
	require.Len(t, f.List(), 21)
	require.Equal(t, "numbers: 25 in all", f.List()[20])
	names, counts := f.Checks()
	require.Equal(t, []string{"numbers"}, names)
	require.Equal(t, 25, counts["numbers"], fmt.Sprint(counts))
}

func TestNothingComparedIsAFinding(t *testing.T) {
	t.Parallel()
	f := &oracle.Findings{}
	f.Compared(map[string]int{"facts": 3, "dead letters": 0})
	require.Equal(t, []string{"every check had something to compare: dead letters: none"}, f.List())
}
