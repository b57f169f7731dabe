// Package fault names the classes of error. The class decides the route: an
// outage is waited out and retried, bad data is dead-lettered, a misconfiguration
// refuses to start, and anything else is a bug that stops the process.
package fault

import (
	"errors"
	"fmt"

	"github.com/ringback/ringback/pkg/callback"
)

// Class is the class of an error.
type Class int

// The classes of error.
const (
	Bug              Class = iota // none of the others
	Outage                        // a dependency is away: wait, retry, say so (invariant 7)
	BadData                       // the record cannot be processed: dead letter
	Misconfiguration              // an operator must act: refuse to start
)

func (c Class) String() string {
	return [...]string{"bug", "outage", "bad data", "misconfiguration"}[c]
}

type classed struct {
	class Class
	err   error
}

func (e *classed) Error() string { return e.err.Error() }
func (e *classed) Unwrap() error { return e.err }

// Outagef makes an error of class Outage; it formats as fmt.Errorf does.
func Outagef(format string, args ...any) error {
	return &classed{Outage, fmt.Errorf(format, args...)}
}

// Misconfigf makes an error of class Misconfiguration; it formats as fmt.Errorf does.
func Misconfigf(format string, args ...any) error {
	return &classed{Misconfiguration, fmt.Errorf(format, args...)}
}

// ClassOf returns the class of the outermost classed error in err's chain. A
// *callback.BadRecord is BadData; an error that has no class is a Bug.
func ClassOf(err error) Class {
	var c *classed
	if errors.As(err, &c) {
		return c.class
	}
	var bad *callback.BadRecord
	if errors.As(err, &bad) {
		return BadData
	}
	return Bug
}
