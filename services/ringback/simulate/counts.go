package simulate

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Counts is what became of the load.
type Counts struct {
	Sessions     int            `json:"sessions"`            // begun
	Finished     int            `json:"finished"`            // all of whose events were answered for good
	HeldBack     int            `json:"held_back"`           // not begun, because too many events waited
	Happened     int            `json:"events"`              // events that happened
	Accepted     int            `json:"accepted"`            // of these
	Refused      map[string]int `json:"refused"`             // of these, by the code of the reason
	Unsent       int            `json:"unsent"`              // of these, left when it was stopped
	Ahead        int            `json:"still_to_come"`       // events that had not happened when it was stopped
	Again        int            `json:"sent_again"`          // times that an event was sent once more, with the same id
	LatestMillis int64          `json:"latest_ms"`           // the longest from an event to its answer
	Dispositions map[string]int `json:"dispositions"`        // of the sessions that are finished
	Seconds      float64        `json:"seconds"`             // from the first event to the last
	PerSecond    float64        `json:"accepted_per_second"` // over these
}

// RefusedEvents is how many events were refused.
func (c *Counts) RefusedEvents() int {
	n := 0
	for _, of := range c.Refused {
		n += of
	}
	return n
}

// Print shows the counts.
func (c *Counts) Print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "sessions  %d begun, %d finished, %d under way, %d held back\n", c.Sessions, c.Finished, c.Sessions-c.Finished, c.HeldBack)
	fmt.Fprintf(&b, "events    %d happened, %d accepted, %d refused, %d unsent; %d still to come\n", c.Happened, c.Accepted, c.RefusedEvents(), c.Unsent, c.Ahead)
	for _, code := range slices.Sorted(maps.Keys(c.Refused)) {
		fmt.Fprintf(&b, "refused   %d as %s\n", c.Refused[code], code)
	}
	fmt.Fprintf(&b, "answers   %.1f events/s accepted, the latest %d ms after it happened; %d sent again\n", c.PerSecond, c.LatestMillis, c.Again)
	for _, d := range slices.Sorted(maps.Keys(c.Dispositions)) {
		fmt.Fprintf(&b, "ended     %d %s\n", c.Dispositions[d], d)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// tally counts, for all lanes.
type tally struct {
	mu          sync.Mutex
	counts      Counts
	first, last time.Time
	told        string
}

func (t *tally) add(f func(*Counts)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.counts)
}

func (t *tally) began()      { t.add(func(c *Counts) { c.Sessions++ }) }
func (t *tally) heldBack()   { t.add(func(c *Counts) { c.HeldBack++ }) }
func (t *tally) never(n int) { t.add(func(c *Counts) { c.Ahead = n }) }

func (t *tally) happened(now time.Time) {
	t.add(func(c *Counts) { c.Happened++ })
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first.IsZero() {
		t.first = now
	}
}

// waiting is how many events have happened and are not answered for good.
func (t *tally) waiting() (n int) {
	t.add(func(c *Counts) { n = c.Happened - c.Accepted - c.RefusedEvents() })
	return n
}

// answered notes the answer to an event: refused is the reason's code, or empty.
func (t *tally) answered(e event, refused string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = now
	c := &t.counts
	if refused == "" {
		c.Accepted++
	} else {
		c.Refused[refused]++
	}
	c.LatestMillis = max(c.LatestMillis, now.Sub(e.At).Milliseconds())
	if e.session.left--; e.session.left == 0 {
		c.Finished++
		c.Dispositions[e.session.disposition]++
	}
}

// news tells whether a reason to wait is another than the last one that was told.
func (t *tally) news(why string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	is := t.told != why
	t.told = why
	return is
}

func (t *tally) end() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counts
	c.Unsent = c.Happened - c.Accepted - c.RefusedEvents()
	if span := t.last.Sub(t.first).Seconds(); span > 0 {
		c.Seconds, c.PerSecond = span, float64(c.Accepted)/span
	}
	return c
}
