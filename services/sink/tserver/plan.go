package tserver

import (
	"context"
	"fmt"
	"time"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/services/sink/consume"
)

// task is a message that is to be sent.
type task struct {
	message *Message
	options Options
	offset  int64
	ref     int32
}

// plan is what a batch comes to: what each message is, and what is to be sent.
type plan struct {
	already  int      // messages that have ended before
	order    []string // ids of the others, in offset order
	sessions [][]task // what is to be sent, session by session, each in order (invariant 8)
}

// resume finds out, with the first batch since the partition was assigned, whether
// what was applied last was too old to be sent: if so, the partition was working off
// old records, and goes on doing so.
func (h *Handler) resume(ctx context.Context, b *consume.Batch[*Message]) error {
	if b.Held.IsZero() {
		h.resumed, h.stale = true, false
	}
	if h.resumed {
		return nil
	}
	if b.Expected != nil && b.Expected.LastID != "" {
		entries, err := h.ledger.Entries(ctx, []string{b.Expected.LastID})
		if err != nil {
			return fmt.Errorf("read the ledger: %w", err)
		}
		h.stale = entries[b.Expected.LastID].State == infomart.StateSkippedOld
	}
	h.resumed = true
	return nil
}

// plan sorts the messages of a batch out, and writes into done those that end without a send.
func (h *Handler) plan(ctx context.Context, b *consume.Batch[*Message]) (*plan, error) {
	p := &plan{}
	if len(b.Items) == 0 {
		return p, nil
	}
	if h.count == 0 {
		n, err := h.partitions(ctx)
		if err != nil {
			return nil, fmt.Errorf("number of partitions: %w", err)
		}
		h.count = n
	}
	ledger, err := h.ledger.Entries(ctx, h.wanted(b))
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	seen := make(map[string]bool, len(b.Items))
	bySession := map[string]int{}
	started := map[string]bool{} // sessions of which T-Server has, or gets, an earlier UserEvent
	for i := range b.Items {
		m, rec := b.Items[i].Value, b.Items[i].Record
		entry, known := ledger[m.ID]
		_, ended := h.done[m.ID]
		if seen[m.ID] || !ended && known && entry.State != infomart.StateSending {
			p.already++ // redelivery changes nothing (invariant 5)
			started[m.ServiceID] = started[m.ServiceID] || reached(entry)
			continue
		}
		seen[m.ID] = true
		p.order = append(p.order, m.ID)
		if ended {
			started[m.ServiceID] = started[m.ServiceID] || reached(h.done[m.ID].entry)
			continue
		}
		options := h.services.For(m.Service)
		switch {
		case !options.Enable:
			h.done[m.ID] = result{entry: m.entry(infomart.StateDisabled)}
			continue
		case known: // SENDING: it may be there already, and is sent again whatever its age (invariant 8)
		case started[m.ServiceID] || reached(ledger[earlier(m)]): // no session is left without its end
		case h.tooOld(m, rec.Time, b.Held):
			h.done[m.ID] = result{entry: m.entry(infomart.StateSkippedOld)}
			continue
		}
		started[m.ServiceID] = true
		t := task{m, options, rec.Offset, referenceID(rec.Offset, b.Partition, h.count, m.attached != nil)}
		at, ok := bySession[m.ServiceID]
		if !ok {
			at = len(p.sessions)
			bySession[m.ServiceID] = at
			p.sessions = append(p.sessions, nil)
		}
		p.sessions[at] = append(p.sessions[at], t)
	}
	return p, nil
}

// wanted is what the ledger is asked for: the messages, and the UserEvents before them.
func (h *Handler) wanted(b *consume.Batch[*Message]) []string {
	ids := make([]string, 0, len(b.Items))
	for i := range b.Items {
		m := b.Items[i].Value
		ids = append(ids, m.ID)
		if id := earlier(m); id != "" && h.cfg.MaxAge > 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// earlier is the id of the session's UserEvent before this one, empty where there is none.
func earlier(m *Message) string {
	if m.Sequence <= 1 {
		return ""
	}
	return callback.UserEventID(m.ServiceID, m.Sequence-1)
}

// reached reports whether T-Server has the message of that line, or may have it.
func reached(e infomart.LedgerEntry) bool {
	return e.State == infomart.StateAcked || e.State == infomart.StateSending
}

// tooOld reports whether the session's last event is too old for the message to be
// sent. Its age is measured at the moment at which the sink would have sent it had it
// kept up: an outage, of T-Server or of the sink, must make nothing too old that was
// not. (A sink that works off records it never was in time for measures it now.)
func (h *Handler) tooOld(m *Message, arrival, held time.Time) bool {
	if h.cfg.MaxAge == 0 {
		return false
	}
	at := h.now()
	if !held.IsZero() && !h.stale {
		due := held
		if arrival.After(due) {
			due = arrival
		}
		if due.Before(at) {
			at = due
		}
	}
	return at.Sub(m.LastEvent) > h.cfg.MaxAge
}
