package oracle

import (
	"context"
	"errors"
	"io"
	"time"

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
	// Former are the repeated ones that came out of turn, or after their line had ended: from a former owner.
	Former int
	Torn   int // messages that T-Server was killed in the middle of
}

// TServer checks invariant 8: the ledger has ended with each UserEvent and attached data; T-Server's log has each at
// least once, as it is owed, those of a session in order; and each that it has more than once was announced by the
// ledger that often before, again only because of a fault.
func (f *Findings) TServer(ctx context.Context, ledger Reader, log io.Reader, userEvents, attached *Topic, codec *wire.Codec, h *History) (Sends, error) {
	s := Sends{States: map[string]int{}}
	open := f.Check("the T-Server ledger is complete")
	owed, err := owed(ctx, userEvents, attached, codec)
	if err != nil {
		return s, err
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
		if m := owed[row["REFERENCE_ID"].(int64)]; m == nil || infomart.LedgerKey(m.id) != row["ID"] {
			open("%s has reference id %d, which is not its record's", row["ID"], row["REFERENCE_ID"])
		}
	}
	if s.Ledger != len(owed) {
		open("%d lines for %d messages", s.Ledger, len(owed))
	}
	unexplained := f.Check("each duplicate send is explained by the ledger and a fault")
	for _, m := range owed {
		key := infomart.LedgerKey(m.id)
		n, ok := attempts[key]
		announced := h.Announced[key]
		if !ok {
			open("%s has no line", m.id)
		} else if n != int64(len(announced)) {
			open("%s was announced %d times, the ledger has counted %d attempts", m.id, len(announced), n)
		}
		for i := 1; i < len(announced); i++ {
			if !h.meets(announced[i-1], announced[i], false) {
				unexplained("%s was announced at %s and again at %s, and nothing had been done", m.id, announced[i-1], announced[i])
			}
		}
	}
	return s, f.sent(log, owed, h, unexplained, &s)
}

// progress is how far T-Server's log is with a session.
type progress struct {
	newest int       // the furthest message
	last   int       // the message before
	at     time.Time // when that was distributed
}

func (f *Findings) sent(log io.Reader, owed map[int64]*message, h *History, unexplained func(string, ...any), s *Sends) error {
	foreign := f.Check("T-Server's log has only what was owed")
	differs := f.Check("T-Server's log has each message as its record has it")
	disorder := f.Check("T-Server's log has the messages of a session in order, repeats too")
	missing := f.Check("T-Server's log has each message at least once")
	times := map[string]int{}
	sessions := map[string]*progress{}
	for in := tserverlog.NewReader(log); ; {
		m, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if m.Name != tserverlog.EventUserEvent && m.Name != tserverlog.EventAttachedDataChanged {
			continue
		}
		if broken(m) {
			s.Torn++
			continue
		}
		s.Distributed++
		o, ok := owed[m.ReferenceID]
		if !ok {
			foreign("line %d: no record has reference id %d", m.Line, m.ReferenceID)
			continue
		}
		if !o.says(m) {
			differs("line %d: %s: there is\n  %+v\n  expected\n  %+v", m.Line, o.id, *m, o.want)
		}
		p := sessions[o.session]
		if p == nil {
			p = &progress{}
			sessions[o.session] = p
		}
		key := infomart.LedgerKey(o.id)
		times[o.id]++
		if n := h.announcedBy(key, m.Time); times[o.id] > n {
			unexplained("line %d: %s was distributed %d times by %s, and announced %d times", m.Line, o.id, times[o.id], m.Time, n)
		}
		if times[o.id] > 1 {
			s.Repeated++
		}
		// A sink goes on where it is in a session, or begins again at what it has announced again since. A former
		// owner does neither, nor does a request that arrives late.
		ended, over := h.Ended[key]
		over = over && ended.Before(m.Time)
		inTurn := o.order == p.last+1 || o.order <= p.last && h.announcedBetween(key, p.at, m.Time)
		if over || !inTurn {
			s.Former++
			if !h.meets(m.Time, m.Time, true) {
				disorder("line %d: %s, distributed at %s, is number %d of its session, after number %d; its line ended at %s", m.Line, o.id, m.Time, o.order, p.last, ended)
			}
		}
		if o.order > p.newest+1 {
			disorder("line %d: %s is number %d of its session, and number %d was never sent", m.Line, o.id, o.order, p.newest+1)
		}
		p.newest, p.last, p.at = max(p.newest, o.order), o.order, m.Time
	}
	if torn := h.killed("simulator"); s.Torn > torn {
		foreign("%d messages break off; T-Server was killed %d times", s.Torn, torn)
	}
	for _, o := range owed {
		if times[o.id] == 0 {
			missing("%s", o.id)
		}
	}
	return nil
}

// broken tells whether a message ends before its last attribute, as the one does that T-Server was killed in.
func broken(m *tserverlog.Message) bool {
	return !m.Complete() || m.ReferenceID == 0 || m.ThisDN == "" && m.CallUUID == ""
}
