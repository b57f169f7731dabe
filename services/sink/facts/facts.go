// Package facts applies UserEvents to an Info Mart-shaped store.
package facts

import (
	"context"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/services/sink/consume"
)

// Decoder decodes the records of UserEvents. wire.Codec is one.
type Decoder interface {
	ParseUserEventValues(ctx context.Context, rec *kafka.Record) (*callback.UserEvent, error)
}

// Handler applies the UserEvents of a partition. It keeps nothing between batches.
type Handler struct {
	decoder Decoder
	store   infomart.Store
}

var _ consume.Handler[*infomart.Input] = (*Handler)(nil)

// New returns a Handler.
func New(decoder Decoder, store infomart.Store) *Handler {
	return &Handler{decoder: decoder, store: store}
}

// Position implements [consume.Handler].
func (h *Handler) Position(ctx context.Context, key infomart.PositionKey) (infomart.Position, bool, error) {
	return h.store.Position(ctx, key)
}

// Decode implements [consume.Handler]: it decodes and maps.
func (h *Handler) Decode(ctx context.Context, rec *kafka.Record) (*infomart.Input, error) {
	u, err := h.decoder.ParseUserEventValues(ctx, rec)
	if err != nil {
		return nil, err
	}
	// The record's timestamp is the arrival of what made the UserEvent due, so that a replay gives the same ADDED_TS.
	in := &infomart.Input{Event: u, AddedTS: rec.Time.Unix(), Offset: rec.Offset}
	in.Prepare()
	return in, nil
}

// Apply implements [consume.Handler]: facts and position commit in one transaction (invariant 5).
func (h *Handler) Apply(ctx context.Context, b *consume.Batch[*infomart.Input], reject consume.Reject) (consume.Outcome, error) {
	batch := infomart.Batch{
		PositionKey: b.PositionKey, Expected: b.Expected, To: b.To, SetAside: b.SetAside,
		Inputs: make([]infomart.Input, len(b.Items)),
	}
	for i := range b.Items {
		batch.Inputs[i] = *b.Items[i].Value
	}
	result, err := h.store.Apply(ctx, batch, reject)
	return consume.Outcome{Applied: result.Applied, AlreadyApplied: result.AlreadyApplied, Rejected: len(result.Rejected)}, err
}
