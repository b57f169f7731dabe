package session

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A store is a map, whatever is done to it, and does not keep more than a fifth of dead bytes.
func TestStoreIsAMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := newStore()
		if rapid.Bool().Draw(t, "collide") {
			s.hash = func(id string) uint64 { return uint64(len(id) % 2) }
		}
		want := map[string][]byte{}
		ids := rapid.SliceOfN(rapid.StringN(0, 8, 40), 1, 30).Draw(t, "ids")
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			id := rapid.SampledFrom(ids).Draw(t, "id")
			slot, found := s.find(id)
			_, known := want[id]
			require.Equal(t, known, found)
			if found && rapid.IntRange(0, 4).Draw(t, "remove") == 0 {
				s.remove(slot)
				delete(want, id)
				continue
			}
			size := rapid.SampledFrom([]int{0, 1, 100, 5000, pageSize - 1, pageSize, 3 * pageSize}).Draw(t, "size")
			encoded := make([]byte, size)
			for i := range encoded {
				encoded[i] = byte(len(want) + i)
			}
			if found {
				s.put(slot, id, encoded)
			} else {
				s.add(id, encoded)
			}
			want[id] = encoded
			require.LessOrEqual(t, s.used-s.live, max(s.used/5, minUnused)+4*pageSize, "what the last page holds cannot be moved")
		}
		var have []string
		bytes := 0
		for slot := range s.all {
			id, encoded := s.get(slot)
			require.Equal(t, want[string(id)], slices.Clone(encoded))
			have = append(have, string(id))
			bytes += len(encoded)
		}
		require.ElementsMatch(t, slices.Collect(maps.Keys(want)), have)
		require.Equal(t, bytes, s.encoded)
	})
}

// Each session has one deadline in the heap however often it moves, and none once it is gone.
func TestTimersHaveOneEntryForEachSession(t *testing.T) {
	t.Parallel()
	p := NewPartition(Rules{}, 0)
	state := func(due int64) []byte { return (&State{DueAt: due, NextSequence: 1}).Append(nil) }
	for round := range int64(50) {
		for i := range 20 {
			require.NoError(t, p.Restore(fmt.Sprint(i), state(1000-round*int64(i%3)+round*int64(i%2))))
		}
		require.Len(t, p.timers.heap, 20)
	}
	least, _ := p.NextDue()
	require.EqualValues(t, 1000-49*2, least)
	for i := range 20 {
		require.NoError(t, p.Restore(fmt.Sprint(i), nil))
		require.Len(t, p.timers.heap, 19-i)
	}
	require.Zero(t, p.Sessions())
	require.LessOrEqual(t, p.held.used, minUnused)
}

// A closed marker is at most 64 bytes, whatever the session was.
func TestAMarkerIsSmall(t *testing.T) {
	t.Parallel()
	marker := State{ClosedAt: 1 << 42, DueAt: 1 << 43, NextSequence: 1<<31 - 1}
	require.LessOrEqual(t, len(marker.Append(nil)), 64)
}
