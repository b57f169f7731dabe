package consume

import (
	"fmt"
	"sync"
	"time"
)

// State is how a partition does.
type State string

// The states of a partition.
const (
	Starting State = "starting" // its position is being read and checked
	Running  State = "running"
	Waiting  State = "waiting" // for a dependency that is away (invariant 7)
	Paused   State = "paused"  // for an operator (invariant 7)
	Stopped  State = "stopped" // its position does not fit the log: for an operator, too
)

// Status is how a partition does, for all to see.
type Status struct {
	changed func()        // called after each progress
	signal  chan struct{} // has an element once something was accepted

	mu       sync.Mutex
	state    State
	reason   string
	since    time.Time
	next     int64 // every record below it is done; -1 until the position is known
	end      int64 // of the log when the partition was assigned; 0 once it was reached
	pausedAt int64
	accepted *int64
}

// NewStatus returns the status of a partition that has not started; changed is
// called after each progress.
func NewStatus(changed func()) *Status {
	return &Status{changed: changed, signal: make(chan struct{}, 1), state: Starting, reason: "its position is being read", since: time.Now(), next: -1}
}

// State returns the state, and where it is not running, why.
func (s *Status) State() (State, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state, s.reason
}

// Next is the offset below which every record is done; -1 until the position is known.
func (s *Status) Next() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

// Accept lets a paused partition go on: records up to that offset are dead-lettered
// where they are bad, however many, and the rule begins anew after it.
func (s *Status) Accept(upTo int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != Paused {
		return fmt.Errorf("consume: the partition is not paused but %s", s.state)
	}
	if upTo < s.pausedAt {
		return fmt.Errorf("consume: the partition is paused at offset %d: accept up to that offset or beyond, not %d", s.pausedAt, upTo)
	}
	s.accepted = &upTo
	select {
	case s.signal <- struct{}{}:
	default:
	}
	return nil
}

// Stop shows the partition as stopped; true where it was not before.
func (s *Status) Stop(why error) bool { return s.stop(Stopped, why.Error()) }

// Behind is how many offsets are still to be done up to the end that the log had when the partition was assigned;
// 0 once that was reached, for good.
func (s *Status) Behind() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(0, s.end-max(0, s.next))
}

// opened shows where the partition begins, and the end that it has to reach.
func (s *Status) opened(next, end int64) {
	s.mu.Lock()
	s.end = end
	s.mu.Unlock()
	s.progress(next)
}

// reached shows that all was done that could be read. The end may lie further, behind a transaction that is open.
func (s *Status) reached() {
	s.mu.Lock()
	s.end = 0
	s.mu.Unlock()
}

func (s *Status) acceptSignal() <-chan struct{} { return s.signal }

func (s *Status) takeAccepted() (upTo int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.accepted == nil {
		return 0, false
	}
	upTo, s.accepted = *s.accepted, nil
	return upTo, true
}

func (s *Status) progress(next int64) {
	s.mu.Lock()
	moved := s.next != next
	s.next = next
	if next >= s.end {
		s.end = 0
	}
	s.mu.Unlock()
	if moved {
		s.changed()
	}
}

// run shows the partition as running; since when it was not, and whether it waited, was paused or stopped.
func (s *Status) run() (since time.Time, was bool) {
	s.mu.Lock()
	since, was = s.since, s.state == Waiting || s.state == Paused || s.state == Stopped
	moved := s.state != Running
	if moved {
		s.state, s.reason, s.since = Running, "", time.Now()
	}
	s.mu.Unlock()
	if moved {
		s.changed()
	}
	return since, was
}

// wait shows the partition as waiting; true where it was not before.
func (s *Status) wait(stage string, err error) bool {
	return s.stop(Waiting, fmt.Sprintf("%s: %v", stage, err))
}

// pause shows the partition as paused; true where it was not before.
func (s *Status) pause(offset int64, bad, of int) bool {
	s.mu.Lock()
	s.pausedAt = offset
	s.mu.Unlock()
	return s.stop(Paused, fmt.Sprintf("paused at offset %d: %d of the last %d records could not be decoded, and nor can this one; accept up to an offset to go on", offset, bad, of))
}

func (s *Status) stop(state State, reason string) bool {
	s.mu.Lock()
	entered := s.state != state
	if entered {
		s.since = time.Now()
	}
	s.state, s.reason = state, reason
	s.mu.Unlock()
	if entered {
		s.changed()
	}
	return entered
}
