package oracle

import (
	"context"
	"slices"
	"strings"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/session"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
)

// Counted is how many dead letters there are by component and reason, and how many were written more than once.
type Counted struct {
	ByReason map[string]int
	Repeated int
}

// Letters holds the dead letters against what is expected (invariant 2): the enricher's exactly once, as they are part
// of its transactions; the sinks' at least once.
func (f *Findings) Letters(ctx context.Context, got *Topic, x *Expected, userEvents *Topic, codec *wire.Codec) (Counted, error) {
	differ := f.Check("dead letters are the expected ones")
	count := Counted{ByReason: map[string]int{}}
	seen := map[string]int{}
	want := map[string]Letter{}
	for id, l := range x.Letters {
		want[id] = l
	}
	missing, err := lacking(ctx, userEvents, codec)
	if err != nil {
		return count, err
	}
	for n := range got.Partitions {
		for i := range got.Partitions[n] {
			d, err := codec.ParseDeadLetter(ctx, &got.Partitions[n][i])
			if err != nil {
				differ("the letter at %d/%d cannot be read: %v", n, got.Partitions[n][i].Offset, err)
				continue
			}
			id := d.ID()
			if seen[id]++; seen[id] > 1 {
				if count.Repeated++; d.Component == "enricher" {
					differ("%s is written %d times", id, seen[id])
				}
				continue
			}
			count.ByReason[d.Component+" "+string(d.Reason)]++
			if keys, ok := missing[id]; ok && d.Reason == callback.ReasonMissingKVP && slices.Equal(d.Missing, keys) {
				continue
			}
			if w, ok := want[id]; !ok || w.Reason != d.Reason || w.Detail != d.Detail {
				differ("%s: %s (%s); expected %q (%s)", id, d.Reason, d.Detail, w.Reason, w.Detail)
			}
		}
	}
	for id, w := range want {
		if seen[id] == 0 {
			differ("%s is missing: %s (%s)", id, w.Reason, w.Detail)
		}
	}
	for id, keys := range missing {
		if seen[id] == 0 {
			differ("%s is missing: %s: %s", id, callback.ReasonMissingKVP, strings.Join(keys, ", "))
		}
	}
	return count, nil
}

// lacking are the letters that the sink infomart owes for UserEvents without a mandatory KVP (invariant 9).
func lacking(ctx context.Context, userEvents *Topic, codec *wire.Codec) (map[string][]string, error) {
	owed := map[string][]string{}
	for n := range userEvents.Partitions {
		for i := range userEvents.Partitions[n] {
			u, err := codec.ParseUserEvent(ctx, &userEvents.Partitions[n][i])
			if err != nil {
				return nil, err
			}
			var keys []string
			for _, k := range u.KVPs.Missing() {
				keys = append(keys, k.String())
			}
			if len(keys) > 0 {
				d := callback.DeadLetter{Component: "infomart", Topic: topic.UserEvents, Partition: int32(n), Offset: userEvents.Partitions[n][i].Offset}
				owed[d.ID()] = keys
			}
		}
	}
	return owed, nil
}

// Positions holds what the changelog says of each partition against the log: read is applied, already applied,
// dead-lettered or a tick, each as often as the log has it (invariant 2), and the states are those of the replay.
func (f *Findings) Positions(ctx context.Context, sessions *Topic, committed []int64, x *Expected, codec *wire.Codec) ([]session.Position, error) {
	differ := f.Check("the changelog has the position and the counts of the log")
	states := f.Check("the changelog has the states of the replay")
	positions := make([]session.Position, len(sessions.Partitions))
	for n := range sessions.Partitions {
		last := map[string][]byte{}
		for i := range sessions.Partitions[n] {
			r := &sessions.Partitions[n][i]
			if !wire.IsPosition(r) {
				last[string(r.Key)] = r.Value
				continue
			}
			p, err := codec.ParsePosition(r)
			if err != nil {
				return nil, err
			}
			if p.Next < positions[n].Next {
				differ("partition %d: the position goes back from %d to %d at offset %d", n, positions[n].Next, p.Next, r.Offset)
			}
			positions[n] = p
		}
		p := positions[n]
		if p != x.Positions[n] {
			differ("partition %d: there is %+v, the log gives %+v", n, p, x.Positions[n])
		}
		if p.Read != p.Applied+p.AlreadyApplied+p.DeadLettered+p.Ticks {
			differ("partition %d: read %d is not the sum of %+v", n, p.Read, p)
		}
		if p.Next != committed[n] {
			differ("partition %d: the changelog stands at %d, the group at %d", n, p.Next, committed[n])
		}
		for id, want := range x.States[n] {
			var framed []byte
			if want != nil {
				framed = codec.FrameState(want)
			}
			if got, ok := last[id]; string(got) != string(framed) || ok && (got == nil) != (want == nil) {
				states("partition %d, service %s: there is %x, the log gives %x", n, id, got, framed)
			}
		}
		for id := range last {
			if _, ok := x.States[n][id]; !ok {
				states("partition %d, service %s: the log knows no such session", n, id)
			}
		}
	}
	return positions, nil
}
