// Package importer takes files of lifecycle events in: JSON Lines of structured
// CloudEvents. The order within a service id is kept. A line that is no event is
// named with its reason, and nothing else is lost because of it.
package importer

import (
	"context"
	"crypto/sha256"
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

// chunk and chunkBytes bound what is written together.
const (
	chunk      = 2000
	chunkBytes = 4 << 20
)

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
	// Waiting is told why an import does not go on, every few seconds; it may be nil.
	Waiting func(error)
	// Progress is told how many lines have been dealt with; it may be nil.
	Progress func(lines int)
}

type batch struct {
	lines   int64
	bytes   int
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
			events := int64(len(b.items))
			if err := m.write(ctx, b); err != nil {
				return err
			}
			counts.Lines += b.lines
			counts.Events += events
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
		b.bytes += len(line.Raw)
		event, tracing, refusal := line.Parse(m.Now())
		if refusal != nil {
			b.letters = append(b.letters, m.letter(name, &line, refusal))
		} else {
			b.items = append(b.items, producer.Item{Event: event, Tracing: tracing})
		}
		// What has been read is not held back while the next line is waited for.
		if b.lines >= chunk || b.bytes >= chunkBytes || !lines.Buffered() {
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
	// The id tells the line apart from that number in another file of the same name.
	of := sha256.Sum256(line.Raw)
	d := &callback.DeadLetter{
		Component: Component, Topic: fmt.Sprintf("%s#%x", name, of[:4]), Offset: line.Number, Reason: refusal.Code, Detail: refusal.Detail(),
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
	err := m.insist(ctx, func() error {
		for i, fate := range m.Accepter.Accept(ctx, b.items) {
			if fate.Err != nil {
				err := fmt.Errorf("event %q of %q: %w", b.items[i].Event.ID, b.items[i].Event.Source, fate.Err)
				// What follows in the same session goes again, too, so that its order is kept.
				b.items = b.items[i:]
				return err
			}
		}
		b.items = nil
		return nil
	})
	if err != nil {
		return err
	}
	return m.insist(ctx, func() error { return m.Letters.Write(ctx, b.letters) })
}

// insist calls f until it ends in something else than an outage.
func (m *Importer) insist(ctx context.Context, f func() error) error {
	for backoff := 20 * time.Millisecond; ; backoff = min(2*backoff, 2*time.Second) {
		err := f()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.Is(err, kafka.ErrQueueFull) && !errors.Is(err, kafka.ErrOutcomeUnknown) && fault.ClassOf(err) != fault.Outage:
			return err
		}
		if backoff > time.Second && m.Waiting != nil {
			m.Waiting(err)
		}
		if !wait(ctx, backoff) {
			return ctx.Err()
		}
	}
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
