// Package simulate makes load for a running producer: callback sessions as a busy site has them, each
// event sent when it happens.
package simulate

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/services/ringback/scenario"
)

// Config says what load is made.
type Config struct {
	URL   string // base address of the producer
	Token string // bearer token; empty: none is sent
	// SessionRate is how many sessions begin a second on average, at random moments.
	SessionRate float64
	// Speed is how many times faster than in life a session goes.
	Speed float64
	// Sessions is after how many no new one begins, Duration after how long; 0: without end. Those under
	// way then go to their end.
	Sessions int
	Duration time.Duration
	Seed     uint64
	// Parallel is how many requests are under way at once. The events of a session go in order.
	Parallel int

	// Do sends a request. Say is told what is waited for.
	Do  func(*http.Request) (*http.Response, error)
	Say func(format string, args ...any)
}

// Validate returns every fault; each names its flag.
func (c *Config) Validate() error {
	var faults []error
	positive := func(flag string, v float64) {
		if !(v > 0) || math.IsInf(v, 0) {
			faults = append(faults, fmt.Errorf("%s: must be over 0, is %g", flag, v))
		}
	}
	positive("--session-rate", c.SessionRate)
	positive("--speed", c.Speed)
	positive("--parallel", float64(c.Parallel))
	if c.Sessions < 0 {
		faults = append(faults, fmt.Errorf("--sessions: must not be negative, is %d", c.Sessions))
	}
	if c.Duration < 0 {
		faults = append(faults, fmt.Errorf("--duration: must not be negative, is %s", c.Duration))
	}
	if err := errors.Join(faults...); err != nil {
		return fault.Misconfigf("simulate: %w", err)
	}
	return nil
}

// maxWaiting is how many events may wait to be sent before no more sessions begin.
const maxWaiting = 20_000

// event is an event of a session that is under way.
type event struct {
	scenario.Event
	session *session
}

type session struct {
	number      int
	left        int // events that are not answered for good
	disposition string
}

// Run makes the load until its end, or until ctx ends: requests under way are then seen through, and no
// more are sent. The error is a misconfiguration where the producer refuses the token or what it is sent.
func Run(ctx context.Context, c Config) (Counts, error) {
	if err := c.Validate(); err != nil {
		return Counts{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t := &tally{counts: Counts{Refused: map[string]int{}, Dispositions: map[string]int{}}}
	lanes := make([]*lane, c.Parallel)
	var group sync.WaitGroup
	for i := range lanes {
		l := &lane{cfg: &c, tally: t, wake: make(chan struct{}, 1)}
		lanes[i] = l
		group.Go(func() {
			if err := l.run(ctx); err != nil {
				cancel(err)
			}
		})
	}
	c.play(ctx, lanes, t)
	for _, l := range lanes {
		l.end()
	}
	group.Wait()
	counts := t.end()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return counts, err
	}
	return counts, nil
}

// play begins sessions and gives their events to the lanes when they happen.
func (c *Config) play(ctx context.Context, lanes []*lane, t *tally) {
	random := rand.New(rand.NewPCG(c.Seed, 1))
	began := time.Now()
	next := began
	var ahead happenings
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := 0; ; {
		now := time.Now()
		for len(ahead) > 0 && !ahead[0].At.After(now) {
			e := heap.Pop(&ahead).(event)
			lanes[e.session.number%len(lanes)].put(e)
			t.happened(now)
		}
		more := (c.Sessions == 0 || n < c.Sessions) && (c.Duration == 0 || next.Sub(began) < c.Duration)
		if !more && len(ahead) == 0 {
			return
		}
		if more && !next.After(now) {
			if t.waiting() < maxWaiting {
				events, ends := scenario.Play(c.Seed, n, now, c.Speed)
				s := &session{number: n, left: len(events), disposition: ends}
				for _, e := range events {
					heap.Push(&ahead, event{e, s})
				}
				n++
				t.began()
			} else {
				t.heldBack() // the producer does not keep up: more would only fill memory
			}
			next = next.Add(time.Duration(random.ExpFloat64() / c.SessionRate * float64(time.Second)))
			continue
		}
		wake := next
		if len(ahead) > 0 && (!more || ahead[0].At.Before(next)) {
			wake = ahead[0].At
		}
		timer.Reset(time.Until(wake))
		select {
		case <-timer.C:
		case <-ctx.Done():
			t.never(len(ahead))
			return
		}
	}
}

// happenings are events that are still to come: a heap by time.
type happenings []event

func (h happenings) Len() int           { return len(h) }
func (h happenings) Less(i, j int) bool { return h[i].At.Before(h[j].At) }
func (h happenings) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *happenings) Push(x any)        { *h = append(*h, x.(event)) }
func (h *happenings) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last] = event{}
	*h = (*h)[:last]
	return x
}
