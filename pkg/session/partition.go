package session

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
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
	Tick  bool
	Flush bool // of a tick: settle and offer-grace deadlines are due
	Bad   *callback.BadRecord
}

// Position is how far a partition has been read, and how the records ended.
type Position struct {
	Next  int64 // next offset to fetch
	Clock int64 // largest timestamp read: milliseconds

	Read, Applied, AlreadyApplied, DeadLettered, Ticks int64 // invariant 2: Read is the sum of the others

	// Sessions is how many states there are with it, markers included; -1 in a position that
	// was written before they were counted.
	Sessions int64
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
	Outputs
	DeadLetters []SetAside
	States      []Changed
	Position    Position
	TimedOut    int
}

// Partition holds the sessions of one partition of the lifecycle topic. It is not
// safe for concurrent use. After an error, or when its effects could not be
// written, it must be thrown away and restored.
type Partition struct {
	rules  Rules
	pos    Position
	held   store
	timers timers

	// Of the batch in hand: the deadlines it may still evaluate, and the sessions it has touched, decoded.
	budget int
	open   map[uint32]*opened
	parted bool // its last record is to be read again

	phases [numPhases]int // number of sessions in each
}

// NewPartition makes a partition without sessions.
func NewPartition(rules Rules, number int32) *Partition {
	p := &Partition{rules: rules.WithDefaults(), held: newStore(), open: map[uint32]*opened{}}
	p.rules.partition, p.rules.room = number, &room{}
	p.timers.held = &p.held
	return p
}

// Restore takes a state read from the changelog; nil forgets the session.
func (p *Partition) Restore(serviceID string, encoded []byte) error {
	slot, found := p.held.find(serviceID)
	before := none
	if found {
		before = p.phase(slot)
	}
	if encoded == nil {
		if found {
			p.forget(slot, before)
		}
		return nil
	}
	head, err := ParseHead(encoded)
	if err != nil {
		return err
	}
	if found {
		p.held.put(slot, serviceID, encoded)
	} else {
		slot = p.held.add(serviceID, encoded)
	}
	p.count(before, phaseOf(head.Closed, head.Ended))
	p.timers.arm(slot, head.DueAt)
	return nil
}

// RestorePosition takes the position read from the changelog.
func (p *Partition) RestorePosition(pos Position) { p.pos = pos }

// Whole returns an error where the states that were restored are not as many as were written
// with the position: the changelog has lost some, and the sessions that they were of would
// begin anew (invariant 4).
func (p *Partition) Whole() error {
	if have := p.Sessions().total(); p.pos.Sessions >= 0 && have != p.pos.Sessions {
		return fmt.Errorf("session: %d states, of the %d that were written up to the position", have, p.pos.Sessions)
	}
	return nil
}

// Position returns how far the partition has been read.
func (p *Partition) Position() Position { return p.pos }

// Skip moves the position past records that nobody will ever read.
func (p *Partition) Skip(next int64) { p.pos.Next = next }

// Parted tells whether the last batch ended in the middle of a record that makes more due than one
// batch takes. All parts of it but the last have one and the same position, so that this says nothing then
// of how far the partition has come.
func (p *Partition) Parted() bool { return p.parted }

// Process reads records in offset order. next is the offset to fetch after them. The effects are good until Done.
func (p *Partition) Process(records []Record, next int64) (*Effects, error) {
	fx := &Effects{}
	if room, ok := sent.Get().(*[]Due[callback.UserEvent]); ok {
		fx.UserEvents = *room
	}
	clear(p.open) // should the last batch have failed
	p.budget, p.parted = maxDue, false
	for i := range records {
		err := p.read(i, &records[i], fx)
		if errors.Is(err, errPart) {
			// More is due than one transaction should hold. The record is read again: what
			// has been evaluated is not due any more, and the rest follows in the same order.
			next, p.parted = records[i].Offset, true
			break
		}
		if err != nil {
			return nil, err
		}
	}
	p.write(fx)
	p.pos.Next, p.pos.Sessions = next, p.Sessions().total()
	fx.Position = p.pos
	return fx, nil
}

// sent is memory of UserEvents that have been written: they are large.
var sent sync.Pool

// Done says that nobody needs the effects of a batch any more: their memory goes to others.
func (fx *Effects) Done() {
	room := fx.UserEvents
	fx.UserEvents = nil
	if cap(room) == 0 || cap(room) > maxDue {
		return
	}
	clear(room)
	room = room[:0]
	sent.Put(&room)
}

// write encodes the sessions that have changed, in the order of their service ids.
func (p *Partition) write(fx *Effects) {
	all := make([]*opened, 0, len(p.open))
	for _, s := range p.open {
		all = append(all, s)
	}
	clear(p.open)
	slices.SortFunc(all, func(a, b *opened) int { return strings.Compare(a.ServiceID, b.ServiceID) })
	fx.States = make([]Changed, 0, len(all))
	var room []byte // for all of them
	for _, s := range all {
		switch {
		case len(s.Events) == 0 && !s.Closed(), p.rules.Gone(s.State, p.pos.Clock):
			if s.phase != none { // else the one event that came for it was refused
				fx.States = append(fx.States, Changed{ServiceID: s.ServiceID})
			}
			p.forget(s.slot, s.phase)
		case s.changed:
			if cap(room)-len(room) < typical {
				room = make([]byte, 0, min(len(all), 200)*typical)
			}
			encoded := s.Append(room[len(room):])
			room = room[:len(room)+min(len(encoded), cap(room)-len(room))]
			encoded = encoded[:len(encoded):len(encoded)]
			p.held.put(s.slot, s.ServiceID, encoded)
			p.count(s.phase, phaseOf(s.Closed(), s.Final))
			fx.States = append(fx.States, Changed{ServiceID: s.ServiceID, Encoded: encoded})
		}
		s.give()
	}
}

// typical is what the state of a session takes that is under way.
const typical = 1 << 10

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
	s, err := p.of(r.Event.Subject)
	if err != nil {
		return err
	}
	verdict, err := p.rules.Apply(s.State, r.Event, r.Offset, r.Time, p.pos.Clock, &fx.Outputs)
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
		if err := p.evaluate(p.timers.first(), r, false, fx); err != nil {
			return err
		}
	}
}

// flush evaluates the sessions that wait for a settle or offer-grace deadline.
func (p *Partition) flush(r *Record, fx *Effects) error {
	type waiting struct {
		id   string
		slot uint32
	}
	var all []waiting
	for slot := range p.held.all {
		if p.pending(slot) {
			id, _ := p.held.get(slot)
			all = append(all, waiting{string(id), slot})
		}
	}
	slices.SortFunc(all, func(a, b waiting) int { return strings.Compare(a.id, b.id) })
	for _, w := range all {
		if err := p.evaluate(w.slot, r, true, fx); err != nil {
			return err
		}
	}
	return nil
}

func (p *Partition) evaluate(slot uint32, r *Record, flush bool, fx *Effects) error {
	if p.budget == 0 {
		return errPart
	}
	p.budget--
	s, err := p.session(slot)
	if err != nil {
		return err
	}
	if p.rules.Gone(s.State, p.pos.Clock) {
		// It is written as forgotten at the end of the batch.
		p.timers.remove(slot)
		return nil
	}
	before := s.TimedOut
	if err := p.rules.Due(s.State, p.pos.Clock, r.Time, flush, &fx.Outputs); err != nil {
		return err
	}
	if s.TimedOut && !before {
		fx.TimedOut++
	}
	p.settle(s)
	return nil
}
