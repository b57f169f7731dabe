package session

// opened is a session that the batch in hand has touched.
type opened struct {
	*State
	slot    uint32
	phase   phase // as it is written
	changed bool
}

// of returns the session that an event is for, new or decoded.
func (p *Partition) of(id string) (*opened, error) {
	slot, found := p.held.find(id)
	if !found {
		slot = p.held.add(id, nil)
		s := &opened{State: New(id), slot: slot}
		p.open[slot] = s
		return s, nil
	}
	s, err := p.session(slot)
	if err == nil && p.rules.Gone(s.State, p.pos.Clock) {
		// Its marker has gone in this very batch: what comes for it begins a new session.
		s.State = New(id)
	}
	return s, err
}

// session returns the session decoded, for the rest of the batch.
func (p *Partition) session(slot uint32) (*opened, error) {
	if s := p.open[slot]; s != nil {
		return s, nil
	}
	id, encoded := p.held.get(slot)
	state, err := Parse(string(id), encoded)
	if err != nil {
		return nil, err
	}
	s := &opened{State: state, slot: slot, phase: phaseOf(state.Closed(), state.Final)}
	p.open[slot] = s
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
