// Package importer takes files of lifecycle events in: JSON Lines of structured
// CloudEvents. The order within a service id is kept. A line that is no event is
// named with its reason, and nothing else is lost because of it.
package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/intake"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/services/producer"
)

// Component is the importer's name in dead letters.
const Component = "import"

// chunk is how many lines are written together.
const chunk = 2000

// Counts are what became of the lines of a file.
type Counts struct {
	Name    string `json:"name"`
	Lines   int64  `json:"lines"`   // that are not blank
	Events  int64  `json:"events"`  // acknowledged by the log
	Refused int64  `json:"refused"` // no event; each is a dead letter of component import
}

// Refusal is a line that was not taken in.
type Refusal struct {
	File    string
	Line    int64
	Refusal *intake.Refusal
}

// Accepter writes events to the log; *producer.Accepter is one.
type Accepter interface {
	Accept(ctx context.Context, items []producer.Item) []producer.Fate
}

// Letters writes dead letters and returns once they are durable; *deadletter.Writer is one.
type Letters interface {
	Write(ctx context.Context, letters []*callback.DeadLetter) error
}

// Importer takes files in.
type Importer struct {
	Accepter Accepter
	Letters  Letters
	// Now is the clock of arrival.
	Now func() time.Time
	// Refused is told of every line that is no event; it may be nil.
	Refused func(Refusal)
	// Progress is told how many lines have been dealt with; it may be nil.
	Progress func(lines int)
}

type batch struct {
	lines   int64
	items   []producer.Item
	letters []*callback.DeadLetter
}

// File takes one file in and returns once all of it is in the log, or a dead letter.
func (m *Importer) File(ctx context.Context, name string, r io.Reader) (Counts, error) {
	counts := Counts{Name: name}
	batches := make(chan *batch, 2)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(batches)
		return m.parse(ctx, name, r, batches)
	})
	g.Go(func() error {
		for b := range batches {
			if err := m.write(ctx, b); err != nil {
				return err
			}
			counts.Lines += b.lines
			counts.Events += int64(len(b.items))
			counts.Refused += int64(len(b.letters))
			if m.Progress != nil {
				m.Progress(int(b.lines))
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return counts, fmt.Errorf("import: %s: %w", name, err)
	}
	return counts, nil
}

// parse reads the file ahead of the writing, a few batches at most.
func (m *Importer) parse(ctx context.Context, name string, r io.Reader, batches chan<- *batch) error {
	lines := intake.NewLines(r)
	b := &batch{}
	flush := func() error {
		select {
		case batches <- b:
			b = &batch{}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for {
		line, err := lines.Next()
		if errors.Is(err, io.EOF) {
			return flush()
		}
		if err != nil {
			return err
		}
		b.lines++
		event, tracing, refusal := line.Parse(m.Now())
		if refusal != nil {
			b.letters = append(b.letters, m.letter(name, &line, refusal))
		} else {
			b.items = append(b.items, producer.Item{Event: event, Tracing: tracing})
		}
		if b.lines >= chunk {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}

func (m *Importer) letter(name string, line *intake.Line, refusal *intake.Refusal) *callback.DeadLetter {
	if m.Refused != nil {
		m.Refused(Refusal{File: name, Line: line.Number, Refusal: refusal})
	}
	d := &callback.DeadLetter{
		Component: Component, Topic: name, Offset: line.Number, Reason: refusal.Code, Detail: refusal.Detail(),
		RecordTime: m.Now(), RecordValue: append([]byte(nil), line.Raw...),
	}
	if refusal.Subject != "" {
		d.ServiceID = &refusal.Subject
	}
	return d
}

// write repeats what an outage kept from being written (invariant 7). An event
// whose outcome is unknown is written again: its id makes the second one no news.
func (m *Importer) write(ctx context.Context, b *batch) error {
	items := b.items
	for backoff := 20 * time.Millisecond; len(items) > 0; backoff = min(2*backoff, 2*time.Second) {
		var again []producer.Item
		for i, fate := range m.Accepter.Accept(ctx, items) {
			switch {
			case fate.Err == nil:
			case ctx.Err() != nil:
				return ctx.Err()
			case errors.Is(fate.Err, kafka.ErrQueueFull), errors.Is(fate.Err, kafka.ErrOutcomeUnknown), fault.ClassOf(fate.Err) == fault.Outage:
				// What follows in the same session goes again, too, so that its order is kept.
				again = append(again, items[i:]...)
			default:
				return fmt.Errorf("event %q of %q: %w", items[i].Event.ID, items[i].Event.Source, fate.Err)
			}
			if again != nil {
				break
			}
		}
		if items = again; len(items) > 0 && !wait(ctx, backoff) {
			return ctx.Err()
		}
	}
	return m.Letters.Write(ctx, b.letters)
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
