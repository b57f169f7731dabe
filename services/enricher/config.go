package enricher

import (
	"fmt"
	"time"

	"github.com/ringback/ringback/pkg/fold"
	"github.com/ringback/ringback/pkg/session"
)

// Config is the enricher's configuration.
type Config struct {
	// Group is the consumer group; the transactional ids are it and the partition.
	Group string `env:"ENRICHER_GROUP, default=ringback-enricher"`
	// Settle is how long a session has no news before a correction is sent.
	Settle time.Duration `env:"ENRICHER_SETTLE, default=5s"`
	// OfferGrace is how long a session has no news before a declined offer ends it.
	OfferGrace time.Duration `env:"ENRICHER_OFFER_GRACE, default=10m"`
	// SessionTimeout is how long an open session has no news before it has failed.
	SessionTimeout time.Duration `env:"ENRICHER_SESSION_TIMEOUT, default=26h"`
	// StateRetention is how long after FINAL late events are still taken in.
	StateRetention time.Duration `env:"ENRICHER_STATE_RETENTION, default=48h"`
	// MarkerRetention is how long a closed session is remembered; not less than the lifecycle topic keeps records.
	MarkerRetention time.Duration `env:"ENRICHER_MARKER_RETENTION, default=10440h"`
	// ServiceStart is what _CB_T_SERVICE_START means: the time of the offer or of the request.
	ServiceStart string `env:"ENRICHER_SERVICE_START, default=offer"`
	// MaxAttempts is the limit of media attempts where a request gives none.
	MaxAttempts int64 `env:"ENRICHER_MAX_ATTEMPTS, default=3" unit:"attempts"`
	// SessionMaxEvents is the most events of one session; more is dead-lettered as TOO_LARGE.
	SessionMaxEvents int `env:"ENRICHER_SESSION_MAX_EVENTS, default=1000" unit:"events"`
	// SessionMaxBytes is the largest state of one session; more is dead-lettered as TOO_LARGE.
	SessionMaxBytes int `env:"ENRICHER_SESSION_MAX_BYTES, default=262144" unit:"bytes"`
	// BatchBytes is the most that one fetch, and so one transaction, reads. A partition that is behind holds two fetches.
	BatchBytes int `env:"ENRICHER_BATCH_BYTES, default=1048576" unit:"bytes"`
	// BatchInterval is the least time from the beginning of one batch of a partition to the next: what comes
	// meanwhile shares a transaction. After a pause, and while it is behind, it reads at once. 0: as fast as transactions go.
	BatchInterval time.Duration `env:"ENRICHER_BATCH_INTERVAL, default=25ms"`
	// Ticks lets the enricher write ticks; a generation that only re-reads the log writes none.
	Ticks bool `env:"ENRICHER_TICKS, default=true"`
	// AcceptExpired lets a partition go on at the start of the log where retention has removed
	// records before they were read. Without it that stops the partition. To be left on until records have come.
	AcceptExpired bool `env:"ENRICHER_ACCEPT_EXPIRED, default=false"`
}

// Validate returns every fault of the configuration.
func (c *Config) Validate() []error {
	var faults []error
	positive := func(name string, d time.Duration) {
		if d <= 0 {
			faults = append(faults, fmt.Errorf("%s: must be over 0, is %s", name, d))
		}
	}
	positive("ENRICHER_SETTLE", c.Settle)
	positive("ENRICHER_OFFER_GRACE", c.OfferGrace)
	positive("ENRICHER_SESSION_TIMEOUT", c.SessionTimeout)
	positive("ENRICHER_STATE_RETENTION", c.StateRetention)
	positive("ENRICHER_MARKER_RETENTION", c.MarkerRetention)
	if c.BatchInterval < 0 || c.BatchInterval > 10*time.Second {
		faults = append(faults, fmt.Errorf("ENRICHER_BATCH_INTERVAL: must be from 0 to 10s, is %s", c.BatchInterval))
	}
	if c.StateRetention < c.Settle {
		faults = append(faults, fmt.Errorf("ENRICHER_STATE_RETENTION: must not be less than ENRICHER_SETTLE, is %s", c.StateRetention))
	}
	if c.Group == "" {
		faults = append(faults, fmt.Errorf("ENRICHER_GROUP: must not be empty"))
	}
	if c.ServiceStart != "offer" && c.ServiceStart != "request" {
		faults = append(faults, fmt.Errorf("ENRICHER_SERVICE_START: must be offer or request, is %q", c.ServiceStart))
	}
	for _, limit := range []struct {
		name string
		n    int64
	}{
		{"ENRICHER_MAX_ATTEMPTS", c.MaxAttempts},
		{"ENRICHER_SESSION_MAX_EVENTS", int64(c.SessionMaxEvents)},
		{"ENRICHER_SESSION_MAX_BYTES", int64(c.SessionMaxBytes)},
		{"ENRICHER_BATCH_BYTES", int64(c.BatchBytes)},
	} {
		if limit.n <= 0 {
			faults = append(faults, fmt.Errorf("%s: must be over 0, is %d", limit.name, limit.n))
		}
	}
	return faults
}

// rules are the pure settings of it.
func (c *Config) rules() session.Rules {
	return session.Rules{
		Fold:       fold.Options{ServiceStartRequest: c.ServiceStart == "request", MaxAttempts: c.MaxAttempts},
		Settle:     c.Settle,
		OfferGrace: c.OfferGrace,
		Timeout:    c.SessionTimeout,
		Retention:  c.StateRetention,
		Marker:     c.MarkerRetention,
		MaxEvents:  c.SessionMaxEvents,
		MaxBytes:   c.SessionMaxBytes,
	}
}
