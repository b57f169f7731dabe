package session

// phase is how far a session is, for counting.
type phase uint8

const (
	none phase = iota // no state of it is written yet
	openPhase
	endedPhase
	closedPhase
	numPhases
)

func phaseOf(closed, ended bool) phase {
	switch {
	case closed:
		return closedPhase
	case ended:
		return endedPhase
	default:
		return openPhase
	}
}

// Sessions counts the sessions of a partition.
type Sessions struct {
	Open   int // go on
	Ended  int // their last UserEvent was a FINAL
	Closed int // only a marker is left
	Bytes  int // of all their states, encoded
}

func (s Sessions) total() int64 { return int64(s.Open + s.Ended + s.Closed) }

// Sessions counts the sessions held.
func (p *Partition) Sessions() Sessions {
	return Sessions{Open: p.phases[openPhase], Ended: p.phases[endedPhase], Closed: p.phases[closedPhase], Bytes: p.held.encoded}
}

func (p *Partition) count(from, to phase) {
	p.phases[from]--
	p.phases[to]++
}

// head is what a held state says, as of the batch in hand.
func (p *Partition) head(slot uint32) Head {
	if s := p.open[slot]; s != nil {
		return Head{DueAt: s.DueAt, Pending: s.Pending, Closed: s.Closed(), Ended: s.Final}
	}
	_, encoded := p.held.get(slot)
	head, _ := ParseHead(encoded) // it was read when it was taken in
	return head
}

func (p *Partition) phase(slot uint32) phase {
	head := p.head(slot)
	return phaseOf(head.Closed, head.Ended)
}

func (p *Partition) pending(slot uint32) bool { return p.head(slot).Pending }
