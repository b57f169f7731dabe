package kvlist_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/kvlist"
)

// listOf makes a list of that many strings, integers and empty lists, whose keys and string values have that many
// bytes together.
func listOf(strs, ints, lists, bytes int) []kvlist.Pair {
	var pairs []kvlist.Pair
	left := bytes
	key := func() string {
		left--
		return "k"
	}
	for range strs {
		pairs = append(pairs, kvlist.Str(key(), ""))
	}
	for range ints {
		pairs = append(pairs, kvlist.Int(key(), 115))
	}
	for range lists {
		pairs = append(pairs, kvlist.Pair{Key: key(), Kind: kvlist.List})
	}
	pairs[len(pairs)-1].Key += strings.Repeat("x", left)
	return pairs
}

// The sizes are those that published T-Server logs print beside lists whose whole contents they show; G is the guide's
// example, where the sequence is an integer and the blank values are empty.
func TestSizeIsWhatPublishedLogsPrint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		pairs []kvlist.Pair
		size  int
	}{
		{"A: RequestAttachUserData", listOf(1, 0, 0, 27), 34},
		{"B: AttributeReason", []kvlist.Pair{kvlist.Int("RTR", 115)}, 14},
		{"C: RequestUpdateUserData", listOf(19, 0, 1, 455), 561},
		{"D: AttributeExtensions", listOf(7, 0, 0, 157), 194},
		{"E: a list of three strings", []kvlist.Pair{{Key: "list", Kind: kvlist.List, List: listOf(3, 0, 0, 119)}}, 149},
		{"F: AttributeUserData", listOf(20, 1, 1, 478), 598},
		{"G: the guide's example", []kvlist.Pair{
			kvlist.Str("gms_AgentAvailable", "1348817660755"),
			kvlist.Str("gms_AgentConnected", ""),
			kvlist.Str("gms_IxnCompleted", ""),
			kvlist.Str("gms_ServiceName", "inbound-delay"),
			kvlist.Str("gms_ServiceStartAt", "1348817660553"),
			kvlist.Str("gms_ServiceStoppedAt", ""),
			kvlist.Int("gms_SessionEventSeq", 0),
			kvlist.Str("gms_SessionId", "65UA6ISSJH76R340BNDQ2DG0DG000036"),
			kvlist.Str("gms_UserConnected", ""),
			kvlist.Str("gms_UserId", ""),
			kvlist.Str("gms_WaitingForAgent", "1348817660744"),
			kvlist.Str("gms_externalId", ""),
		}, 347},
		{"empty", nil, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.size, kvlist.Size(c.pairs))
		})
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pair kvlist.Pair
		text string
	}{
		"string":  {kvlist.Str("k", "a b"), "a b"},
		"integer": {kvlist.Int("k", -7), "-7"},
		"list":    {kvlist.Pair{Key: "k", Kind: kvlist.List, List: []kvlist.Pair{kvlist.Str("a", "b")}}, ""},
	} {
		require.Equal(t, c.text, c.pair.Text(), name)
	}
}
