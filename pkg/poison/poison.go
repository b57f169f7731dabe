// Package poison holds the rule that stops a reader from dead-lettering a whole
// topic (invariant 7): if more than half of a partition's last 200 records, of at
// least 50, cannot be decoded, the fault is not in the records one by one, and the
// partition is paused until an operator says otherwise.
//
// It is pure; the reader decides what to do about a pause.
package poison

import "github.com/ringback/ringback/pkg/callback"

const (
	// Size is the number of records that the rule looks back on.
	Size = 200
	// Min is the number of records below which it never pauses.
	Min = 50
)

// Window remembers which of a partition's last records could not be decoded. The
// zero Window is empty and ready. It is a value: a copy of it is a snapshot.
type Window struct {
	bad    [Size]bool // a ring; oldest at head once it is full
	head   int        // where the next record goes
	n      int        // records in the ring
	badSum int
}

// Observe takes the next record in offset order. It returns true where that record
// is bad and makes more than half of the last Size records bad, of at least Min: it
// must then not be dead-lettered, and has not been recorded, so that it can be
// observed again when it is read again. A good record never pauses: there is
// nothing to set aside.
func (w *Window) Observe(bad bool) (pause bool) {
	n, sum := min(w.n+1, Size), w.badSum
	if w.n == Size && w.bad[w.head] {
		sum--
	}
	if bad {
		sum++
		// invariant 7: pause BEFORE one more is dead-lettered.
		if n >= Min && 2*sum > n {
			return true
		}
	}
	w.bad[w.head] = bad
	w.head = (w.head + 1) % Size
	w.n, w.badSum = n, sum
	return false
}

// Counts returns how many of the records it remembers were bad.
func (w *Window) Counts() (bad, of int) { return w.badSum, w.n }

// Reset forgets everything, as after an operator has accepted the bad records.
func (w *Window) Reset() { *w = Window{} }

// Snapshot returns a copy, for a batch that may have to be undone.
func (w *Window) Snapshot() Window { return *w }

// Restore goes back to a snapshot.
func (w *Window) Restore(s Window) { *w = s }

// CountsAs reports whether a record that is set aside for this reason counts as
// undecodable. LATE, CONFLICT, missing KVPs and the like never count: those
// records could be read.
func CountsAs(reason callback.Reason) bool {
	switch reason {
	case callback.ReasonUndecodable, callback.ReasonUnknownSchema, callback.ReasonNotCloudEvent:
		return true
	}
	return false
}
