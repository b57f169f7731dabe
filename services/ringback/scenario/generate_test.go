package scenario_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fold"
	"github.com/ringback/ringback/pkg/fold/foldtest"
	"github.com/ringback/ringback/services/ringback/scenario"
)

func generate(t *testing.T, g scenario.Generator) ([][]byte, scenario.Counts) {
	t.Helper()
	var file bytes.Buffer
	counts, err := g.Write(&file)
	require.NoError(t, err)
	require.Equal(t, int64(file.Len()), counts.Bytes)
	lines := bytes.Split(bytes.TrimSuffix(file.Bytes(), []byte("\n")), []byte("\n"))
	require.Len(t, lines, counts.Lines())
	return lines, counts
}

// Every generated session ends, with two UserEvents and the disposition that the counts say; fold and reference agree on it.
func TestGeneratedSessionsEndAsCounted(t *testing.T) {
	t.Parallel()
	lines, counts := generate(t, scenario.Generator{Seed: 7, Sessions: 500})
	require.InDelta(t, 10, float64(counts.Events)/float64(counts.Sessions), 1, "events a session")
	parsed(t, lines)

	dispositions := map[string]int{}
	ids, events := sessions(t, lines)
	require.Len(t, ids, counts.Sessions)
	for _, id := range ids {
		got := foldtest.Replay(events[id], defaults, false)
		require.False(t, got.Open)
		require.Len(t, got.UserEvents, 2)
		require.Zero(t, got.AlreadyApplied+got.Conflicts)
		dispositions[got.UserEvents[1].KVPs["_CB_DISPOSITION"].(string)]++
	}
	require.Equal(t, counts.Dispositions, dispositions)
}

func TestGeneratedSessionsFoldAsTheReference(t *testing.T) {
	t.Parallel()
	lines, counts := generate(t, scenario.Generator{Seed: 8, Sessions: 300, Shuffle: 1000, Repeat: 0.3})
	require.Positive(t, counts.Repeated)
	log := records(t, parsed(t, lines))
	log = append(log, tick(log, 0, true))
	effects, err := partition().Process(log, int64(len(log)))
	require.NoError(t, err)
	require.Empty(t, effects.DeadLetters)
	require.Equal(t, int64(counts.Events), effects.Position.Applied)
	require.Equal(t, int64(counts.Repeated), effects.Position.AlreadyApplied)

	latest := map[string]scenario.UserEvent{}
	for _, due := range effects.UserEvents {
		latest[due.What.ServiceID()] = fromUserEvent(&due.What)
	}
	ids, events := sessions(t, lines)
	require.Len(t, latest, len(ids))
	for _, id := range ids {
		replayed := foldtest.Replay(events[id], foldtest.Options(fold.Options{MaxAttempts: 3}), false).UserEvents
		require.Equal(t, userEvent(replayed[len(replayed)-1]), latest[id])
	}
}

func TestGenerateIsDeterministic(t *testing.T) {
	t.Parallel()
	g := scenario.Generator{Seed: 3, Sessions: 200, Shuffle: 50, Repeat: 0.1}
	first, _ := generate(t, g)
	second, _ := generate(t, g)
	require.Equal(t, first, second)
	g.Seed = 4
	other, _ := generate(t, g)
	require.NotEqual(t, first, other)
}

// Shuffled and repeated, the file holds the events that it holds in order of happening.
func TestShuffledFileHoldsTheSameEvents(t *testing.T) {
	t.Parallel()
	inOrder, _ := generate(t, scenario.Generator{Seed: 5, Sessions: 200})
	shuffled, counts := generate(t, scenario.Generator{Seed: 5, Sessions: 200, Shuffle: 100, Repeat: 0.2})
	seen := map[string]int{}
	for _, line := range shuffled {
		seen[string(line)]++
	}
	require.Len(t, seen, len(inOrder))
	for _, line := range inOrder {
		require.Positive(t, seen[string(line)])
		counts.Repeated -= seen[string(line)] - 1
	}
	require.Zero(t, counts.Repeated)
	require.NotEqual(t, inOrder, shuffled[:len(inOrder)])
}

func TestGenerateInOrderOfHappening(t *testing.T) {
	t.Parallel()
	lines, _ := generate(t, scenario.Generator{Seed: 6, Sessions: 300})
	last := int64(0)
	for _, line := range lines {
		e, err := foldtest.ParseLine(line)
		require.NoError(t, err)
		require.GreaterOrEqual(t, e.Time, last)
		last = e.Time
	}
}

func TestGenerateRefusesNonsense(t *testing.T) {
	t.Parallel()
	for _, g := range []scenario.Generator{{Sessions: -1}, {Shuffle: -1}, {Repeat: -0.1}, {Repeat: 1.1}} {
		_, err := g.Write(&bytes.Buffer{})
		require.Error(t, err)
	}
	full := errors.New("disk full")
	_, err := scenario.Generate(1, 10, failing{full})
	require.ErrorIs(t, err, full)
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func BenchmarkGenerate(b *testing.B) {
	for b.Loop() {
		counts, err := scenario.Generate(1, 1000, &bytes.Buffer{})
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(counts.Bytes)
	}
}
