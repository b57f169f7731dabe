package sink_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/services/sink"
	"github.com/ringback/ringback/services/sink/consume"
	"github.com/ringback/ringback/services/sink/tserver"
)

// faulty makes a store and a dead-letter topic fail, before or after they have done
// what they were asked, and kills the sink at such a moment.
type faulty struct {
	infomart.Store
	infomart.Ledger
	letters consume.DeadLetters
	rng     chan *rand.Rand // also its lock
	calm    bool
	kill    func()
}

func (f *faulty) step() error {
	rng := <-f.rng
	defer func() { f.rng <- rng }()
	if f.calm {
		return nil
	}
	switch rng.IntN(30) {
	case 0:
		f.kill()
		return fault.Outagef("killed")
	case 1, 2, 3:
		return fault.Outagef("away")
	}
	return nil
}

func (f *faulty) around(do func() error) error {
	if err := f.step(); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return f.step()
}

func (f *faulty) Position(ctx context.Context, key infomart.PositionKey) (pos infomart.Position, ok bool, err error) {
	err = f.around(func() error { pos, ok, err = f.Store.Position(ctx, key); return err })
	return pos, ok, err
}

func (f *faulty) Apply(ctx context.Context, b infomart.Batch, before func(context.Context, []infomart.Rejection) error) (r infomart.Result, err error) {
	err = f.around(func() error { r, err = f.Store.Apply(ctx, b, before); return err })
	return r, err
}

func (f *faulty) Entries(ctx context.Context, ids []string) (e map[string]infomart.LedgerEntry, err error) {
	err = f.around(func() error { e, err = f.Ledger.Entries(ctx, ids); return err })
	return e, err
}

func (f *faulty) Sending(ctx context.Context, entries []infomart.LedgerEntry) error {
	return f.around(func() error { return f.Ledger.Sending(ctx, entries) })
}

func (f *faulty) Settle(ctx context.Context, key infomart.PositionKey, expected *infomart.Position, to infomart.Position, entries []infomart.LedgerEntry) error {
	return f.around(func() error { return f.Ledger.Settle(ctx, key, expected, to, entries) })
}

func (f *faulty) Write(ctx context.Context, letters []*callback.DeadLetter) error {
	return f.around(func() error { return f.letters.Write(ctx, letters) })
}

// Killed at any step, on a real broker and store, and started over until it is done:
// what is in the store, at T-Server and among the dead letters is what one run gives.
func TestKilledAtAnyStep(t *testing.T) {
	t.Parallel()
	const services, bad = 600, 9
	w := newWorld(t)
	var recs []kafka.Record
	for i := range services {
		recs = append(recs, w.userEvent(fmt.Sprint("s", i), 1), w.userEvent(fmt.Sprint("s", i), 2))
		if i%70 == 0 {
			garbage := w.userEvent(fmt.Sprint("bad", i), 1)
			garbage.Value = []byte("garbage")
			recs = append(recs, garbage)
		}
	}
	w.produce(recs...)
	ends := w.ends(topic.UserEvents)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)

	for _, name := range []string{sink.Infomart, sink.TServer} {
		rng := make(chan *rand.Rand, 1)
		rng <- rand.New(rand.NewPCG(seed, 2))
		var total sink.Counts
		for run := 0; ; run++ {
			require.Less(t, run, 100)
			ctx, cancel := context.WithCancel(t.Context())
			m := w.startIn(ctx, func(d sink.Deps) (*sink.Sink, error) {
				f := &faulty{Store: w.store, Ledger: w.store, letters: d.Letters, rng: rng, kill: cancel, calm: run > 15}
				d.Letters = f
				cfg := quick()
				cfg.BatchRecords, cfg.RetryMin, cfg.RetryMax = 40, time.Millisecond, 5*time.Millisecond
				if name == sink.Infomart {
					return sink.NewInfomart(cfg, f, d)
				}
				sending := tserver.Defaults("SIP_Switch")
				sending.Drain = time.Millisecond
				return sink.NewTServer(cfg, sending, f, w.gateway, d)
			})
			err := m.WaitFor(ctx, topic.UserEvents, ends)
			cancel()
			require.NoError(t, m.stop())
			c := balanced(t, m)
			total.Read += c.Read
			if err == nil {
				t.Logf("%s: %d kills", name, run)
				break
			}
		}
		require.LessOrEqual(t, total.Read, int64(len(recs)), "no record is counted twice")
	}

	rows, err := w.store.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(2*services), rows.Facts)
	require.Equal(t, int64(bad), rows.Discards)
	letters := w.letters()
	require.Len(t, letters, 2*bad, "one of each sink for each bad record")

	events, _ := w.gateway.seen()
	first := map[string]int{}
	for i, id := range events {
		if _, ok := first[id]; !ok {
			first[id] = i
		}
	}
	require.Len(t, first, 2*services, "each at least once (invariant 8)")
	for id, i := range first {
		if service, ok := strings.CutSuffix(id, "/2"); ok {
			require.Less(t, first[service+"/1"], i, "in order within a session (invariant 8)")
		}
	}
	entries, err := w.store.Entries(t.Context(), events)
	require.NoError(t, err)
	sends := map[string]int{}
	for _, id := range events {
		sends[id]++
	}
	for id, n := range sends {
		require.Equal(t, infomart.StateAcked, entries[id].State)
		require.GreaterOrEqual(t, entries[id].Attempts, n, "a duplicate is explained (invariant 8)")
	}
	t.Logf("%d sends of %d UserEvents", len(events), 2*services)
}
