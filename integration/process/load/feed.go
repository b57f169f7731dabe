package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/ringback/ringback/services/ringback/scenario"
)

// Feed gives out the events of generated sessions at a rate, with some among them that are bad on purpose.
type Feed struct {
	Seed     uint64
	Sessions int
	Rate     int // events a second
	Shuffle  int // how many events are held back, to be given out in any order; 0: the order of happening
	// One in so many events is followed by one that: has the id of it and another content; comes for its session
	// after a while, though that has ended; is all there is of a session that lacks mandatory KVPs. 0: none.
	Conflicts, Late, Lacking int
	LateMax                  time.Duration // the longest that a late one is held back

	conflicts, late, lacking, given atomic.Int64
}

// Injected counts the bad events given out.
type Injected struct{ Conflicts, Late, Lacking, Given int64 }

// Injected returns the counts so far.
func (f *Feed) Injected() Injected {
	return Injected{f.conflicts.Load(), f.late.Load(), f.lacking.Load(), f.given.Load()}
}

type envelope struct {
	ID      string    `json:"id"`
	Source  string    `json:"source"`
	Type    string    `json:"type"`
	Subject string    `json:"subject"`
	Time    time.Time `json:"time"`
}

// Run gives out events until enough says so or they are used up, then closes out.
func (f *Feed) Run(ctx context.Context, out chan<- Event, enough func() bool) error {
	defer close(out)
	in, file := io.Pipe()
	go func() {
		_, err := scenario.Generator{Seed: f.Seed, Sessions: f.Sessions, Shuffle: f.Shuffle, Repeat: 0.01}.Write(file)
		file.CloseWithError(err)
	}()
	defer in.Close()
	lines := bufio.NewReaderSize(in, 1<<20)
	random := rand.New(rand.NewPCG(f.Seed, 2))
	start := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var held []heldBack
	for n := 0; !enough(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		for len(held) > 0 && time.Since(start) > held[0].at {
			f.give(ctx, out, held[0].event)
			held = held[1:]
		}
		for due := int(time.Since(start).Seconds() * float64(f.Rate)); n < due; n++ {
			line, err := lines.ReadBytes('\n')
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return fmt.Errorf("load: %w", err)
			}
			line = bytes.TrimSuffix(line, []byte("\n"))
			var e envelope
			if err := json.Unmarshal(line, &e); err != nil {
				return fmt.Errorf("load: %w", err)
			}
			f.give(ctx, out, Event{e.Subject, line})
			if chance(random, f.Conflicts) {
				f.conflicts.Add(1)
				f.give(ctx, out, Event{e.Subject, other(line, e)})
			}
			if chance(random, f.Late) {
				f.late.Add(1)
				at := time.Since(start) + time.Duration(random.Int64N(int64(f.LateMax)))
				held = insert(held, heldBack{at, Event{e.Subject, news(e, "late", "callback.dialog_ended", `{"result":"ANSWERING_MACHINE"}`)}})
			}
			if chance(random, f.Lacking) {
				f.lacking.Add(1)
				e.Subject = "lacking-" + e.ID
				f.give(ctx, out, Event{e.Subject, news(e, "lacking", "callback.cancelled", `{}`)})
			}
		}
	}
	return nil
}

func chance(random *rand.Rand, oneIn int) bool { return oneIn > 0 && random.IntN(oneIn) == 0 }

func (f *Feed) give(ctx context.Context, out chan<- Event, e Event) {
	select {
	case out <- e:
		f.given.Add(1)
	case <-ctx.Done():
	}
}

type heldBack struct {
	at    time.Duration
	event Event
}

func insert(held []heldBack, h heldBack) []heldBack {
	i := len(held)
	for i > 0 && held[i-1].at > h.at {
		i--
	}
	held = append(held, heldBack{})
	copy(held[i+1:], held[i:])
	held[i] = h
	return held
}

// other is the event at another time: the same id, another content.
func other(line []byte, e envelope) []byte {
	var fields map[string]json.RawMessage
	if json.Unmarshal(line, &fields) != nil {
		panic("load: a generated line is no JSON") // it has just been read
	}
	fields["time"] = json.RawMessage(`"` + e.Time.Add(time.Second).Format(time.RFC3339Nano) + `"`)
	changed, err := json.Marshal(fields)
	if err != nil {
		panic(err) // it has just been JSON
	}
	return changed
}

func news(e envelope, what, typ, data string) []byte {
	return fmt.Appendf(nil, `{"specversion":"1.0","id":"%s-%s","source":%q,"type":%q,"subject":%q,"time":%q,"data":%s}`,
		what, e.ID, e.Source, typ, e.Subject, e.Time.Add(time.Minute).Format(time.RFC3339Nano), data)
}
