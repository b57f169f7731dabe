package tserver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/gateway"
	"github.com/ringback/ringback/pkg/infomart"
)

// send sends what is planned: sessions side by side, each in order (invariant 8). A
// session that T-Server refuses waits by itself; an outage stops all of them. The
// error is nil once everything has ended.
func (h *Handler) send(ctx context.Context, p *plan) error {
	if len(p.sessions) == 0 {
		return nil
	}
	// Taken before the ledger is written, which fails where another owner has been at work: who stands still while it
	// waits for the answer has lost that time too.
	r := round{handler: h, sure: h.now()}
	if err := h.announce(ctx, p); err != nil {
		return err
	}
	var wg sync.WaitGroup
	for _, session := range p.sessions {
		if r.stopped() || ctx.Err() != nil {
			break
		}
		select {
		case <-ctx.Done():
			continue
		case h.slots <- struct{}{}:
		}
		wg.Go(func() {
			defer func() { <-h.slots }()
			r.session(ctx, session)
		})
	}
	wg.Wait()
	if err := r.failure(); err != nil {
		return err
	}
	return ctx.Err()
}

// announce writes into the ledger what is about to be sent (invariant 8).
func (h *Handler) announce(ctx context.Context, p *plan) error {
	var entries []infomart.LedgerEntry
	for _, session := range p.sessions {
		for _, t := range session {
			e := t.message.entry(infomart.StateSending)
			e.ReferenceID = int64(t.ref)
			entries = append(entries, e)
		}
	}
	if err := h.ledger.Sending(ctx, entries); err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	return nil
}

// round is one try to send what is planned.
type round struct {
	handler *Handler

	mu      sync.Mutex // also guards the handler's done
	halt    error      // stops all sessions
	waiting error      // stops one session
	waits   int        // how many

	owner sync.Mutex // held while the group is asked
	sure  time.Time  // when the partition was known last to be this sink's
	lost  error      // what the group answered else
}

// ownership is how long the partition is taken to be this sink's without asking. It is shorter than any session
// time-out that makes sense: who stood still for longer than that may have been put out of the group.
const ownership = 3 * time.Second

// owned makes sure, before something is sent that nothing takes back, that the partition has no other owner: a
// process that was stopped and goes on would else send what its successor has sent, after what came later (invariant 8).
func (r *round) owned(ctx context.Context) error {
	r.owner.Lock()
	defer r.owner.Unlock()
	at := r.handler.now()
	ask := r.handler.batch.Owned
	if r.lost != nil || ask == nil || at.Sub(r.sure) <= ownership {
		return r.lost
	}
	if err := ask(ctx); err != nil {
		r.lost = fmt.Errorf("is the partition still this sink's: %w", err)
		return r.lost
	}
	r.sure = at
	return nil
}

// session sends the messages of one session, up to the first that does not end.
func (r *round) session(ctx context.Context, tasks []task) {
	for _, t := range tasks {
		if r.stopped() {
			return
		}
		if !r.one(ctx, t) {
			return
		}
	}
}

// one sends one message and records how it ended; false where it has not.
func (r *round) one(ctx context.Context, t task) bool {
	h := r.handler
	h.batch.Loop.Beat()
	err := r.owned(ctx)
	if err == nil {
		err = t.message.send(ctx, h.gateway, t.options, h.cfg.CustomerID, t.ref)
	}
	entry := t.message.entry(infomart.StateAcked)
	entry.ReferenceID = int64(t.ref)
	var refused *gateway.EventError
	var bad *callback.BadRecord
	switch {
	case err == nil: // invariant 8: acknowledged
		return r.ended(result{entry: entry})
	case errors.Is(err, gateway.ErrCallGone):
		entry.State = infomart.StateCallGone
		return r.ended(result{entry: entry})
	case errors.As(err, &refused):
		h.metrics.eventError(refused.Code)
		if !h.dataCodes[refused.Code] {
			return r.wait(t, refused)
		}
		entry.ErrorCode = int64(refused.Code)
		return r.refused(entry, t, fmt.Sprintf("T-Server answered EventError %d, which is configured as an error of the data: %s", refused.Code, refused.Message))
	case errors.As(err, &bad):
		return r.refused(entry, t, bad.Detail)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.halt == nil {
		r.halt = fmt.Errorf("send offset %d: %w", t.offset, err)
	}
	return false
}

func (r *round) ended(res result) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.handler.done[res.entry.ID] = res
	return true
}

func (r *round) refused(entry infomart.LedgerEntry, t task, detail string) bool {
	entry.State = infomart.StateRefused
	return r.ended(result{entry: entry, why: &infomart.Rejection{
		Offset: t.offset, Reason: callback.ReasonRefused, Detail: detail, ServiceID: t.message.ServiceID, Sequence: t.message.Sequence,
	}})
}

// wait holds the session up: the code is none of those that tell of bad data, so the
// refusal is T-Server's trouble and passes, or an operator must act (invariant 7).
func (r *round) wait(t task, e *gateway.EventError) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waits++
	if r.waiting == nil {
		r.waiting = fmt.Errorf("offset %d: T-Server answered %w; if that code says that the data is at fault, add it to TSERVER_DATA_ERROR_CODES", t.offset, e)
	}
	return false
}

func (r *round) stopped() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.halt != nil
}

func (r *round) failure() error {
	switch {
	case r.halt != nil:
		return r.halt
	case r.waits > 1:
		return fault.Outagef("%w (and %d more sessions)", r.waiting, r.waits-1)
	case r.waits == 1:
		return fault.Outagef("%w", r.waiting)
	}
	return nil
}
