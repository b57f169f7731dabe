package scenario

import (
	"math/rand/v2"
	"time"
)

// Event is an event of a session.
type Event struct {
	At   time.Time
	Line []byte // a CloudEvent in structured JSON; its time is At
}

// Play is the n-th of the sessions of a seed, as it goes when it begins at start and everything takes
// speed times less than in life: its events in lifecycle order, and the disposition that it ends with. No
// two sessions of a seed share an id, nor do those of two seeds.
func Play(seed uint64, n int, start time.Time, speed float64) (events []Event, disposition string) {
	s := newStory(rand.New(rand.NewPCG(seed, uint64(n)+2)), seed, n, start.UnixMilli())
	s.speed = speed
	disposition = s.tell()
	events = make([]Event, len(s.lines))
	for i, line := range s.lines {
		events[i] = Event{At: time.UnixMilli(s.times[i]).UTC(), Line: line}
	}
	return events, disposition
}

// MeanEvents is how many events a session has on average.
func MeanEvents() float64 {
	const sample = 2000
	total := 0
	for n := range sample {
		events, _ := Play(1, n, time.Unix(0, 0), 1)
		total += len(events)
	}
	return float64(total) / sample
}
