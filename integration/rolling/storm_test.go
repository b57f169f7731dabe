//go:build realcluster

package rolling_test

import (
	"cmp"
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/integration/process"
)

// stops is how often a process is told to stop, at least.
const stops = 28

// victim is a process that is told to stop, and how long it may take.
type victim struct {
	*process.Process
	within time.Duration
	// producer is where it takes events in, of a producer.
	producer string
}

func (r *run) victims(of grace) (all []victim) {
	for i, p := range r.s.Producers {
		all = append(all, victim{p, of.producer, r.s.ProducerURLs[i]})
	}
	for _, service := range []struct {
		processes []*process.Process
		within    time.Duration
	}{{r.s.Enrichers, of.enricher}, {r.s.Infomarts, of.infomart}, {r.s.TServers, of.tserver}} {
		for _, p := range service.processes {
			all = append(all, victim{p, service.within, ""})
		}
	}
	return all
}

// TestRealStorm: whoever is told to stop, whenever, ends with exit code 0 within its grace period, and what was
// accepted has exactly its effects (invariants 1 to 5, 8); nothing is sent to T-Server twice, as no send is cut off.
func TestRealStorm(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	seed, err := strconv.ParseUint(cmp.Or(os.Getenv("RINGBACK_ROLLING_SEED"), strconv.FormatInt(time.Now().UnixNano()%1_000_000, 10)), 10, 64)
	require.NoError(t, err)
	t.Logf("seed %d (RINGBACK_ROLLING_SEED sets it)", seed)
	r := start(ctx, t, seed)
	random := rand.New(rand.NewPCG(seed, 5))
	all := r.victims(chartGrace(t))
	took := map[string][]time.Duration{}
	var mu sync.Mutex
	deck := []int{}
	draw := func() victim {
		if len(deck) == 0 {
			deck = random.Perm(len(all))
		}
		v := all[deck[0]]
		deck = deck[1:]
		return v
	}
	for stopped := 0; stopped < stops && !t.Failed(); {
		turn := []victim{draw()}
		if random.IntN(3) == 0 {
			// Of the producers one stays, as the PodDisruptionBudget has it: without any there is nobody to answer.
			if v := draw(); v.Process != turn[0].Process && (v.producer == "" || turn[0].producer == "") {
				turn = append(turn, v)
			}
		}
		// Some are told before they are ready, in the middle of their restoring and joining.
		rests := make([]int64, len(turn))
		for i := range rests {
			rests[i] = random.Int64N(300)
		}
		ready := random.IntN(3) > 0
		var turns sync.WaitGroup
		for i, v := range turn {
			turns.Go(func() {
				d := r.turn(ctx, t, v, time.Duration(rests[i])*time.Millisecond, ready)
				mu.Lock()
				defer mu.Unlock()
				took[v.Name] = append(took[v.Name], d)
			})
		}
		turns.Wait()
		stopped += len(turn)
		r.progress(ctx, t, random.Int64N(400))
	}
	require.NoError(t, r.s.WaitReady(ctx))
	r.served(t)
	for _, v := range all {
		r.note(t, "%s: stopped %d times, the longest took %s of %s", v.Name, len(took[v.Name]), slices.Max(took[v.Name]).Round(time.Millisecond), v.within)
	}
	r.check(ctx, t, sameBytes)
}

// turn stops a process and starts it again, and returns how long the stop took.
func (r *run) turn(ctx context.Context, t *testing.T, v victim, rest time.Duration, ready bool) time.Duration {
	if v.producer != "" {
		r.address.remove(t, v.producer)
	}
	stopping, cancel := context.WithTimeout(ctx, v.within)
	defer cancel()
	began := time.Now()
	if err := v.Stop(stopping); err != nil {
		t.Errorf("%v; the end of its log:\n%s", err, v.Tail(1500))
	}
	took := time.Since(began)
	r.note(t, "SIGTERM %s: %s", v.Name, took.Round(time.Millisecond))
	select {
	case <-time.After(rest):
	case <-ctx.Done():
	}
	if err := v.Start(); err != nil {
		t.Errorf("%v", err)
		return took
	}
	waitFor := v.WaitAnswers
	if ready || v.producer != "" {
		waitFor = v.WaitReady
	}
	if err := waitFor(ctx); err != nil {
		t.Errorf("%v", err)
	}
	if v.producer != "" {
		r.address.add(t, v.producer)
	}
	return took
}
