package kafka

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	kafkago "github.com/segmentio/kafka-go"
)

// stickyBalancer assigns partitions so that members differ by at most one, in each topic and in all of them together
// (one topic may have all the work), and as many as possible stay where they are: a partition that moves costs a
// restore of its state. Each member brings what it owned last, and the leader of the group decides from that alone.
type stickyBalancer struct {
	mu    sync.Mutex
	owned claims
}

// claims is what a member brings to a rebalance.
type claims struct {
	Generation int32            `json:"generation"`
	Partitions map[string][]int `json:"partitions"`
}

// owns notes what this member has been assigned.
func (s *stickyBalancer) owns(gen *kafkago.Generation) {
	owned := claims{Generation: gen.ID, Partitions: map[string][]int{}}
	for topic, assignments := range gen.Assignments {
		for _, a := range assignments {
			owned.Partitions[topic] = append(owned.Partitions[topic], a.ID)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owned = owned
}

// ProtocolName names the protocol that all members of a group must speak.
func (s *stickyBalancer) ProtocolName() string { return "ringback-sticky" }

// UserData is what this member brings to the next rebalance.
func (s *stickyBalancer) UserData() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return json.Marshal(s.owned)
}

type assignment struct {
	topic     string
	partition int
}

// load is one member's share while it is being made up.
type load struct {
	id     string
	topics map[string]bool
	claims claims
	has    []assignment
}

// AssignGroups makes up the next generation. It depends on its arguments only.
func (s *stickyBalancer) AssignGroups(members []kafkago.GroupMember, partitions []kafkago.Partition) kafkago.GroupMemberAssignments {
	loads := make([]*load, 0, len(members))
	for _, m := range members {
		l := &load{id: m.ID, topics: map[string]bool{}}
		for _, t := range m.Topics {
			l.topics[t] = true
		}
		if json.Unmarshal(m.UserData, &l.claims) != nil {
			l.claims = claims{} // it owned nothing that can be known
		}
		loads = append(loads, l)
	}
	slices.SortFunc(loads, func(a, b *load) int { return cmp.Compare(a.id, b.id) })

	owner := owners(loads)
	var free []assignment
	for _, p := range sortedPartitions(partitions) {
		if l := owner[p]; l != nil && l.topics[p.topic] {
			l.has = append(l.has, p)
		} else {
			free = append(free, p)
		}
	}
	for _, p := range free {
		if l := lightest(loads, p.topic); l != nil {
			l.has = append(l.has, p)
		}
	}
	level(loads)

	out := kafkago.GroupMemberAssignments{}
	for _, l := range loads {
		out[l.id] = map[string][]int{}
		for _, p := range l.has {
			out[l.id][p.topic] = append(out[l.id][p.topic], p.partition)
		}
	}
	return out
}

// owners finds who owned what. Of two claims the one of the later generation counts: the other is
// of a member that was put out and has come back.
func owners(loads []*load) map[assignment]*load {
	owner := map[assignment]*load{}
	for _, l := range loads {
		for topic, partitions := range l.claims.Partitions {
			for _, n := range partitions {
				p := assignment{topic, n}
				if o := owner[p]; o == nil || o.claims.Generation < l.claims.Generation {
					owner[p] = l
				}
			}
		}
	}
	return owner
}

func sortedPartitions(partitions []kafkago.Partition) []assignment {
	all := map[assignment]bool{}
	for _, p := range partitions {
		all[assignment{p.Topic, p.ID}] = true
	}
	return slices.SortedFunc(maps.Keys(all), func(a, b assignment) int {
		return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition))
	})
}

// lightest is who has the fewest partitions of the topic, and of those the fewest in all.
func lightest(loads []*load, topic string) *load {
	var least *load
	for _, l := range loads {
		if l.topics[topic] && (least == nil || cmp.Or(cmp.Compare(l.of(topic), least.of(topic)), cmp.Compare(len(l.has), len(least.has))) < 0) {
			least = l
		}
	}
	return least
}

// of counts its partitions of a topic.
func (l *load) of(topic string) int {
	n := 0
	for _, p := range l.has {
		if p.topic == topic {
			n++
		}
	}
	return n
}

// level moves partitions, the last ones first, until no move makes the shares more equal. Each move makes the sum of
// squares of the shares of a topic smaller, or leaves it and makes that of the shares in all smaller, so it ends.
func level(loads []*load) {
	inTopic := func(from, to *load, topic string) bool { return from.of(topic)-to.of(topic) > 1 }
	inAll := func(from, to *load, topic string) bool {
		return from.of(topic) > to.of(topic) && len(from.has)-len(to.has) > 1
	}
	for shed(loads, inTopic) || shed(loads, inAll) {
	}
}

// shed moves one partition, of the heaviest member that can, to the lightest one where that makes shares more equal.
func shed(loads []*load, more func(from, to *load, topic string) bool) bool {
	byWeight := slices.Clone(loads)
	slices.SortStableFunc(byWeight, func(a, b *load) int { return cmp.Compare(len(b.has), len(a.has)) })
	for _, from := range byWeight {
		for i := len(from.has) - 1; i >= 0; i-- {
			p := from.has[i]
			if to := lightest(loads, p.topic); to != nil && more(from, to, p.topic) {
				from.has = slices.Delete(from.has, i, i+1)
				to.has = append(to.has, p)
				return true
			}
		}
	}
	return false
}
