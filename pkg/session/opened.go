package session

import "sync"

// opened is a session that the batch in hand has touched.
type opened struct {
	*State
	slot    uint32
	phase   phase // as it is written
	changed bool
}

// rooms are sessions of batches that are done with: a batch touches thousands, and each wants room for its events.
var rooms = sync.Pool{New: func() any { return &opened{State: New("")} }}

// take makes room for a session for the rest of the batch.
func (p *Partition) take(slot uint32) *opened {
	s := rooms.Get().(*opened)
	s.slot = slot
	p.open[slot] = s
	return s
}

// give hands the room on. Nothing that has left the partition refers to it.
func (s *opened) give() {
	s.State.reset("")
	s.phase, s.changed = none, false
	rooms.Put(s)
}

// of returns the session that an event is for, new or decoded.
func (p *Partition) of(id string) (*opened, error) {
	slot, found := p.held.find(id)
	if !found {
		slot = p.held.add(id, nil)
		s := p.take(slot)
		s.State.reset(id)
		return s, nil
	}
	s, err := p.session(slot)
	if err == nil && p.rules.Gone(s.State, p.pos.Clock) {
		// Its marker has gone in this very batch: what comes for it begins a new session.
		s.State.reset(id)
	}
	return s, err
}

// session returns the session decoded, for the rest of the batch.
func (p *Partition) session(slot uint32) (*opened, error) {
	if s := p.open[slot]; s != nil {
		return s, nil
	}
	id, encoded := p.held.get(slot)
	s := p.take(slot)
	if err := s.State.parse(string(id), encoded); err != nil {
		return nil, err
	}
	s.phase = phaseOf(s.Closed(), s.Final)
	return s, nil
}

// settle puts the session's deadline where due and NextDue find it.
func (p *Partition) settle(s *opened) {
	s.changed = true
	p.timers.arm(s.slot, s.DueAt)
}

func (p *Partition) forget(slot uint32, was phase) {
	p.timers.remove(slot)
	p.held.remove(slot)
	p.phases[was]--
}
