package scenario

import (
	"bufio"
	"container/heap"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// Generator makes import files of any size: sessions of every outcome, as many as a
// busy site has, their events interleaved by time. The same settings give the same
// bytes. It holds only the sessions that are under way, so memory does not grow
// with the file.
type Generator struct {
	Seed     uint64
	Sessions int
	// Start is when the first session starts; zero is 2026-03-02T00:00:00Z. A session starts every two seconds on average.
	Start time.Time
	// Shuffle is how many lines are held back, to be written in any order; 0 or 1 keeps the order of happening, in
	// which each session is in lifecycle order.
	Shuffle int
	// Repeat is the share of events, from 0 to 1, that are written twice; the second time comes at once, or
	// somewhere among the lines held back.
	Repeat float64
}

// Counts is what a generated file holds, and what must come of it. Every session
// ends, so it makes two UserEvents when its events come in lifecycle order, and one
// row of CALLBACK_LATEST in any.
type Counts struct {
	Sessions     int            // service ids
	Events       int            // different events; an import applies all of them
	Repeated     int            // lines that repeat an event; already applied
	Bytes        int64          // length of the file
	Dispositions map[string]int // sessions by their last _CB_DISPOSITION
}

// Lines is the number of lines of the file.
func (c Counts) Lines() int { return c.Events + c.Repeated }

// Generate writes a file of that many sessions in order of happening.
func Generate(seed uint64, sessions int, w io.Writer) (Counts, error) {
	return Generator{Seed: seed, Sessions: sessions}.Write(w)
}

// Write writes the file.
func (g Generator) Write(w io.Writer) (Counts, error) {
	if g.Sessions < 0 || g.Shuffle < 0 || g.Repeat < 0 || g.Repeat > 1 {
		return Counts{}, fmt.Errorf("scenario: generate: %d sessions, %d held back, share %g repeated: out of range", g.Sessions, g.Shuffle, g.Repeat)
	}
	if g.Start.IsZero() {
		g.Start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	}
	out := &output{
		w:      bufio.NewWriterSize(w, 256<<10),
		random: rand.New(rand.NewPCG(g.Seed, 1)),
		hold:   g.Shuffle,
		repeat: g.Repeat,
		counts: Counts{Sessions: g.Sessions, Dispositions: map[string]int{}},
	}
	random := rand.New(rand.NewPCG(g.Seed, 0))
	now := g.Start.UnixMilli()
	var ahead happenings
	for n := range g.Sessions {
		now += random.Int64N(4001)
		// Nothing that is still to come happens before now.
		for len(ahead) > 0 && ahead[0].at <= now {
			out.write(heap.Pop(&ahead).(happening).line)
		}
		s := newStory(random, g.Seed, n, now)
		out.counts.Dispositions[s.tell()]++
		for i, line := range s.lines {
			heap.Push(&ahead, happening{s.times[i], n, i, line})
		}
	}
	for len(ahead) > 0 {
		out.write(heap.Pop(&ahead).(happening).line)
	}
	if err := out.flush(); err != nil {
		return Counts{}, fmt.Errorf("scenario: generate: %w", err)
	}
	return out.counts, nil
}

// happening is an event that is still to come: a heap by time, then session and its own order.
type happening struct {
	at       int64
	session  int
	position int
	line     []byte
}

type happenings []happening

func (h happenings) Len() int { return len(h) }
func (h happenings) Less(i, j int) bool {
	a, b := &h[i], &h[j]
	if a.at != b.at {
		return a.at < b.at
	}
	if a.session != b.session {
		return a.session < b.session
	}
	return a.position < b.position
}
func (h happenings) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *happenings) Push(x any)   { *h = append(*h, x.(happening)) }
func (h *happenings) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last] = happening{}
	*h = (*h)[:last]
	return x
}

// output writes lines, through the ones held back where the file is shuffled.
type output struct {
	w      *bufio.Writer
	random *rand.Rand
	hold   int
	repeat float64
	held   [][]byte
	counts Counts
}

func (o *output) write(line []byte) {
	o.counts.Events++
	o.pass(line)
	if o.repeat > 0 && o.random.Float64() < o.repeat {
		o.counts.Repeated++
		o.pass(line)
	}
}

func (o *output) pass(line []byte) {
	if len(o.held) < o.hold {
		o.held = append(o.held, line)
		return
	}
	if o.hold > 0 {
		i := o.random.IntN(len(o.held))
		line, o.held[i] = o.held[i], line
	}
	o.emit(line)
}

// emit leaves a failure to flush, which returns the first one.
func (o *output) emit(line []byte) {
	_, _ = o.w.Write(line)
	_ = o.w.WriteByte('\n')
	o.counts.Bytes += int64(len(line)) + 1
}

func (o *output) flush() error {
	o.random.Shuffle(len(o.held), func(i, j int) { o.held[i], o.held[j] = o.held[j], o.held[i] })
	for _, line := range o.held {
		o.emit(line)
	}
	return o.w.Flush()
}
