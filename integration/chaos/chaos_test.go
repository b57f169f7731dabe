//go:build realcluster

package chaos_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringback/ringback/integration/chaos/oracle"
	"github.com/ringback/ringback/integration/process/load"
	"github.com/ringback/ringback/integration/process/stack"
	"github.com/ringback/ringback/pkg/topic"
)

// TestRealChaos: whatever is killed, cut off, frozen or rebalanced, what was accepted has exactly its effects
// (invariants 1 to 9). The checks are in check_test.go.
func TestRealChaos(t *testing.T) {
	set := read(t)
	ctx, cancel := context.WithTimeout(context.Background(), set.seconds+20*time.Minute)
	defer cancel()
	s, err := stack.Start(ctx, set.stack(t))
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		if !t.Failed() && os.Getenv("RINGBACK_CHAOS_DIR") == "" {
			require.NoError(t, os.RemoveAll(set.dir))
		}
	})
	require.NoError(t, err)
	require.NoError(t, oracle.KeepHistory(ctx, s.Direct.Postgres))

	began := time.Now()
	d := newDirector(t, s, set.seed)
	client := load.New(s.ProducerURLs)
	feed := &load.Feed{
		Seed: set.seed, Sessions: set.events, Rate: set.rate(), Shuffle: 40,
		Conflicts: 400, Late: 100, Lacking: 800, LateMax: set.seconds,
	}
	var enough atomic.Bool
	events := make(chan load.Event, 1000)
	var load, waste sync.WaitGroup
	load.Go(func() { client.Run(ctx, events) })
	load.Go(func() {
		err := feed.Run(ctx, events, func() bool { return enough.Load() && feed.Injected().Given >= int64(set.events) })
		if err != nil {
			t.Errorf("feed: %v", err)
		}
	})
	garbage := 0
	littering, stop := context.WithCancel(ctx)
	waste.Go(func() { garbage = litter(littering, t, s, set.seed) })

	d.run(ctx, set.kills, set.seconds)
	d.note("nothing more is killed; %d events accepted", client.Count())
	enough.Store(true)
	stop()
	waste.Wait()
	mending, done := context.WithTimeout(ctx, 5*time.Minute)
	defer done()
	require.NoError(t, s.WaitReady(mending), "everything is mended")
	load.Wait()
	d.note("every event is accepted: %d", client.Count())

	run := outcome{settings: set, s: s, d: d, client: client, feed: feed, garbage: garbage, findings: &oracle.Findings{}}
	run.drain(ctx, t)
	run.check(ctx, t)
	run.took = time.Since(began)
	run.tell(t)
}

// litter writes records that nobody can decode into the lifecycle log, now and then, and returns how many.
func litter(ctx context.Context, t *testing.T, s *stack.Stack, seed uint64) (n int) {
	client, err := oracle.NewClient(s.Direct.Kafka, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Errorf("litter: %v", err)
		return 0
	}
	defer client.Close()
	random := rand.New(rand.NewPCG(seed, 4))
	for ctx.Err() == nil {
		value := make([]byte, 1+random.IntN(200))
		for i := range value {
			value[i] = byte(random.Uint32())
		}
		value[0] |= 1 // no magic byte of a registry's framing
		r := &kgo.Record{Topic: topic.Lifecycle, Partition: int32(random.IntN(partitions)), Key: []byte("waste"), Value: value}
		if n%2 == 0 { // an event by its headers, else not even that
			for name, value := range map[string]string{
				"ce_specversion": "1.0", "ce_id": fmt.Sprint("waste-", n), "ce_source": "/waste", "ce_type": "callback.queued",
				"ce_subject": "waste", "ce_time": time.Now().UTC().Format(time.RFC3339), "content-type": "application/avro",
			} {
				r.Headers = append(r.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
			}
		}
		if err := client.ProduceSync(context.WithoutCancel(ctx), r).FirstErr(); err != nil {
			t.Errorf("litter: %v", err)
			return n
		}
		n++
		wait(ctx, time.Second)
	}
	return n
}
