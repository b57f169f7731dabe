package oracle_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/integration/chaos/oracle"
	"github.com/ringback/ringback/integration/process/load"
	"github.com/ringback/ringback/pkg/callback"
	embedded "github.com/ringback/ringback/pkg/embedded/registry"
	"github.com/ringback/ringback/pkg/infomart/sqlite"
	"github.com/ringback/ringback/pkg/intake"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/session"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
	"github.com/ringback/ringback/services/ringback/scenario"
)

const partitions = 2

// sound is a run of which nothing was lost.
type sound struct {
	codec      *wire.Codec
	accepted   []load.Accepted
	lifecycle  *oracle.Topic
	userEvents *oracle.Topic
	x          *oracle.Expected
}

func newSound(t *testing.T) *sound {
	t.Helper()
	server, err := embedded.Start(embedded.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	client, err := registry.New(registry.Config{URL: server.URL()})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	s := &sound{lifecycle: &oracle.Topic{Name: topic.Lifecycle, Partitions: make([][]kafka.Record, partitions), Ends: make([]int64, partitions)}}
	s.codec, err = wire.New(context.Background(), client)
	require.NoError(t, err)

	var file bytes.Buffer
	_, err = scenario.Generate(3, 40, &file)
	require.NoError(t, err)
	now := time.UnixMilli(time.Now().UnixMilli())
	for line := range bytes.Lines(file.Bytes()) {
		line = bytes.TrimSpace(line)
		e, refusal := intake.Parse(line, now)
		require.Nil(t, refusal)
		r, err := s.codec.Lifecycle(e)
		require.NoError(t, err)
		r.Partition = kafka.PartitionForKey(r.Key, partitions)
		r.Offset, r.Time = s.lifecycle.Ends[r.Partition], now
		s.lifecycle.Ends[r.Partition]++
		s.lifecycle.Partitions[r.Partition] = append(s.lifecycle.Partitions[r.Partition], r)
		s.accepted = append(s.accepted, load.Accepted{Event: load.Event{Subject: e.Subject, Line: slices.Clone(line)}, Partition: r.Partition, Offset: r.Offset})
	}
	for n := range s.lifecycle.Partitions { // what is pending becomes due
		tick := wire.Tick(int32(n), true)
		tick.Offset, tick.Time = s.lifecycle.Ends[n], now
		s.lifecycle.Ends[n]++
		s.lifecycle.Partitions[n] = append(s.lifecycle.Partitions[n], tick)
	}
	s.x = s.replay(t)
	s.userEvents = &oracle.Topic{Name: topic.UserEvents}
	for _, records := range s.x.UserEvents {
		there := slices.Clone(records)
		for i := range there {
			there[i].Offset = int64(i)
		}
		s.userEvents.Partitions = append(s.userEvents.Partitions, there)
	}
	return s
}

func (s *sound) replay(t *testing.T) *oracle.Expected {
	t.Helper()
	x, err := oracle.Replay(context.Background(), s.lifecycle, s.lifecycle.Ends, session.Rules{}, s.codec)
	require.NoError(t, err)
	return x
}

// findings makes the checks that need no real part.
func (s *sound) findings(t *testing.T) []string {
	t.Helper()
	f := &oracle.Findings{}
	require.NoError(t, f.Accepted(s.accepted, s.x))
	f.Same(s.userEvents, s.x.UserEvents)
	f.Sequences(s.userEvents)
	last := map[string]*callback.UserEvent{}
	for _, records := range s.userEvents.Partitions {
		for i := range records {
			u, err := s.codec.ParseUserEvent(context.Background(), &records[i])
			require.NoError(t, err)
			last[u.ServiceID()] = u
		}
	}
	count := f.Fold(s.lifecycle, s.lifecycle.Ends, s.x, last, nil)
	require.Equal(t, 40, count.Sessions)
	_, err := f.Letters(context.Background(), &oracle.Topic{Name: topic.DeadLetters, Partitions: make([][]kafka.Record, partitions)}, s.x, s.userEvents, s.codec)
	require.NoError(t, err)
	return f.List()
}

func TestNothingToFind(t *testing.T) {
	t.Parallel()
	require.Empty(t, newSound(t).findings(t))
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
	whole, same := open("whole.db"), open("same.db")
	p := s.userEvents.Partitions[0]
	s.userEvents.Partitions[0] = p[:len(p)-1]
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
