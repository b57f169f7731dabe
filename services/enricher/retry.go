package enricher

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/ringback/ringback/pkg/fault"
)

const (
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 5 * time.Second
)

// retry calls f until it ends in something else than an outage (invariant 7). The
// partition n is not ready meanwhile, and says why.
func retry[T any](ctx context.Context, e *Enricher, n int32, f func() (T, error)) (T, error) {
	backoff := firstBackoff
	for {
		v, err := f()
		if err == nil || fault.ClassOf(err) != fault.Outage {
			return v, err
		}
		if ctx.Err() != nil {
			return v, ctx.Err()
		}
		e.metrics.outages.Inc()
		e.setStatus(n, false, err.Error())
		if !wait(ctx, backoff/2+rand.N(backoff/2)) {
			return v, ctx.Err()
		}
		backoff = min(2*backoff, lastBackoff)
	}
}

// wait waits, or reports false when ctx ends first.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func joined(errs []error) error { return errors.Join(errs...) }
