package producer

import (
	"context"
	"time"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/intake"
	"github.com/ringback/ringback/pkg/kafka"
)

// Encoder makes the Kafka record of a lifecycle event; *wire.Codec is one.
type Encoder interface {
	Lifecycle(e *callback.Event) (kafka.Record, error)
}

// Publisher writes records with acks=all and returns once the fate of each is
// decided, in their order; *kafka.Producer is one. Records of one key keep their order.
type Publisher interface {
	Produce(ctx context.Context, records []kafka.Record) []kafka.Delivery
}

// Item is one event to be accepted.
type Item struct {
	Event   *callback.Event
	Tracing intake.Tracing
}

// Fate is what became of an Item. Err is nil where the event is in the log and
// acknowledged by every in-sync replica, at that offset. Otherwise it is of the
// classes of pkg/fault; kafka.ErrQueueFull says that nothing was sent,
// kafka.ErrOutcomeUnknown that the event may be in the log: it can be sent again,
// since a repeated id changes nothing.
type Fate struct {
	Partition int32
	Offset    int64
	Err       error
}

// Accepter writes parsed events to the lifecycle topic. It is safe for concurrent use.
type Accepter struct {
	encoder   Encoder
	publisher Publisher
	now       func() time.Time
	masker    *masker // nil: events go as they come
}

// NewAccepter returns an Accepter that stamps records with the time that now returns.
func NewAccepter(e Encoder, p Publisher, now func() time.Time) *Accepter {
	return &Accepter{encoder: e, publisher: p, now: now}
}

// Accept writes the events, which have passed intake, and returns the fate of
// each, index by index. It returns once every fate is decided or ctx has ended.
func (a *Accepter) Accept(ctx context.Context, items []Item) []Fate {
	fates := make([]Fate, len(items))
	records := make([]kafka.Record, 0, len(items))
	index := make([]int, 0, len(items))
	// Arrival is the moment of acceptance, never the event's own time: settle,
	// time-out and retention go by it.
	arrival := a.now().Truncate(time.Millisecond)
	for i := range items {
		a.masker.mask(items[i].Event)
		r, err := a.encoder.Lifecycle(items[i].Event)
		if err != nil {
			fates[i].Err = err
			continue
		}
		r.Time = arrival
		r.Headers = appendTracing(r.Headers, items[i].Tracing)
		records = append(records, r)
		index = append(index, i)
	}
	if len(records) == 0 {
		return fates
	}
	for i, d := range a.publisher.Produce(ctx, records) {
		fates[index[i]] = Fate{Partition: d.Partition, Offset: d.Offset, Err: d.Err}
	}
	return fates
}

// appendTracing hands the trace on, under the names that W3C Trace Context gives.
func appendTracing(headers []kafka.Header, t intake.Tracing) []kafka.Header {
	if t.Parent == "" {
		return headers
	}
	headers = append(headers, kafka.Header{Key: "traceparent", Value: []byte(t.Parent)})
	if t.State != "" {
		headers = append(headers, kafka.Header{Key: "tracestate", Value: []byte(t.State)})
	}
	return headers
}
