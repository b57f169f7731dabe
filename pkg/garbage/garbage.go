// Package garbage says how much memory is left to garbage.
package garbage

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// spare is the memory that is left free for garbage.
const spare = 128 << 20

// Limit gives garbage the same memory however large the heap is, until ctx ends. By default the
// collector leaves as much free as is in use. Most of a large heap, the enricher's, is its states, in
// pages without pointers that a collection passes over, so that collecting more often
// costs next to nothing; a small one is collected less often, which is worth more. A GOGC
// that is set stands.
func Limit(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	t := time.NewTicker(500 * time.Millisecond)
	defer t.Stop()
	for now := 100; ; {
		metrics.Read(live)
		if want := percent(live[0].Value.Uint64()); want < now*9/10 || want > now*11/10 {
			now = want
			debug.SetGCPercent(now)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// percent is by how much a heap may grow before it is collected.
func percent(live uint64) int {
	return int(max(15, min(400, 100*spare/max(live, 1))))
}
