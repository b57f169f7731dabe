package deadletter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
)

// Encoder makes the record of a dead letter, for the dead-letter topic. wire.Codec is one.
type Encoder interface {
	DeadLetter(d *callback.DeadLetter) (kafka.Record, error)
}

// Producer produces records and reports on each. kafka.Producer is one.
type Producer interface {
	Produce(ctx context.Context, recs []kafka.Record) []kafka.Delivery
}

// Writer produces dead letters.
type Writer struct {
	encoder  Encoder
	producer Producer
}

// timeout is how long a Writer waits for the broker. Without a bound an outage of the
// broker would hold the transaction open that waits for the letters, and nobody would
// be told.
const timeout = 10 * time.Second

// NewWriter returns a Writer.
func NewWriter(encoder Encoder, producer Producer) *Writer {
	return &Writer{encoder: encoder, producer: producer}
}

// sizes are what a value is cut to in turn while the broker finds the letter too large.
var sizes = [...]int{512 << 10, 64 << 10, 0}

// Write produces the letters and returns once every one is durable (invariant 4).
// Their ids make a repeated one recognisable, so after an error all are to be
// written again. An error is an outage unless it says otherwise.
func (w *Writer) Write(ctx context.Context, letters []*callback.DeadLetter) error {
	if len(letters) == 0 {
		return nil
	}
	tooLarge, err := w.produce(ctx, letters)
	for _, size := range sizes {
		if err != nil || len(tooLarge) == 0 {
			break
		}
		for _, d := range tooLarge {
			Cut(d, size)
		}
		tooLarge, err = w.produce(ctx, tooLarge)
	}
	if err == nil && len(tooLarge) > 0 {
		err = fault.Misconfigf("deadletter: the broker refuses even the letter of %s without its value as too large: raise max.message.bytes of the dead-letter topic",
			tooLarge[0].ID())
	}
	return err
}

// produce writes the letters once and returns those that the broker refuses for their size.
func (w *Writer) produce(ctx context.Context, letters []*callback.DeadLetter) ([]*callback.DeadLetter, error) {
	recs := make([]kafka.Record, len(letters))
	for i, d := range letters {
		rec, err := w.encoder.DeadLetter(d)
		if err != nil {
			return nil, fmt.Errorf("deadletter: encode %s: %w", d.ID(), err)
		}
		recs[i] = rec
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var tooLarge []*callback.DeadLetter
	for i, delivery := range w.producer.Produce(bounded, recs) {
		switch err := delivery.Err; {
		case err == nil:
		case errors.Is(err, kafka.ErrRecordTooLarge):
			tooLarge = append(tooLarge, letters[i])
		case ctx.Err() != nil:
			return nil, fmt.Errorf("deadletter: write %s: %w", letters[i].ID(), ctx.Err())
		case bounded.Err() != nil:
			return nil, fault.Outagef("deadletter: write %s: no answer in %s: %w", letters[i].ID(), timeout, err)
		default:
			return nil, fmt.Errorf("deadletter: write %s: %w", letters[i].ID(), err)
		}
	}
	return tooLarge, nil
}
