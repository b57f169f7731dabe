//go:build realkafka

package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fault"
)

// traffic is writers and readers that go on while a cluster is ill, and an account of what they were
// told, to be held against the logs at the end.
type traffic struct {
	k     *realCluster
	plain string // of the producer
	txns  string // of the transactor

	ctx     context.Context
	stop    context.CancelFunc
	wg      sync.WaitGroup
	network *unreliable

	mu        sync.Mutex
	written   map[string]int // by key, how many were acknowledged; they are numbered from 0
	committed map[string]bool
	unknown   map[string]bool
	takeovers int
	errs      []error

	progress atomic.Int64 // acknowledgements and commits
}

const trafficPartitions = 3

func (k *realCluster) startTraffic() *traffic {
	k.t.Helper()
	ctx, stop := context.WithCancel(k.t.Context())
	tr := &traffic{
		k: k, plain: k.newTopic(trafficPartitions), txns: k.newTopic(trafficPartitions), ctx: ctx, stop: stop,
		written: map[string]int{}, committed: map[string]bool{}, unknown: map[string]bool{},
	}
	var c *Client
	c, tr.network = newLossyClient(k.t, k.brokers)
	p := newProducer(k.t, c, ProducerConfig{BatchRecords: 20})
	for i := range 4 {
		tr.wg.Go(func() { tr.produce(p, fmt.Sprint("key ", i)) })
	}
	tr.wg.Go(func() { tr.transact(c) })
	return tr
}

func (tr *traffic) fail(err error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.errs = append(tr.errs, err)
}

// produce numbers records under one key. Its calls wait out whatever befalls the cluster: with
// unlimited time an idempotent producer has no excuse.
func (tr *traffic) produce(p *Producer, key string) {
	for n := 0; tr.ctx.Err() == nil; n += 5 {
		var recs []Record
		for i := range 5 {
			recs = append(recs, record(tr.plain, key, strconv.Itoa(n+i)))
		}
		for _, d := range p.Produce(tr.k.t.Context(), recs) {
			if d.Err != nil {
				tr.fail(fmt.Errorf("produce %s %d: %w", key, n, d.Err))
				return
			}
		}
		tr.mu.Lock()
		tr.written[key] = n + 5
		tr.mu.Unlock()
		tr.progress.Add(1)
	}
}

// transact commits one record to each partition at a time, and takes over from itself when it must.
func (tr *traffic) transact(c *Client) {
	id, group := unique("txn"), unique("group")
	ctx := tr.k.t.Context()
	take := func() *Transactor {
		for {
			tx, err := c.NewTransactor(ctx, id)
			if err == nil {
				return tx
			}
			if fault.ClassOf(err) != fault.Outage && !errors.Is(err, ErrFenced) {
				tr.fail(fmt.Errorf("take over: %w", err))
				return nil
			}
		}
	}
	tx := take()
	for n := 0; tr.ctx.Err() == nil && tx != nil; n++ {
		value := strconv.Itoa(n)
		var recs []Record
		for p := range int32(trafficPartitions) {
			recs = append(recs, Record{Topic: tr.txns, Partition: p, Value: []byte(value)})
		}
		txn := Txn{Records: recs, Group: &GroupOffsets{Generation: Generation{GroupID: group, ID: -1}, Topic: tr.plain, Offsets: map[int32]int64{0: int64(n)}}}
		for again := true; again; {
			err := tx.Commit(ctx, txn)
			tr.mu.Lock()
			switch {
			case err == nil:
				tr.committed[value] = true
				tr.progress.Add(1)
			case errors.Is(err, ErrOutcomeUnknown):
				tr.unknown[value] = true
			}
			tr.mu.Unlock()
			again = false
			switch {
			case errors.Is(err, ErrOutcomeUnknown), errors.Is(err, ErrFenced):
				tr.mu.Lock()
				tr.takeovers++
				tr.mu.Unlock()
				tx = take()
			case err != nil && fault.ClassOf(err) == fault.Outage:
				again = true // which Commit allows
			case err != nil:
				tr.fail(fmt.Errorf("commit %s: %w", value, err))
				return
			}
		}
	}
}

// awaitProgress waits until the writers have got on by n.
func (tr *traffic) awaitProgress(n int64) {
	tr.k.t.Helper()
	goal := tr.progress.Load() + n
	tr.k.eventually("the writers get on", func() bool {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return tr.progress.Load() >= goal || len(tr.errs) > 0
	})
}

// check ends the traffic and holds the logs against the account: what was acknowledged is there, once
// and in order (invariant 1); what was committed is there whole, what was not is not.
func (tr *traffic) check() {
	t := tr.k.t
	t.Helper()
	tr.network.losing(nil)
	tr.stop()
	tr.wg.Wait()
	require.Empty(t, tr.errs)
	var next map[string]int
	tr.k.eventually("what was acknowledged is there", func() bool {
		next = map[string]int{}
		for p := range int32(trafficPartitions) {
			for _, r := range readEnded(t, tr.k.admin, tr.plain, p) {
				require.Equal(t, strconv.Itoa(next[string(r.Key)]), string(r.Value), "%s: each once and in order", r.Key)
				next[string(r.Key)]++
			}
		}
		return maps.Equal(tr.written, next)
	})
	var first []string
	for p := range int32(trafficPartitions) {
		var seen []string
		for _, r := range tr.until(tr.txns, p, tr.hasCommitted) {
			v := string(r.Value)
			require.True(t, tr.committed[v] || tr.unknown[v], "%s was not committed", v)
			seen = append(seen, v)
		}
		require.Len(t, slices.Compact(slices.Sorted(slices.Values(seen))), len(seen), "none twice")
		for v := range maps.Keys(tr.committed) {
			require.Contains(t, seen, v)
		}
		if p == 0 {
			first = seen
		}
		require.Equal(t, first, seen, "all or nothing, in order")
	}
	t.Logf("%d records acknowledged, %d transactions committed, %d of unknown outcome, %d takeovers", 5*tr.progress.Load(), len(tr.committed), len(tr.unknown), tr.takeovers)
}

// until reads a partition until it holds what it should. A new leader shows what the last one had
// acknowledged only once its followers have asked it for more: its high watermark lags behind at first.
func (tr *traffic) until(name string, p int32, whole func([]Record) bool) (recs []Record) {
	tr.k.t.Helper()
	tr.k.eventually("what was committed is there", func() bool {
		recs = readEnded(tr.k.t, tr.k.admin, name, p)
		return whole(recs)
	})
	return recs
}

func (tr *traffic) hasCommitted(recs []Record) bool {
	seen := map[string]bool{}
	for i := range recs {
		seen[string(recs[i].Value)] = true
	}
	for v := range maps.Keys(tr.committed) {
		if !seen[v] {
			return false
		}
	}
	return true
}
