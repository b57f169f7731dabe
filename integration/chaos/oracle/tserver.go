package oracle

import (
	"context"
	"io"
	"math"

	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/tserverlog"
	"github.com/ringback/ringback/pkg/wire"
)

// Sends is what T-Server's log and the ledger come to.
type Sends struct {
	Ledger      int // lines of the ledger
	States      map[string]int
	Distributed int // messages in the log: UserEvents and attached data
	Repeated    int // of them, how many were there before
	// Restarted are the repeated ones whose line was SENDING when a process was killed or a connection cut.
	AtKill int
}

// message is what one record of the two topics owes T-Server.
type message struct {
	id, service string
	order       int // in its session and topic
}

// TServer checks invariant 8: the ledger has ended with each UserEvent and attached data; T-Server's log has each at
// least once, those of a session in order; and each that it has more than once, the ledger has counted as sent again.
// sending are the ids that were SENDING at one of the kills.
func (f *Findings) TServer(ctx context.Context, ledger Reader, log io.Reader, userEvents, attached *Topic, codec *wire.Codec, sending map[string]bool) (Sends, error) {
	s := Sends{States: map[string]int{}}
	open := f.Check("the T-Server ledger is complete")
	owed := map[int64]message{}
	orders := map[string]int{}
	for _, t := range []*Topic{userEvents, attached} {
		for n := range t.Partitions {
			for i := range t.Partitions[n] {
				r := &t.Partitions[n][i]
				id, _ := r.Header("ce_id")
				key := t.Name + "\x00" + string(r.Key)
				orders[key]++
				owed[reference(r.Offset, n, len(t.Partitions), t == attached)] = message{string(id), key, orders[key]}
			}
		}
	}
	attempts := map[string]int64{}
	for row, err := range ledger.Rows(ctx, "SELECT ID, STATE, ATTEMPTS, REFERENCE_ID FROM RINGBACK_TSERVER_LEDGER") {
		if err != nil {
			return s, err
		}
		s.Ledger++
		s.States[row["STATE"].(string)]++
		attempts[row["ID"].(string)] = row["ATTEMPTS"].(int64)
		if row["STATE"] != string(infomart.StateAcked) {
			open("%s is %s", row["ID"], row["STATE"])
		}
	}
	for _, m := range owed {
		if _, ok := attempts[infomart.LedgerKey(m.id)]; !ok {
			open("%s has no line", m.id)
		}
	}
	if s.Ledger != len(owed) {
		open("%d lines for %d messages", s.Ledger, len(owed))
	}
	return s, f.sent(log, owed, attempts, sending, &s)
}

func (f *Findings) sent(log io.Reader, owed map[int64]message, attempts map[string]int64, sending map[string]bool, s *Sends) error {
	foreign := f.Check("T-Server's log has only what was owed")
	disorder := f.Check("T-Server's log has the UserEvents of a session in order")
	unexplained := f.Check("each duplicate send is explained by the ledger")
	missing := f.Check("T-Server's log has each message at least once")
	times := map[string]int64{}
	newest := map[string]int{} // by session, the furthest message that was sent
	for in := tserverlog.NewReader(log); ; {
		m, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if m.Name != tserverlog.EventUserEvent && m.Name != tserverlog.EventAttachedDataChanged || !m.Complete() {
			continue
		}
		s.Distributed++
		o, ok := owed[m.ReferenceID]
		if !ok {
			foreign("line %d: no record has reference id %d", m.Line, m.ReferenceID)
			continue
		}
		if times[o.id]++; times[o.id] > 1 {
			if s.Repeated++; sending[infomart.LedgerKey(o.id)] {
				s.AtKill++
			}
			if times[o.id] > attempts[infomart.LedgerKey(o.id)] {
				unexplained("line %d: %s was distributed %d times, the ledger has counted %d attempts", m.Line, o.id, times[o.id], attempts[infomart.LedgerKey(o.id)])
			}
			continue
		}
		if o.order != newest[o.service]+1 {
			disorder("line %d: %s is number %d of its session, after number %d", m.Line, o.id, o.order, newest[o.service])
		}
		newest[o.service] = o.order
	}
	for _, o := range owed {
		if times[o.id] == 0 {
			missing("%s", o.id)
		}
	}
	return nil
}

// reference is the reference id that the sink derives from where a record lies, as docs/sinks.md has it.
func reference(offset int64, partition, partitions int, attached bool) int64 {
	n := ((offset%math.MaxInt32)*int64(partitions) + int64(partition)) * 2
	if attached {
		n++
	}
	return int64(int32(n%math.MaxInt32)) + 1
}
