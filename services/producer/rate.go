package producer

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rate bounds what each holder of a token may send; without authentication it bounds all together.
type Rate struct {
	// Events is how many events a second each token may send, in the long run. A request counts as one event at
	// least. 0 is no bound.
	Events int `env:"EVENTS, default=0" unit:"events a second"`
	// Burst is how many it may send at once after a pause; at least PRODUCER_MAX_BATCH. 0 is the larger of the rate
	// and PRODUCER_MAX_BATCH.
	Burst int `env:"BURST, default=0" unit:"events"`
}

func (r *Rate) faults(maxBatch int) []error {
	switch {
	case r.Events < 0:
		return []error{fmt.Errorf("PRODUCER_RATE_EVENTS: must not be negative, is %d", r.Events)}
	case r.Burst != 0 && r.Burst < maxBatch:
		// A batch of that size could never be sent.
		return []error{fmt.Errorf("PRODUCER_RATE_BURST: must be 0 or at least PRODUCER_MAX_BATCH, is %d", r.Burst)}
	}
	return nil
}

// rates has the limiter of each token.
type rates struct {
	limit rate.Limit
	burst int

	mu sync.Mutex
	of map[[sha256.Size]byte]*rate.Limiter
}

// newRates returns nil where there is no bound.
func newRates(cfg Rate, maxBatch int) *rates {
	if cfg.Events == 0 {
		return nil
	}
	return &rates{limit: rate.Limit(cfg.Events), burst: cmp.Or(cfg.Burst, max(cfg.Events, maxBatch)), of: map[[sha256.Size]byte]*rate.Limiter{}}
}

// maxHolders is how many limiters are kept before those at rest are dropped: a provider's subjects are without number.
const maxHolders = 10_000

// take counts n events of a token. Where they are too many it counts none and returns how long to wait.
func (r *rates) take(key [sha256.Size]byte, n int, now time.Time) time.Duration {
	if r == nil || n <= 0 {
		return 0
	}
	r.mu.Lock()
	l := r.of[key]
	if l == nil {
		if len(r.of) >= maxHolders {
			for other, idle := range r.of {
				if idle.TokensAt(now) >= float64(r.burst) { // as a new one would be
					delete(r.of, other)
				}
			}
		}
		l = rate.NewLimiter(r.limit, r.burst)
		r.of[key] = l
	}
	r.mu.Unlock()
	reserved := l.ReserveN(now, n)
	wait := reserved.DelayFrom(now)
	if wait > 0 {
		reserved.CancelAt(now)
	}
	return wait
}

// one is how long an event of the rate takes.
func (r *rates) one() time.Duration { return time.Duration(float64(time.Second) / float64(r.limit)) }
