package sink

import (
	"cmp"
	"fmt"
	"time"

	"github.com/ringback/ringback/services/sink/consume"
)

// Config is the configuration that all sinks have in common.
type Config struct {
	// Group is the consumer group, and with topic and partition the name of the stored
	// positions.
	Group string `env:"SINK_GROUP" empty:"ringback-infomart or ringback-tserver"`
	// BatchRecords is the most records of one batch, which is one transaction of the store. 0 is as empty.
	BatchRecords int `env:"SINK_BATCH_RECORDS" unit:"records" empty:"1,000 for infomart, 250 for tserver"`
	// BatchBytes is the most that one fetch brings, and after which a batch is full.
	BatchBytes int `env:"SINK_BATCH_BYTES, default=1048576" unit:"bytes"`
	// BatchLatency is the longest that a record waits for its batch to fill. While a batch is
	// being written, the next fills by itself.
	BatchLatency time.Duration `env:"SINK_BATCH_LATENCY, default=5ms"`
	// RetryMin is the first wait in an outage; each wait doubles, up to [RetryMax].
	RetryMin time.Duration `env:"SINK_RETRY_MIN, default=100ms"`
	// RetryMax is the longest wait in an outage.
	RetryMax time.Duration `env:"SINK_RETRY_MAX, default=10s"`
	// UnknownSchemaWait is how long a schema id that the registry does not know is tried
	// again before its records are bad data.
	UnknownSchemaWait time.Duration `env:"SINK_UNKNOWN_SCHEMA_WAIT, default=30s"`
	// AcceptExpired lets the sink go on at the start of the log where retention has removed
	// records before they were read. Without it that stops the sink.
	AcceptExpired bool `env:"SINK_ACCEPT_EXPIRED, default=false"`
}

// Defaults returns the configuration of an empty environment.
func Defaults() Config {
	return Config{
		BatchBytes: 1 << 20, BatchLatency: 5 * time.Millisecond,
		RetryMin: 100 * time.Millisecond, RetryMax: 10 * time.Second, UnknownSchemaWait: 30 * time.Second,
	}
}

// GroupOf is the consumer group of the sink of that name.
func (c *Config) GroupOf(name string) string { return cmp.Or(c.Group, "ringback-"+name) }

// Validate returns every fault of the configuration.
func (c *Config) Validate() []error {
	var faults []error
	if c.BatchRecords < 0 {
		faults = append(faults, fmt.Errorf("SINK_BATCH_RECORDS: must not be negative, is %d", c.BatchRecords))
	}
	if c.BatchBytes < 1024 {
		faults = append(faults, fmt.Errorf("SINK_BATCH_BYTES: must be at least 1024, is %d", c.BatchBytes))
	}
	if c.BatchLatency < 0 {
		faults = append(faults, fmt.Errorf("SINK_BATCH_LATENCY: must not be negative, is %s", c.BatchLatency))
	}
	if c.RetryMin <= 0 {
		faults = append(faults, fmt.Errorf("SINK_RETRY_MIN: must be over 0, is %s", c.RetryMin))
	}
	if c.RetryMax < c.RetryMin {
		faults = append(faults, fmt.Errorf("SINK_RETRY_MAX: must not be less than SINK_RETRY_MIN, is %s", c.RetryMax))
	}
	if c.UnknownSchemaWait < 0 {
		faults = append(faults, fmt.Errorf("SINK_UNKNOWN_SCHEMA_WAIT: must not be negative, is %s", c.UnknownSchemaWait))
	}
	return faults
}

// idlePersist is after how long without records a position that moved past markers only is stored.
const idlePersist = 5 * time.Second

// fetchWait is how long a fetch waits for a first record.
const fetchWait = 500 * time.Millisecond

func (c *Config) consume(sink, component string) consume.Config {
	return consume.Config{
		Sink: sink, Component: component,
		BatchRecords: c.BatchRecords, BatchBytes: c.BatchBytes, BatchLatency: c.BatchLatency, FetchWait: fetchWait, IdlePersist: idlePersist,
		RetryMin: c.RetryMin, RetryMax: c.RetryMax, UnknownSchemaWait: c.UnknownSchemaWait, AcceptExpired: c.AcceptExpired,
	}
}
