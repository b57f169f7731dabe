package oracle

import (
	"context"

	"github.com/ringback/ringback/pkg/session"
	"github.com/ringback/ringback/pkg/wire"
)

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
