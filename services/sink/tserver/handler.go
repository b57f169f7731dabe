package tserver

import (
	"context"
	"time"

	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/services/sink/consume"
)

// Sender is what the handlers of all partitions share: the gateway, the ledger, and
// the bound on how many sends are under way.
type Sender struct {
	cfg       Config
	services  *Services
	gateway   Gateway
	ledger    infomart.Ledger
	dataCodes map[int]bool
	slots     chan struct{}
	metrics   *Metrics
	now       func() time.Time
}

// NewSender returns a Sender; now is the clock that ages are measured by.
func NewSender(cfg Config, services *Services, gw Gateway, ledger infomart.Ledger, m *Metrics, now func() time.Time) *Sender {
	s := &Sender{
		cfg: cfg, services: services, gateway: gw, ledger: ledger, metrics: m, now: now,
		dataCodes: make(map[int]bool, len(cfg.DataErrorCodes)), slots: make(chan struct{}, cfg.Parallel),
	}
	for _, code := range cfg.DataErrorCodes {
		s.dataCodes[code] = true
	}
	return s
}

// Handler sends the records of one partition.
type Handler struct {
	*Sender
	decode     func(context.Context, *kafka.Record) (*Message, error)
	partitions func(context.Context) (int, error)
	count      int // of partitions, once it is known

	batch   *consume.Batch[*Message] // the one that done belongs to
	done    map[string]result        // by id, what of it has ended already and needs no second send
	resumed bool                     // the first batch has looked at what was applied last
	stale   bool                     // what was applied last was too old to be sent
}

// result is how a message ended.
type result struct {
	entry infomart.LedgerEntry
	why   *infomart.Rejection // of one that was refused
	saved bool                // the ledger has it
}

var _ consume.Handler[*Message] = (*Handler)(nil)

// Handler returns the handler of a partition; partitions returns how many its topic has.
func (s *Sender) Handler(decode func(context.Context, *kafka.Record) (*Message, error), partitions func(context.Context) (int, error)) *Handler {
	return &Handler{Sender: s, decode: decode, partitions: partitions}
}

// Position implements [consume.Handler].
func (h *Handler) Position(ctx context.Context, key infomart.PositionKey) (infomart.Position, bool, error) {
	return h.ledger.Position(ctx, key)
}

// Decode implements [consume.Handler].
func (h *Handler) Decode(ctx context.Context, rec *kafka.Record) (*Message, error) {
	return h.decode(ctx, rec)
}

// Apply implements [consume.Handler]. Once ctx ends it goes on for a while: what was
// sent and not recorded would be sent again.
func (h *Handler) Apply(ctx context.Context, b *consume.Batch[*Message], reject consume.Reject) (consume.Outcome, error) {
	ctx, cancel := h.outlive(ctx)
	defer cancel()
	if h.batch != b {
		h.batch, h.done = b, make(map[string]result, len(b.Items))
	}
	if err := h.resume(ctx, b); err != nil {
		return consume.Outcome{}, err
	}
	p, err := h.plan(ctx, b)
	if err != nil {
		return consume.Outcome{}, err
	}
	if err := h.send(ctx, p); err != nil {
		h.save(ctx, b)
		return consume.Outcome{}, err
	}
	return h.settle(ctx, b, p, reject)
}

// outlive is ctx with the time that a batch under way has after its end.
func (h *Handler) outlive(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.NewTimer(h.cfg.Drain)
		defer t.Stop()
		select {
		case <-t.C:
			cancel()
		case <-longer.Done():
		}
	})
	return longer, func() { stop(); cancel() }
}

// save records what was acknowledged of a batch that is held up, so that it is not
// sent again should the sink not live to see the batch through (invariant 8). The
// position stays where it is. It is a courtesy: what fails here is tried with the batch.
func (h *Handler) save(ctx context.Context, b *consume.Batch[*Message]) {
	if b.Expected == nil {
		return // there is no position yet that could stay
	}
	var entries []infomart.LedgerEntry
	for _, r := range h.done {
		if !r.saved && r.why == nil {
			entries = append(entries, r.entry)
		}
	}
	if len(entries) == 0 || h.ledger.Settle(ctx, b.PositionKey, b.Expected, *b.Expected, entries) != nil {
		return
	}
	for _, e := range entries {
		h.done[e.ID] = result{entry: e, saved: true}
	}
}

// settle makes outcomes and position durable in one transaction (invariants 4, 5).
func (h *Handler) settle(ctx context.Context, b *consume.Batch[*Message], p *plan, reject consume.Reject) (consume.Outcome, error) {
	o := consume.Outcome{AlreadyApplied: p.already, ByState: map[infomart.SendState]int{}}
	var rejections []infomart.Rejection
	entries := make([]infomart.LedgerEntry, 0, len(p.order))
	for _, id := range p.order {
		r := h.done[id]
		entries = append(entries, r.entry)
		if r.why != nil {
			o.Rejected++
			rejections = append(rejections, *r.why)
			continue
		}
		o.Applied++
		o.ByState[r.entry.State]++
	}
	if err := reject(ctx, rejections); err != nil {
		return consume.Outcome{}, err
	}
	return o, h.ledger.Settle(ctx, b.PositionKey, b.Expected, b.To, entries)
}
