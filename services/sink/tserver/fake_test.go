package tserver

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/gateway"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/sqlite"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/services/sink/consume"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fakeGateway is a T-Server that remembers what it was sent.
type fakeGateway struct {
	mu     sync.Mutex
	sent   []string // idempotency keys, as they came
	events []gateway.UserEvent
	calls  []gateway.CallData
	answer func(key string, n int) error // n counts the sends of that key from 1
	counts map[string]int
	busy   int
	most   int // most sends at once
	gate   chan struct{}
}

func (g *fakeGateway) take(ctx context.Context, key string) error {
	g.mu.Lock()
	g.sent = append(g.sent, key)
	if g.counts == nil {
		g.counts = map[string]int{}
	}
	g.counts[key]++
	n := g.counts[key]
	g.busy++
	g.most = max(g.most, g.busy)
	gate := g.gate
	g.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy--
	if ctx.Err() != nil {
		return fault.Outagef("no answer: %w", ctx.Err())
	}
	if g.answer == nil {
		return nil
	}
	return g.answer(key, n)
}

func (g *fakeGateway) Distribute(ctx context.Context, e gateway.UserEvent) (gateway.Ack, error) {
	g.mu.Lock()
	g.events = append(g.events, e)
	g.mu.Unlock()
	return gateway.Ack{ReferenceID: e.ReferenceID}, g.take(ctx, e.IdempotencyKey)
}

func (g *fakeGateway) UpdateUserData(ctx context.Context, d gateway.CallData) (gateway.Ack, error) {
	g.mu.Lock()
	g.calls = append(g.calls, d)
	g.mu.Unlock()
	return gateway.Ack{ReferenceID: d.ReferenceID}, g.take(ctx, d.IdempotencyKey)
}

// rig is a handler on a real ledger.
type rig struct {
	t       *testing.T
	gateway *fakeGateway
	store   *sqlite.Store
	handler *Handler
	cfg     Config

	offset  int64
	pos     *infomart.Position
	letters map[int64]infomart.Rejection
	reject  error
}

func newRig(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	store, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "infomart.db"), CacheMiB: 4})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	r := &rig{t: t, gateway: &fakeGateway{}, store: store, cfg: Defaults("SIP_Switch"), letters: map[int64]infomart.Rejection{}}
	if change != nil {
		change(&r.cfg)
	}
	r.restart()
	return r
}

// restart forgets all that is not in the ledger.
func (r *rig) restart() {
	services, err := NewServices(r.cfg)
	require.NoError(r.t, err)
	sender := NewSender(r.cfg, services, r.gateway, r.store, NewMetrics("tserver", nil), func() time.Time { return now })
	r.handler = sender.Handler(nil, func(context.Context) (int, error) { return 4, nil })
}

func event(service string, sequence int32, age time.Duration) *Message {
	u := &callback.UserEvent{Sequence: sequence, LastEventTime: callback.Micros(now.Add(-age).UnixMicro())}
	u.KVPs.SetStr(callback.KeyServiceID, service, 0)
	u.KVPs.SetStr(callback.KeyCustomerANI, "777", 0)
	return &Message{ID: u.ID(), ServiceID: service, Sequence: sequence, LastEvent: now.Add(-age), event: u}
}

func attached(service, call string) *Message {
	a := &callback.AttachedData{IxnID: call, Occasion: callback.OnAccepted, ServiceID: service}
	return &Message{ID: a.ID(), ServiceID: service, LastEvent: now, attached: a}
}

// batch makes the next batch of these messages, which have arrived just now.
func (r *rig) batch(messages ...*Message) *consume.Batch[*Message] {
	b := &consume.Batch[*Message]{PositionKey: infomart.PositionKey{Group: "g", Topic: "t", Partition: 2}, Expected: r.pos}
	for _, m := range messages {
		rec := &kafka.Record{Topic: "t", Partition: 2, Offset: r.offset, Time: now}
		b.Items = append(b.Items, consume.Item[*Message]{Record: rec, Value: m})
		b.To = infomart.Position{LastOffset: r.offset, LastID: m.ID, LastTime: rec.Time}
		r.offset++
	}
	b.To.Next = r.offset
	return b
}

// apply applies a batch; where that is durable, the next follows it.
func (r *rig) apply(ctx context.Context, b *consume.Batch[*Message]) (consume.Outcome, error) {
	o, err := r.handler.Apply(ctx, b, func(_ context.Context, rejections []infomart.Rejection) error {
		for _, rejection := range rejections {
			r.letters[rejection.Offset] = rejection
		}
		return r.reject
	})
	if err == nil {
		to := b.To
		r.pos = &to
		require.Equal(r.t, len(b.Items), o.Applied+o.AlreadyApplied+o.Rejected, "invariant 2")
	}
	return o, err
}

func (r *rig) done(b *consume.Batch[*Message]) consume.Outcome {
	r.t.Helper()
	o, err := r.apply(r.t.Context(), b)
	require.NoError(r.t, err)
	return o
}

func (r *rig) entry(id string) infomart.LedgerEntry {
	entries, err := r.store.Entries(r.t.Context(), []string{id})
	require.NoError(r.t, err)
	return entries[id]
}

// stored is the position in the store.
func (r *rig) stored() int64 {
	pos, ok, err := r.store.Position(r.t.Context(), infomart.PositionKey{Group: "g", Topic: "t", Partition: 2})
	require.NoError(r.t, err)
	if !ok {
		return -1
	}
	return pos.Next
}

func eventError(code int) error {
	return fmt.Errorf("gateway: %w", &gateway.EventError{Code: code, Message: "no"})
}

var errAway = fault.Outagef("gateway: away")

func acked(n int) map[infomart.SendState]int {
	return map[infomart.SendState]int{infomart.StateAcked: n}
}

func requireOutage(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, fault.Outage, fault.ClassOf(err), err)
}
