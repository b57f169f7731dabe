package enricher

import (
	"context"
	"time"

	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
)

// ahead is a fetch under way while the batch before it is written. It reads and decides nothing: its records are looked
// at in their turn, and only if that batch has ended where they begin.
type ahead struct {
	offset int64
	cancel context.CancelFunc
	done   chan struct{}
	got    kafka.Fetched // once done is closed
	err    error
}

// request is a fetch from that offset on.
func (o *owner) request(offset int64, patience time.Duration) kafka.FetchRequest {
	return kafka.FetchRequest{Topic: topic.Lifecycle, Partition: o.number, Offset: offset, MaxBytes: o.cfg.BatchBytes, MaxWait: patience}
}

// fetchAhead begins to fetch from that offset on.
func (o *owner) fetchAhead(ctx context.Context, offset int64) {
	ctx, cancel := context.WithCancel(ctx)
	a := &ahead{offset: offset, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		a.got, a.err = o.kafka.Fetch(ctx, o.request(offset, 0))
	}()
	o.ahead = a
}

// fetched takes what was fetched ahead; false where nothing was, or not what is asked for, or it failed or brought
// nothing: the fetch that is made then meets the fault again.
func (o *owner) fetched(req kafka.FetchRequest) (kafka.Fetched, bool) {
	a := o.ahead
	if a == nil || a.offset != req.Offset { // as after a batch that ended before the end of what it was made of (invariant 4)
		o.dropAhead()
		return kafka.Fetched{}, false
	}
	<-a.done
	o.dropAhead()
	return a.got, a.err == nil && len(a.got.Records) > 0
}

// dropAhead ends a fetch under way and forgets what it brought.
func (o *owner) dropAhead() {
	if o.ahead == nil {
		return
	}
	o.ahead.cancel()
	<-o.ahead.done
	o.ahead = nil
}
