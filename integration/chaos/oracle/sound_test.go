package oracle_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/integration/chaos/oracle"
	"github.com/ringback/ringback/integration/process/load"
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/deadletter"
	embedded "github.com/ringback/ringback/pkg/embedded/registry"
	"github.com/ringback/ringback/pkg/gateway"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/intake"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/session"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/tserverlog"
	"github.com/ringback/ringback/pkg/wire"
	"github.com/ringback/ringback/services/ringback/scenario"
)

const partitions = 2

// start is when T-Server gets the first message; one a millisecond follows.
var start = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// sound is a run of which nothing was lost.
type sound struct {
	codec    *wire.Codec
	accepted []load.Accepted
	x        *oracle.Expected

	lifecycle, userEvents, attached, letters, sessions *oracle.Topic
	committed                                          []int64

	ledger  []infomart.Row
	sent    []tserverlog.Message
	history *oracle.History

	// filled by findings
	sends oracle.Sends
	dead  oracle.Counted
}

func newTopic(name string) *oracle.Topic {
	return &oracle.Topic{Name: name, Partitions: make([][]kafka.Record, partitions), Ends: make([]int64, partitions)}
}

// write appends a record to a topic.
func write(t *oracle.Topic, n int32, r kafka.Record) {
	r.Topic, r.Partition, r.Offset = t.Name, n, t.Ends[n]
	t.Ends[n]++
	t.Partitions[n] = append(t.Partitions[n], r)
}

// server has the schemas of all runs.
var server *embedded.Server

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "ringback-oracle-")
	if err == nil {
		server, err = embedded.Start(embedded.Config{Dir: dir})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := errors.Join(server.Close(), os.RemoveAll(dir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// newSound is a run of its own to be harmed.
func newSound(t *testing.T) *sound {
	t.Helper()
	s := *whole(t)
	for _, topic := range []**oracle.Topic{&s.lifecycle, &s.userEvents, &s.attached, &s.letters, &s.sessions} {
		own := **topic
		own.Partitions, own.Ends = slices.Clone(own.Partitions), slices.Clone(own.Ends)
		for n := range own.Partitions {
			own.Partitions[n] = slices.Clone(own.Partitions[n])
		}
		*topic = &own
	}
	x := *s.x
	x.Letters = maps.Clone(x.Letters)
	s.x, s.committed, s.sent, s.ledger = &x, slices.Clone(s.committed), slices.Clone(s.sent), slices.Clone(s.ledger)
	for i := range s.ledger {
		s.ledger[i] = maps.Clone(s.ledger[i])
	}
	s.history = &oracle.History{Announced: map[string][]time.Time{}, Ended: maps.Clone(s.history.Ended)}
	for id, times := range whole(t).history.Announced {
		s.history.Announced[id] = slices.Clone(times)
	}
	return &s
}

var (
	once sync.Once
	made *sound
)

// whole makes the run that the others are copies of.
func whole(t *testing.T) *sound {
	t.Helper()
	once.Do(func() { made = makeSound(t) })
	require.NotNil(t, made)
	return made
}

func makeSound(t *testing.T) *sound {
	t.Helper()
	client, err := registry.New(registry.Config{URL: server.URL()})
	require.NoError(t, err)
	s := &sound{lifecycle: newTopic(topic.Lifecycle)}
	s.codec, err = wire.New(context.Background(), client)
	require.NoError(t, err)

	var file bytes.Buffer
	_, err = scenario.Generate(3, 40, &file)
	require.NoError(t, err)
	now := time.UnixMilli(time.Now().UnixMilli())
	accept := func(line []byte) *callback.Event {
		e, refusal := intake.Parse(line, now)
		require.Nil(t, refusal)
		r, err := s.codec.Lifecycle(e)
		require.NoError(t, err)
		n := kafka.PartitionForKey(r.Key, partitions)
		r.Time = now
		s.accepted = append(s.accepted, load.Accepted{Event: load.Event{Subject: e.Subject, Line: slices.Clone(line)}, Partition: n, Offset: s.lifecycle.Ends[n]})
		write(s.lifecycle, n, r)
		return e
	}
	for line := range bytes.Lines(file.Bytes()) {
		accept(bytes.TrimSpace(line))
	}
	// One that the enricher sets aside, and one of which the sink infomart sets the UserEvents aside.
	write(s.lifecycle, 0, kafka.Record{Key: []byte("waste"), Value: []byte("\x01waste"), Time: now, Headers: []kafka.Header{{Key: "h", Value: []byte("v")}}})
	accept([]byte(`{"specversion":"1.0","id":"lacking","source":"/test","type":"callback.cancelled","subject":"lacking","time":"` + now.UTC().Format(time.RFC3339) + `","data":{}}`))
	// The same id with another content.
	accept([]byte(`{"specversion":"1.0","id":"lacking","source":"/test","type":"callback.cancelled","subject":"lacking","time":"` + now.Add(time.Second).UTC().Format(time.RFC3339) + `","data":{}}`))
	flush := func() { // what is pending becomes due
		for n := range s.lifecycle.Partitions {
			tick := wire.Tick(int32(n), true)
			tick.Time = now
			write(s.lifecycle, int32(n), tick)
		}
	}
	flush()
	// News of sessions that have ended: each has one more UserEvent.
	for _, a := range s.accepted[:20] {
		accept(fmt.Appendf(nil, `{"specversion":"1.0","id":"news-%d","source":"/test","type":"callback.dialog_ended","subject":%q,"time":%q,"data":{"result":"ANSWERING_MACHINE"}}`,
			len(s.accepted), a.Subject, now.UTC().Format(time.RFC3339)))
	}
	flush()
	s.committed = slices.Clone(s.lifecycle.Ends)
	s.x = s.replay(t)
	s.userEvents, s.attached = newTopic(topic.UserEvents), newTopic(topic.AttachedData)
	for n := range partitions {
		for _, r := range s.x.UserEvents[n] {
			write(s.userEvents, int32(n), r)
		}
		for _, r := range s.x.Attached[n] {
			write(s.attached, int32(n), r)
		}
	}
	s.setAside(t)
	s.changelog(t)
	s.distribute(t)
	return s
}

func (s *sound) replay(t *testing.T) *oracle.Expected {
	t.Helper()
	x, err := oracle.Replay(context.Background(), s.lifecycle, s.lifecycle.Ends, session.Rules{}, s.codec)
	require.NoError(t, err)
	return x
}

// setAside writes the dead letters as the services do.
func (s *sound) setAside(t *testing.T) {
	t.Helper()
	s.letters = newTopic(topic.DeadLetters)
	letter := func(d *callback.DeadLetter) {
		r, err := s.codec.DeadLetter(d)
		require.NoError(t, err)
		write(s.letters, 0, r)
	}
	for n := range partitions {
		for i := range s.lifecycle.Partitions[n] {
			r := &s.lifecycle.Partitions[n][i]
			d := deadletter.New(deadletter.Enricher, r, "", "")
			if l, ok := s.x.Letters[d.ID()]; ok {
				d.Reason, d.Detail = l.Reason, l.Detail
				letter(d)
			}
		}
		for i := range s.userEvents.Partitions[n] {
			r := &s.userEvents.Partitions[n][i]
			d := deadletter.New(deadletter.Infomart, r, callback.ReasonMissingKVP, "it lacks some")
			for _, k := range s.userEvent(t, r).KVPs.Missing() {
				d.Missing = append(d.Missing, k.String())
			}
			if len(d.Missing) > 0 {
				letter(d)
			}
		}
	}
}

// changelog writes the last states and the last position of each partition.
func (s *sound) changelog(t *testing.T) {
	t.Helper()
	s.sessions = newTopic(topic.Sessions)
	for n := range partitions {
		for id, state := range s.x.States[n] {
			r := kafka.Record{Key: []byte(id)}
			if state != nil {
				r.Value = s.codec.FrameState(state)
			}
			write(s.sessions, int32(n), r)
		}
		for _, p := range []session.Position{{Next: 1}, s.x.Positions[n]} {
			r, err := s.codec.Position(p)
			require.NoError(t, err)
			write(s.sessions, int32(n), r)
		}
	}
}

// distribute has T-Server get every message once.
func (s *sound) distribute(t *testing.T) {
	t.Helper()
	s.history = &oracle.History{Announced: map[string][]time.Time{}, Ended: map[string]time.Time{}}
	send := func(id string, m tserverlog.Message) {
		m.Version, m.CustomerID, m.Time = "8.1", "Environment", start.Add(time.Duration(len(s.sent))*time.Millisecond)
		key := infomart.LedgerKey(id)
		s.ledger = append(s.ledger, infomart.Row{"ID": key, "STATE": "ACKED", "ATTEMPTS": int64(1), "REFERENCE_ID": m.ReferenceID})
		s.history.Announced[key] = []time.Time{m.Time.Add(-500 * time.Microsecond)}
		s.history.Ended[key] = m.Time.Add(time.Minute)
		s.sent = append(s.sent, m)
	}
	for n := range partitions {
		for i := range s.userEvents.Partitions[n] {
			u := s.userEvent(t, &s.userEvents.Partitions[n][i])
			number := u.KVPs[callback.KeyCustomerANI].Str
			if number == "" {
				number = u.KVPs[callback.KeyCustomerPhoneNumber].Str
			}
			send(u.ID(), tserverlog.Message{
				Name: tserverlog.EventUserEvent, Action: tserverlog.DistributeUserEvent, UserEvent: tserverlog.EventUserEvent,
				ReferenceID: int64(i*partitions+n)*2 + 1, ThisDN: "REPORTING", ANI: number, UserData: gateway.UserData(u),
			})
		}
		for i := range s.attached.Partitions[n] {
			a, err := s.codec.ParseAttachedData(context.Background(), &s.attached.Partitions[n][i])
			require.NoError(t, err)
			send(a.ID(), tserverlog.Message{
				Name: tserverlog.EventAttachedDataChanged, Action: tserverlog.DistributeUserData,
				ReferenceID: int64(i*partitions+n)*2 + 2, CallUUID: a.IxnID, UserData: gateway.AttachedData(a),
			})
		}
	}
}

func (s *sound) userEvent(t *testing.T, r *kafka.Record) *callback.UserEvent {
	t.Helper()
	u, err := s.codec.ParseUserEvent(context.Background(), r)
	require.NoError(t, err)
	return u
}

// rows is a store that holds a ledger.
type rows struct {
	oracle.Reader
	all []infomart.Row
}

func (r rows) Rows(context.Context, string, ...any) iter.Seq2[infomart.Row, error] {
	return func(yield func(infomart.Row, error) bool) {
		for _, row := range r.all {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// findings makes the checks that need no real part.
func (s *sound) findings(t *testing.T) []string {
	t.Helper()
	ctx, f := context.Background(), &oracle.Findings{}
	require.NoError(t, f.Accepted(s.accepted, s.x))
	f.Same(s.userEvents, s.x.UserEvents)
	f.Same(s.attached.Without("spoilt"), s.x.Attached)
	f.Sequences(s.userEvents)
	last := map[string]*callback.UserEvent{}
	for _, records := range s.userEvents.Partitions {
		for i := range records {
			u := s.userEvent(t, &records[i])
			last[u.ServiceID()] = u
		}
	}
	f.Fold(s.lifecycle, s.committed, s.x, last, nil)
	_, err := f.Positions(ctx, s.sessions, s.committed, s.x, s.codec)
	require.NoError(t, err)
	s.dead, err = f.Letters(ctx, s.letters, s.x, s.codec, s.lifecycle, s.userEvents, s.attached)
	require.NoError(t, err)
	var log []byte
	for i := range s.sent {
		log = s.sent[i].Append(log)
	}
	s.sends, err = f.TServer(ctx, rows{all: s.ledger}, bytes.NewReader(log), s.userEvents, s.attached.Without("spoilt"), s.codec, s.history)
	require.NoError(t, err)
	return f.List()
}
