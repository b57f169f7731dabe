package session

import "github.com/ringback/ringback/pkg/callback"

// Add is add, for tests of the encoding.
func (s *State) Add(e *callback.Event, offset int64) { s.add(e, offset) }

// Full is full, for tests of the encoding.
func (s *State) Full(i int) (*callback.Event, error) { return s.full(&s.Events[i]) }

// Types are the numbered types of event.
func Types() []callback.Type { return types[1:] }
