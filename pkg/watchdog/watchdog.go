// Package watchdog notices work that hangs. A loop says that it goes on, and rests where it has nothing to
// do or waits for an operator; one that is silent for longer than the bound is stuck, and its process is
// better started anew. Waiting for a dependency that is away is no silence: each try says so (invariant 7).
package watchdog

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Bound is the longest silence of work whose own time-outs are the defaults.
const Bound = 5 * time.Minute

// Watch watches loops. A nil one watches none.
type Watch struct {
	bound time.Duration
	start time.Time // ages are measured from it by the monotonic clock

	mu    sync.Mutex
	loops map[*Loop]struct{}
}

// New returns a Watch with that bound, which must be longer than the longest single step of any loop.
func New(bound time.Duration) *Watch {
	return &Watch{bound: bound, start: time.Now(), loops: map[*Loop]struct{}{}}
}

// Loop is work that is watched. A nil one is not.
type Loop struct {
	watch *Watch
	name  string
	last  atomic.Int64 // since the watch's start; resting where it rests
}

const resting = -1

// Loop begins to watch work of that name, which is shown to operators: no value of an event (invariant 10).
func (w *Watch) Loop(name string) *Loop {
	if w == nil {
		return nil
	}
	l := &Loop{watch: w, name: name}
	l.Beat()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loops[l] = struct{}{}
	return l
}

// Beat says that the work goes on.
func (l *Loop) Beat() {
	if l != nil {
		l.last.Store(int64(time.Since(l.watch.start)))
	}
}

// Rest says that the work rightly stands still, until the next Beat.
func (l *Loop) Rest() {
	if l != nil {
		l.last.Store(resting)
	}
}

// End ends the watch over the work.
func (l *Loop) End() {
	if l == nil {
		return
	}
	l.watch.mu.Lock()
	defer l.watch.mu.Unlock()
	delete(l.watch.loops, l)
}

// Live says which work is stuck, and since when; nil: none.
func (w *Watch) Live() error {
	if w == nil {
		return nil
	}
	now := time.Since(w.start)
	w.mu.Lock()
	defer w.mu.Unlock()
	var stuck []string
	for l := range w.loops {
		last := l.last.Load()
		if silent := now - time.Duration(last); last != resting && silent > w.bound {
			stuck = append(stuck, fmt.Sprintf("%s has not gone on for %s", l.name, silent.Round(time.Second)))
		}
	}
	if stuck == nil {
		return nil
	}
	slices.Sort(stuck)
	return errors.New(strings.Join(stuck, "\n"))
}
