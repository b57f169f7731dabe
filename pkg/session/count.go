package session

// phase is how far a session is, for counting.
type phase uint8

const (
	none phase = iota
	openPhase
	endedPhase
	closedPhase
)

// Sessions counts the sessions of a partition.
type Sessions struct {
	Open   int // go on
	Ended  int // their last UserEvent was a FINAL
	Closed int // only a marker is left
	Bytes  int // of all their states, encoded
}

// Sessions counts the sessions held.
func (p *Partition) Sessions() Sessions {
	return Sessions{Open: p.phases[openPhase], Ended: p.phases[endedPhase], Closed: p.phases[closedPhase], Bytes: p.bytes}
}

func (p *Partition) count(h *held, closed, ended bool) {
	to := openPhase
	switch {
	case closed:
		to = closedPhase
	case ended:
		to = endedPhase
	}
	p.phases[h.phase]--
	p.phases[to]++
	h.phase = to
}
