package oracle_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/integration/chaos/oracle"
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/kvlist"
	"github.com/ringback/ringback/pkg/session"
	"github.com/ringback/ringback/pkg/tserverlog"
)

// harmed runs each harm on a sound run of its own, and expects the finding.
func harmed(t *testing.T, cases map[string]harm) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSound(t)
			c.do(t, s)
			all := strings.Join(s.findings(t), "\n")
			if c.found == "" {
				require.Empty(t, all)
			} else {
				require.Contains(t, all, c.found)
			}
		})
	}
}

type harm struct {
	do    func(*testing.T, *sound)
	found string // empty: it is as it may be
}

func TestFindsInTheChangelog(t *testing.T) {
	t.Parallel()
	position := func(change func(*session.Position)) func(*testing.T, *sound) {
		return func(t *testing.T, s *sound) {
			p := s.x.Positions[1]
			change(&p)
			r, err := s.codec.Position(p)
			require.NoError(t, err)
			write(s.sessions, 1, r)
		}
	}
	harmed(t, map[string]harm{
		"a record that is counted twice":    {position(func(p *session.Position) { p.Read++ }), "the position and the counts of the log: partition 1: there is"},
		"counts that do not add up":         {position(func(p *session.Position) { p.Ticks++ }), "is not the sum of"},
		"a position that goes back":         {position(func(p *session.Position) { p.Next-- }), "the position goes back from"},
		"a group that stands elsewhere":     {func(_ *testing.T, s *sound) { s.committed[0]-- }, "partition 0: the changelog stands at"},
		"a state that differs":              {func(_ *testing.T, s *sound) { last(s, true).Value[9] ^= 1 }, "the changelog has the states of the replay: partition"},
		"a state that is lost":              {func(_ *testing.T, s *sound) { last(s, true).Value = nil }, "the changelog has the states of the replay: partition"},
		"a session that the log knows none": {func(_ *testing.T, s *sound) { last(s, true).Key = []byte("nobody") }, "the log knows no such session"},
	})
}

// last is the last record of a session's state that there is in partition 0.
func last(s *sound, valued bool) *kafka.Record {
	p := s.sessions.Partitions[0]
	for i := len(p) - 1; ; i-- {
		if _, is := s.x.States[0][string(p[i].Key)]; is && valued == (p[i].Value != nil) {
			p[i].Value = slices.Clone(p[i].Value)
			return &p[i]
		}
	}
}

func TestFindsInDeadLetters(t *testing.T) {
	t.Parallel()
	// rewritten changes the first letter of a component.
	rewritten := func(component string, change func(*callback.DeadLetter)) func(*testing.T, *sound) {
		return func(t *testing.T, s *sound) {
			for i := range s.letters.Partitions[0] {
				d, err := s.codec.ParseDeadLetter(context.Background(), &s.letters.Partitions[0][i])
				require.NoError(t, err)
				if d.Component != component {
					continue
				}
				change(d)
				r, err := s.codec.DeadLetter(d)
				require.NoError(t, err)
				r.Offset = s.letters.Partitions[0][i].Offset
				s.letters.Partitions[0][i] = r
				return
			}
			t.Fatal("there is no letter of " + component)
		}
	}
	// again writes the last letter of all, which is a sink's, or the first, which is the enricher's, once more.
	again := func(first bool) func(*testing.T, *sound) {
		return func(_ *testing.T, s *sound) {
			p := s.letters.Partitions[0]
			for i := range p {
				id, _ := p[i].Header("ce_id")
				if strings.HasPrefix(string(id), "enricher/") == first {
					write(s.letters, 1, p[i])
					return
				}
			}
		}
	}
	harmed(t, map[string]harm{
		"another key":                      {rewritten("enricher", func(d *callback.DeadLetter) { d.RecordKey = []byte("wast") }), "dead letters keep their records: enricher/callback.lifecycle.v1/0/"},
		"another value":                    {rewritten("enricher", func(d *callback.DeadLetter) { d.RecordValue = d.RecordValue[1:] }), "dead letters keep their records: enricher/"},
		"no value":                         {rewritten("infomart", func(d *callback.DeadLetter) { d.RecordValue = nil }), "dead letters keep their records: infomart/"},
		"another time":                     {rewritten("enricher", func(d *callback.DeadLetter) { d.RecordTime = d.RecordTime.Add(time.Millisecond) }), "dead letters keep their records: enricher/"},
		"a header less":                    {rewritten("enricher", func(d *callback.DeadLetter) { d.RecordHeaders = nil }), "dead letters keep their records: enricher/"},
		"another header":                   {rewritten("infomart", func(d *callback.DeadLetter) { d.RecordHeaders[1].Value = []byte("x") }), "dead letters keep their records: infomart/"},
		"another service id":               {rewritten("enricher", func(d *callback.DeadLetter) { d.ServiceID = nil }), "its service id is not the key"},
		"a record that is not there":       {rewritten("enricher", func(d *callback.DeadLetter) { d.Offset += 1000 }), "there is no such record"},
		"a topic that is not there":        {rewritten("enricher", func(d *callback.DeadLetter) { d.Topic = "nowhere" }), "there is no nowhere/0"},
		"another reason":                   {rewritten("enricher", func(d *callback.DeadLetter) { d.Reason = callback.ReasonLate }), "dead letters are the expected ones: enricher/"},
		"another detail":                   {rewritten("enricher", func(d *callback.DeadLetter) { d.Detail += "." }), "dead letters are the expected ones: enricher/"},
		"names of other KVPs":              {rewritten("infomart", func(d *callback.DeadLetter) { d.Missing = d.Missing[1:] }), "dead letters are the expected ones: infomart/"},
		"a sink's letter that is missing":  {rewritten("infomart", func(d *callback.DeadLetter) { d.Component = "tserver" }), "MISSING_MANDATORY_KVP"},
		"a letter that cannot be read":     {func(_ *testing.T, s *sound) { s.letters.Partitions[0][0].Value = []byte("x") }, "cannot be read"},
		"the enricher's letter twice":      {again(true), "is written 2 times"},
		"a sink's letter twice, as it may": {again(false), ""},
		"what no sink can read is owed": {func(_ *testing.T, s *sound) {
			write(s.attached, 0, kafka.Record{Key: []byte("spoilt"), Value: []byte("x")})
		}, "tserver/callback.attached-data.v1/0/"},
	})
}

// chain are the places in the log of the messages of a session that has at least three.
func chain(t *testing.T, s *sound) []int {
	t.Helper()
	places := map[string][]int{}
	for i := range s.sent {
		id, _ := s.sent[i].Value(callback.KeyServiceID.String())
		key := s.sent[i].Name + id
		if places[key] = append(places[key], i); len(places[key]) == 3 {
			return places[key]
		}
	}
	t.Fatal("no session has three messages")
	return nil
}

// repeat has T-Server get the messages at these places once more, the first at that time; the ledger says so where it is told to.
func repeat(s *sound, at time.Time, announce bool, places ...int) {
	for n, i := range places {
		m := s.sent[i]
		m.Time = at.Add(time.Duration(n) * time.Millisecond)
		s.sent = append(s.sent, m)
		if announce {
			key := s.ledger[i]["ID"].(string)
			s.ledger[i]["ATTEMPTS"] = s.ledger[i]["ATTEMPTS"].(int64) + 1
			s.history.Announced[key] = append(s.history.Announced[key], at.Add(-time.Microsecond))
		}
	}
}

func TestFindsAtTServer(t *testing.T) {
	t.Parallel()
	changed := func(change func(*tserverlog.Message)) func(*testing.T, *sound) {
		return func(t *testing.T, s *sound) {
			m := &s.sent[chain(t, s)[1]]
			m.UserData = slices.Clone(m.UserData)
			change(m)
		}
	}
	kill := func(s *sound, at time.Time) {
		s.history.Faults = append(s.history.Faults, oracle.Fault{What: "kill tserver-1", From: at, To: at.Add(time.Second)})
	}
	freeze := func(s *sound, at time.Time) {
		s.history.Faults = append(s.history.Faults, oracle.Fault{What: "freeze tserver-1", From: at, To: at.Add(time.Second), Former: true})
	}
	const after = 10 * time.Second
	attached := func(s *sound) *tserverlog.Message {
		return &s.sent[slices.IndexFunc(s.sent, func(m tserverlog.Message) bool { return m.Name == tserverlog.EventAttachedDataChanged })]
	}
	const content = "T-Server's log has each message as its record has it: line"
	const order = "T-Server's log has the messages of a session in order, repeats too: line"
	const explained = "each duplicate send is explained by the ledger and a fault: "
	harmed(t, map[string]harm{
		"another value":          {changed(func(m *tserverlog.Message) { m.UserData[0].Str += "x" }), content},
		"a KVP less":             {changed(func(m *tserverlog.Message) { m.UserData = m.UserData[1:] }), content},
		"a KVP more":             {changed(func(m *tserverlog.Message) { m.UserData = append(m.UserData, kvlist.Str("more", "")) }), content},
		"KVPs in another order":  {changed(func(m *tserverlog.Message) { slices.Reverse(m.UserData) }), content},
		"an integer as text":     {changed(func(m *tserverlog.Message) { asText(m.UserData) }), content},
		"another DN":             {changed(func(m *tserverlog.Message) { m.ThisDN = "ELSEWHERE" }), content},
		"another event":          {changed(func(m *tserverlog.Message) { m.Name, m.CallUUID = tserverlog.EventAttachedDataChanged, "call" }), content},
		"another ANI":            {changed(func(m *tserverlog.Message) { m.ANI += "0" }), content},
		"another call":           {func(_ *testing.T, s *sound) { attached(s).CallUUID += "0" }, content},
		"another reference id":   {changed(func(m *tserverlog.Message) { m.ReferenceID += 1_000_000 }), "T-Server's log has only what was owed: line"},
		"a message without a DN": {changed(func(m *tserverlog.Message) { m.ThisDN = "" }), "1 messages break off; T-Server was killed 0 times"},
		"a message that is lost": {func(t *testing.T, s *sound) { s.sent = slices.Delete(s.sent, 4, 5) }, "T-Server's log has each message at least once: "},
		"two in the wrong order": {func(t *testing.T, s *sound) {
			c := chain(t, s)
			s.sent[c[0]], s.sent[c[1]] = s.sent[c[1]], s.sent[c[0]]
		}, order},
		"one that is still open": {func(_ *testing.T, s *sound) { s.ledger[2]["STATE"] = "SENDING" }, "the T-Server ledger is complete: "},
		"one without a line":     {func(_ *testing.T, s *sound) { s.ledger = s.ledger[1:] }, "the T-Server ledger is complete: "},
		"a line for nothing": {func(_ *testing.T, s *sound) {
			s.ledger = append(s.ledger, infomart.Row{"ID": "nobody/1", "STATE": "ACKED", "ATTEMPTS": int64(1), "REFERENCE_ID": int64(-1)})
		}, "nobody/1 has reference id -1"},
		"a line's reference id": {func(_ *testing.T, s *sound) { s.ledger[2]["REFERENCE_ID"] = int64(3) }, "which is not its record's"},
		"an attempt not counted": {func(t *testing.T, s *sound) {
			kill(s, start)
			repeat(s, start.Add(after), true, 2)
			s.ledger[2]["ATTEMPTS"] = int64(1)
		}, "the ledger has counted 1 attempts"},
		"sent before the ledger": {func(_ *testing.T, s *sound) {
			key := s.ledger[2]["ID"].(string)
			s.history.Announced[key][0] = s.sent[2].Time.Add(time.Second)
		}, explained},
		"a repeat for no reason": {func(t *testing.T, s *sound) { repeat(s, start.Add(after), true, chain(t, s)...) }, explained},
		"a repeat not announced": {func(t *testing.T, s *sound) { kill(s, start); repeat(s, start.Add(after), false, 2) }, explained},
		"a fault long before": {func(t *testing.T, s *sound) {
			kill(s, start.Add(-time.Minute))
			repeat(s, start.Add(after), true, chain(t, s)...)
		}, explained},
		"a fault only afterwards": {func(t *testing.T, s *sound) {
			kill(s, start.Add(time.Minute))
			repeat(s, start.Add(after), true, chain(t, s)...)
		}, explained},
		"a repeat after a kill": {func(t *testing.T, s *sound) { kill(s, start); repeat(s, start.Add(after), true, chain(t, s)...) }, ""},
		// Announced again, but only once the newer one had gone out again.
		"an old one after a newer": {func(t *testing.T, s *sound) {
			c := chain(t, s)
			kill(s, start)
			repeat(s, start.Add(after), true, c...)
			s.sent[len(s.sent)-1], s.sent[len(s.sent)-2] = s.sent[len(s.sent)-2], s.sent[len(s.sent)-1]
		}, order},
		"a gap in a repetition": {func(t *testing.T, s *sound) {
			c := chain(t, s)
			kill(s, start)
			repeat(s, start.Add(after), true, c[0], c[2])
		}, order},
		"after its line had ended": {func(t *testing.T, s *sound) {
			kill(s, start)
			repeat(s, start.Add(after), true, chain(t, s)...)
			ended(s, chain(t, s), 5*time.Second)
		}, order},
		"a former owner": {func(t *testing.T, s *sound) {
			freeze(s, start)
			repeat(s, start.Add(after), true, chain(t, s)...)
			ended(s, chain(t, s), 5*time.Second)
		}, ""},
		"a former owner in disorder": {func(t *testing.T, s *sound) {
			c := chain(t, s)
			freeze(s, start)
			repeat(s, start.Add(after), true, c[0], c[2])
		}, ""},
		"a freeze long before": {func(t *testing.T, s *sound) {
			c := chain(t, s)
			freeze(s, start.Add(-time.Minute))
			kill(s, start)
			repeat(s, start.Add(after), true, c[0], c[2])
		}, order},
		"even a former owner skips none": {func(t *testing.T, s *sound) {
			freeze(s, start)
			s.sent = slices.Delete(s.sent, chain(t, s)[1], chain(t, s)[1]+1)
		}, "was never sent"},
	})
}

// ended has the lines at these places end so long after the start.
func ended(s *sound, places []int, after time.Duration) {
	for _, i := range places {
		s.history.Ended[s.ledger[i]["ID"].(string)] = start.Add(after)
	}
}

func asText(pairs []kvlist.Pair) {
	for i := range pairs {
		if pairs[i].Kind == kvlist.Integer {
			pairs[i] = kvlist.Str(pairs[i].Key, pairs[i].Text())
		}
	}
}

func TestFindsInLogs(t *testing.T) {
	t.Parallel()
	for text, found := range map[string]bool{"all is well": false, "panic: no": true, "WARNING: DATA RACE": true, "fatal error: all goroutines are asleep": true} {
		dir, f := t.TempDir(), &oracle.Findings{}
		require.Error(t, f.Logs(dir), "there is no log")
		require.NoError(t, os.WriteFile(filepath.Join(dir, "a.log"), []byte(text), 0o600))
		require.NoError(t, f.Logs(dir))
		require.Equal(t, found, len(f.List()) > 0, text)
	}
}
