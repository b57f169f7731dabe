package kafka

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func groupMember(id string, generation int32, topics []string, owned map[string][]int) kafkago.GroupMember {
	data, err := json.Marshal(claims{Generation: generation, Partitions: owned})
	if err != nil {
		panic(err)
	}
	return kafkago.GroupMember{ID: id, Topics: topics, UserData: data}
}

func topicPartitions(name string, n int) []kafkago.Partition {
	var ps []kafkago.Partition
	for i := range n {
		ps = append(ps, kafkago.Partition{Topic: name, ID: i})
	}
	return ps
}

func TestStickyAssignment(t *testing.T) {
	t.Parallel()
	both := []string{"t"}
	for _, tc := range []struct {
		name    string
		members []kafkago.GroupMember
		want    map[string][]int
	}{
		{"the first member", []kafkago.GroupMember{groupMember("a", 0, both, nil)}, map[string][]int{"a": {0, 1, 2, 3, 4, 5}}},
		{"a second joins", []kafkago.GroupMember{
			groupMember("b", 0, both, nil), groupMember("a", 1, both, map[string][]int{"t": {0, 1, 2, 3, 4, 5}}),
		}, map[string][]int{"a": {0, 1, 2}, "b": {5, 4, 3}}},
		{"one has left", []kafkago.GroupMember{
			groupMember("a", 2, both, map[string][]int{"t": {0, 1}}), groupMember("c", 2, both, map[string][]int{"t": {4, 5}}),
		}, map[string][]int{"a": {0, 1, 2}, "c": {4, 5, 3}}},
		{"nothing changes", []kafkago.GroupMember{
			groupMember("a", 2, both, map[string][]int{"t": {5, 1, 3}}), groupMember("c", 2, both, map[string][]int{"t": {0, 2, 4}}),
		}, map[string][]int{"a": {1, 3, 5}, "c": {0, 2, 4}}},
		{"of two claims the later counts", []kafkago.GroupMember{
			groupMember("zombie", 3, both, map[string][]int{"t": {0, 1, 2}}), groupMember("owner", 7, both, map[string][]int{"t": {0, 1, 2, 3}}),
		}, map[string][]int{"owner": {0, 1, 2}, "zombie": {4, 5, 3}}},
		{"claims that cannot be read", []kafkago.GroupMember{
			{ID: "a", Topics: both, UserData: []byte("garbage")}, groupMember("b", 1, both, map[string][]int{"t": {3, 4, 5}}),
		}, map[string][]int{"a": {0, 1, 2}, "b": {3, 4, 5}}},
		{"partitions that are gone", []kafkago.GroupMember{groupMember("a", 1, both, map[string][]int{"t": {0, 99}, "gone": {1}})}, map[string][]int{"a": {0, 1, 2, 3, 4, 5}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := (&stickyBalancer{}).AssignGroups(tc.members, topicPartitions("t", 6))
			require.Len(t, got, len(tc.want))
			for id, want := range tc.want {
				require.ElementsMatch(t, want, got[id]["t"], id)
			}
		})
	}
}

// Every partition has one owner that has subscribed to it; shares are even; a second balancing of what
// came out changes nothing; and no more moves than evenness asks for.
func TestStickyProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		topics := []string{"a", "b", "c"}[:rapid.IntRange(1, 3).Draw(rt, "topics")]
		var partitions []kafkago.Partition
		for _, name := range topics {
			partitions = append(partitions, topicPartitions(name, rapid.IntRange(1, 12).Draw(rt, "partitions"))...)
		}
		n := rapid.IntRange(1, 6).Draw(rt, "members")
		var members []kafkago.GroupMember
		for i := range n {
			owned := map[string][]int{}
			for _, p := range partitions {
				if rapid.IntRange(0, n).Draw(rt, "owns") == 0 {
					owned[p.Topic] = append(owned[p.Topic], p.ID)
				}
			}
			members = append(members, groupMember(fmt.Sprint("m", i), rapid.Int32Range(0, 3).Draw(rt, "generation"), topics, owned))
		}
		var balancer stickyBalancer
		got := balancer.AssignGroups(members, partitions)
		shares := checkAssignment(rt, got, members, partitions)
		if slices.Max(shares)-slices.Min(shares) > 1 {
			rt.Fatalf("uneven: %v", shares)
		}
		for _, name := range topics {
			var of []int
			for _, m := range members {
				of = append(of, len(got[m.ID][name]))
			}
			if slices.Max(of)-slices.Min(of) > 1 {
				rt.Fatalf("uneven in topic %s: %v", name, of)
			}
		}

		again := slices.Clone(members)
		for i, m := range again {
			again[i] = groupMember(m.ID, 9, topics, got[m.ID])
		}
		for id, want := range got {
			for topic, ps := range want {
				if !slices.Equal(sorted(ps), sorted(balancer.AssignGroups(again, partitions)[id][topic])) {
					rt.Fatalf("%s: moved without need", id)
				}
			}
		}

		// One more joins: it takes its share, and of one topic nobody else gets anything. With several a partition may
		// move between two others, so that topics and the whole are even: at most one of each topic and member.
		joined := balancer.AssignGroups(append(again, groupMember("new", 0, topics, nil)), partitions)
		others := 0
		for id, has := range joined {
			for topic, ps := range has {
				for _, p := range ps {
					if id != "new" && !slices.Contains(got[id][topic], p) {
						others++
					}
				}
			}
		}
		if most := (len(topics) - 1) * n; others > most {
			rt.Fatalf("%d partitions moved between others, of at most %d, though only one has joined", others, most)
		}
	})
}

func checkAssignment(rt *rapid.T, got kafkago.GroupMemberAssignments, members []kafkago.GroupMember, partitions []kafkago.Partition) (shares []int) {
	owner := map[assignment]string{}
	for _, m := range members {
		n := 0
		for topic, ps := range got[m.ID] {
			for _, p := range ps {
				if former, ok := owner[assignment{topic, p}]; ok {
					rt.Fatalf("%s[%d] belongs to %s and %s", topic, p, former, m.ID)
				}
				if !slices.Contains(m.Topics, topic) {
					rt.Fatalf("%s[%d] belongs to %s, which has not subscribed", topic, p, m.ID)
				}
				owner[assignment{topic, p}] = m.ID
				n++
			}
		}
		shares = append(shares, n)
	}
	if len(owner) != len(partitions) {
		rt.Fatalf("%d of %d partitions have an owner", len(owner), len(partitions))
	}
	return shares
}

func sorted(ps []int) []int {
	ps = slices.Clone(ps)
	slices.Sort(ps)
	return ps
}

// Members of different subscriptions each get only what they asked for.
func TestStickySubscriptions(t *testing.T) {
	t.Parallel()
	got := (&stickyBalancer{}).AssignGroups([]kafkago.GroupMember{
		groupMember("a", 1, []string{"x"}, map[string][]int{"x": {0}, "y": {0, 1}}),
		groupMember("b", 1, []string{"x", "y"}, nil),
		groupMember("c", 1, []string{"z"}, nil),
	}, append(topicPartitions("x", 3), topicPartitions("y", 2)...))
	require.ElementsMatch(t, []int{0, 1, 2}, append(got["a"]["x"], got["b"]["x"]...))
	require.ElementsMatch(t, []int{0, 1}, got["b"]["y"])
	require.Empty(t, got["a"]["y"])
	require.Empty(t, got["c"])
	require.Contains(t, got["a"]["x"], 0)
}
