package consume

import (
	"context"
	"time"

	"github.com/ringback/ringback/pkg/kafka"
)

// gathered is what a gathering brought.
type gathered[T any] struct {
	records []kafka.Record
	values  []decoded[T] // of the first of the records
	next    int64        // where the next fetch goes on
	end     int64        // of the log
	err     error        // why there are no records
}

// decoded is a record that was decoded ahead; a record that could not be is looked at in its turn.
type decoded[T any] struct {
	value T
	ok    bool
}

// ahead is a gathering under way while the batch before it is applied. It reads and
// decodes, and decides nothing: the rules for bad records see each one in its turn.
type ahead[T any] struct {
	done   chan struct{}
	cancel context.CancelFunc
	got    gathered[T] // once done is closed
}

// readAhead begins to gather what comes after the pending records, unless enough of them are left.
func (p *Partition[T]) readAhead(ctx context.Context, left int) {
	if p.ahead != nil || left >= p.cfg.BatchRecords {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	a := &ahead[T]{done: make(chan struct{}), cancel: cancel}
	from, end := p.fetched, p.end
	go func() {
		defer close(a.done)
		a.got = p.collect(ctx, from, end)
		for i := range a.got.records[:min(len(a.got.records), p.cfg.BatchRecords)] {
			value, err := p.handler.Decode(ctx, &a.got.records[i])
			a.got.values = append(a.got.values, decoded[T]{value, err == nil})
		}
	}()
	p.ahead = a
}

// dropAhead ends a gathering under way and forgets what it brought.
func (p *Partition[T]) dropAhead() {
	if p.ahead != nil {
		p.ahead.cancel()
		<-p.ahead.done
		p.ahead = nil
	}
}

// takeAhead takes what was gathered ahead; false where nothing was, or, with records
// pending that need not wait for it, where that is not over yet.
func (p *Partition[T]) takeAhead(ctx context.Context) (gathered[T], bool) {
	a := p.ahead
	if a == nil {
		return gathered[T]{}, false
	}
	if len(p.pending) > 0 {
		select {
		case <-a.done:
		default:
			return gathered[T]{}, false
		}
	}
	select {
	case <-a.done:
	case <-ctx.Done():
		return gathered[T]{err: ctx.Err()}, true
	}
	a.cancel()
	p.ahead = nil
	return a.got, true
}

// collect fetches until there is a batch: by records, by bytes or by time, whichever
// comes first. Without any record it returns after one fetch.
func (p *Partition[T]) collect(ctx context.Context, from, end int64) gathered[T] {
	g := gathered[T]{next: from, end: end}
	var since time.Time // when the first record of the batch was there
	size, wait := 0, p.cfg.FetchWait
	for {
		page, err := p.log.Fetch(ctx, g.next, p.cfg.BatchBytes, wait)
		if err != nil {
			if len(g.records) == 0 || ctx.Err() != nil {
				g.records, g.err = nil, err
			}
			return g // what is there is not held up; the next fetch meets the fault again
		}
		g.next, g.end = page.Next, page.End
		g.records = append(g.records, page.Records...)
		if len(g.records) == 0 {
			return g
		}
		if since.IsZero() {
			since = time.Now()
		}
		for i := range page.Records {
			size += len(page.Records[i].Value)
		}
		wait = p.cfg.BatchLatency - time.Since(since)
		if len(g.records) >= p.cfg.BatchRecords || size >= p.cfg.BatchBytes || wait <= 0 {
			return g
		}
	}
}
