package session

import (
	"container/heap"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ringback/ringback/pkg/callback"
)

// maxAhead is how far after its arrival an event may have happened.
const maxAhead = 24 * time.Hour

// Record is one record of the lifecycle topic, as the rules see it: an event, a
// tick, or bad data with its reason.
type Record struct {
	Offset int64
	Time   int64 // the record's timestamp: milliseconds

	Event *callback.Event
	Raw   []byte // the event's data in Avro binary form
	Tick  bool
	Flush bool // of a tick: settle and offer-grace deadlines are due
	Bad   *callback.BadRecord
}

// Position is how far a partition has been read, and how the records ended.
type Position struct {
	Next  int64 // next offset to fetch
	Clock int64 // largest timestamp read: milliseconds

	Read, Applied, AlreadyApplied, DeadLettered, Ticks int64 // invariant 2: Read is the sum of the others
}

// Due is something that became due, and the timestamp of the record that made it so.
type Due[T any] struct {
	What T
	At   int64 // milliseconds
}

// SetAside is a record that is dead-lettered: its index in the batch, and why.
type SetAside struct {
	Record int
	Bad    *callback.BadRecord
}

// Changed is a session whose state is to be written; Encoded is nil where it is forgotten.
type Changed struct {
	ServiceID string
	Encoded   []byte
}

// Effects is what a batch of records comes to. All of it is written in one transaction.
type Effects struct {
	UserEvents  []Due[callback.UserEvent]
	Attached    []Due[callback.AttachedData]
	DeadLetters []SetAside
	States      []Changed
	Position    Position

	IgnoredParameters int
	TimedOut          int
}

type held struct {
	encoded []byte
	due     int64
	timer   int64 // due of its entry in the heap; 0 without one
	pending bool
	phase   phase
}

// Partition holds the sessions of one partition of the lifecycle topic. It is not
// safe for concurrent use. After an error, or when its effects could not be
// written, it must be thrown away and restored.
type Partition struct {
	rules  Rules
	number int32
	pos    Position
	held   map[string]*held
	timers timers

	// Of the batch in hand: the deadlines it may still evaluate, and the sessions it has touched, decoded.
	budget int
	open   map[string]*opened

	phases [4]int // number of sessions in each
	bytes  int
}

type opened struct {
	*State
	changed bool
}

// NewPartition makes a partition without sessions.
func NewPartition(rules Rules, number int32) *Partition {
	return &Partition{rules: rules.WithDefaults(), number: number, held: map[string]*held{}, open: map[string]*opened{}}
}

// Restore takes a state read from the changelog; nil forgets the session.
func (p *Partition) Restore(serviceID string, encoded []byte) error {
	if encoded == nil {
		p.forget(serviceID)
		return nil
	}
	head, err := ParseHead(encoded)
	if err != nil {
		return err
	}
	p.keep(serviceID, slices.Clone(encoded), head)
	return nil
}

// RestorePosition takes the position read from the changelog.
func (p *Partition) RestorePosition(pos Position) { p.pos = pos }

// Position returns how far the partition has been read.
func (p *Partition) Position() Position { return p.pos }

// Process reads records in offset order. next is the offset to fetch after them.
func (p *Partition) Process(records []Record, next int64) (*Effects, error) {
	fx := &Effects{}
	clear(p.open)
	p.budget = maxDue
	for i := range records {
		err := p.read(i, &records[i], fx)
		if errors.Is(err, errPart) {
			// More is due than one transaction should hold. The record is read again: what
			// has been evaluated is not due any more, and the rest follows in the same order.
			next = records[i].Offset
			break
		}
		if err != nil {
			return nil, err
		}
	}
	ids := make([]string, 0, len(p.open))
	for id := range p.open {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		s, h := p.open[id], p.held[id]
		switch {
		case len(s.Events) == 0 && !s.Closed():
			if h.encoded != nil { // its marker has gone, and the event that came for it was refused
				fx.States = append(fx.States, Changed{ServiceID: id})
			}
			p.forget(id)
		case p.rules.Gone(s.State, p.pos.Clock):
			p.forget(id)
			fx.States = append(fx.States, Changed{ServiceID: id})
		case s.changed:
			p.bytes -= len(h.encoded)
			h.encoded = s.Append(make([]byte, 0, len(h.encoded)+256))
			p.bytes += len(h.encoded)
			fx.States = append(fx.States, Changed{ServiceID: id, Encoded: h.encoded})
		}
	}
	p.pos.Next = next
	fx.Position = p.pos
	return fx, nil
}

// maxDue bounds the sessions that deadlines make a batch evaluate: a tick may make
// any number due at once.
const maxDue = 2000

// errPart says that a record has not been dealt with whole.
var errPart = errors.New("session: more is due than one batch takes")

// read takes one record. It ends as exactly one of applied, already applied,
// dead-lettered or tick (invariant 2).
func (p *Partition) read(i int, r *Record, fx *Effects) error {
	// The clock moves first: what was due before this record is sent before it is taken in.
	p.pos.Clock = max(p.pos.Clock, r.Time)
	if err := p.due(r, fx); err != nil {
		return err
	}
	if r.Tick && r.Flush {
		if err := p.flush(r, fx); err != nil {
			return err
		}
	}
	p.pos.Read++
	switch {
	case r.Tick:
		p.pos.Ticks++
		return nil
	case r.Bad != nil:
		return p.setAside(i, r.Bad, fx)
	case int64(r.Event.Time)/1000 > r.Time+maxAhead.Milliseconds():
		return p.setAside(i, callback.Bad(callback.ReasonFutureTime, "event %q of %q: its time is more than 24 h after its arrival", r.Event.ID, r.Event.Source), fx)
	}
	s, err := p.session(r.Event.Subject)
	if err != nil {
		return err
	}
	var out Outputs
	e := NewApplied(r.Event, r.Event.Digest(), p.number, r.Offset, r.Raw)
	verdict, err := p.rules.Apply(s.State, e, r.Time, p.pos.Clock, &out)
	var bad *callback.BadRecord
	if errors.As(err, &bad) {
		return p.setAside(i, bad, fx)
	}
	if err != nil {
		return err
	}
	if verdict == AlreadyApplied {
		p.pos.AlreadyApplied++
		return nil
	}
	p.pos.Applied++
	p.collect(&out, r, fx)
	p.settle(s)
	return nil
}

func (p *Partition) setAside(i int, bad *callback.BadRecord, fx *Effects) error {
	p.pos.DeadLettered++
	fx.DeadLetters = append(fx.DeadLetters, SetAside{Record: i, Bad: bad})
	return nil
}

// due evaluates the sessions whose deadline the clock has passed, by deadline and then by service id.
func (p *Partition) due(r *Record, fx *Effects) error {
	for {
		due, ok := p.NextDue()
		if !ok || due > p.pos.Clock {
			return nil
		}
		if err := p.evaluate(p.timers[0].id, r, false, fx); err != nil {
			return err
		}
	}
}

// flush evaluates the sessions that wait for a settle or offer-grace deadline.
func (p *Partition) flush(r *Record, fx *Effects) error {
	var ids []string
	for id, h := range p.held {
		if h.pending {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		if err := p.evaluate(id, r, true, fx); err != nil {
			return err
		}
	}
	return nil
}

func (p *Partition) evaluate(id string, r *Record, flush bool, fx *Effects) error {
	if p.budget == 0 {
		return errPart
	}
	p.budget--
	s := p.open[id]
	if s == nil {
		var err error
		if s, err = p.session(id); err != nil {
			return err
		}
	}
	if p.rules.Gone(s.State, p.pos.Clock) {
		// It is written as forgotten at the end of the batch.
		p.held[id].timer, p.held[id].due = 0, 0
		heap.Pop(&p.timers)
		return nil
	}
	before := s.TimedOut
	var out Outputs
	if err := p.rules.Due(s.State, p.pos.Clock, r.Time, flush, &out); err != nil {
		return err
	}
	if s.TimedOut && !before {
		fx.TimedOut++
	}
	p.collect(&out, r, fx)
	p.settle(s)
	return nil
}

func (p *Partition) collect(out *Outputs, r *Record, fx *Effects) {
	for _, u := range out.UserEvents {
		fx.UserEvents = append(fx.UserEvents, Due[callback.UserEvent]{u, r.Time})
	}
	for _, a := range out.Attached {
		fx.Attached = append(fx.Attached, Due[callback.AttachedData]{a, r.Time})
	}
	fx.IgnoredParameters += out.IgnoredParameters
}

// session returns the session decoded, for the rest of the batch.
func (p *Partition) session(id string) (*opened, error) {
	if s := p.open[id]; s != nil {
		if p.rules.Gone(s.State, p.pos.Clock) {
			// Its marker has gone in this very batch: what comes for it begins a new session.
			s.State = New(id)
		}
		return s, nil
	}
	s := &opened{State: New(id)}
	h := p.held[id]
	if h == nil {
		id = strings.Clone(id)
		h = &held{}
		p.held[id] = h
		p.phases[none]++
	} else {
		var err error
		if s.State, err = Parse(id, h.encoded); err != nil {
			return nil, err
		}
	}
	p.open[id] = s
	return s, nil
}

// settle puts the session's deadline where due and NextDue find it.
func (p *Partition) settle(s *opened) {
	s.changed = true
	h := p.held[s.ServiceID]
	h.due, h.pending = s.DueAt, s.Pending
	p.count(h, s.Closed(), s.Final)
	p.arm(s.ServiceID, h)
}

func (p *Partition) keep(id string, encoded []byte, head Head) {
	h := p.held[id]
	if h == nil {
		h = &held{}
		p.held[id] = h
		p.phases[none]++
	}
	p.bytes += len(encoded) - len(h.encoded)
	h.encoded, h.due, h.pending = encoded, head.DueAt, head.Pending
	p.count(h, head.Closed, head.Ended)
	p.arm(id, h)
}

func (p *Partition) forget(id string) {
	if h := p.held[id]; h != nil {
		p.bytes -= len(h.encoded)
		p.phases[h.phase]--
		delete(p.held, id)
	}
}
