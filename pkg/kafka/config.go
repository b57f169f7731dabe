package kafka

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/segmentio/kafka-go/compress"

	"github.com/ringback/ringback/pkg/fault"
)

// Config says how to reach the cluster. The zero value of each field but Brokers takes its default.
type Config struct {
	// Brokers are the bootstrap addresses, host:port each.
	Brokers []string `env:"BROKERS" empty:"refused"`
	// ClientID is what the client calls itself in the broker's logs and quotas.
	ClientID string `env:"CLIENT_ID, default=ringback"`
	// DialTimeout bounds connecting to one broker, handshakes included.
	DialTimeout time.Duration `env:"DIAL_TIMEOUT, default=5s"`
	// RequestTimeout bounds one request and its answer.
	RequestTimeout time.Duration `env:"REQUEST_TIMEOUT, default=10s"`
	// TransactionTimeout is how long the owner of a transaction may be silent before the broker aborts it; at most the
	// broker's transaction.max.timeout.ms.
	TransactionTimeout time.Duration `env:"TRANSACTION_TIMEOUT, default=60s"`
	// Compression is what is done to what is written: none, gzip, snappy, lz4 or zstd. None costs the least where broker and
	// client share a machine; over a network lz4 or zstd is worth it.
	Compression string `env:"COMPRESSION, default=none"`

	// TLS encrypts the connections and, with a certificate, says who the client is. SASL says it by
	// a user and a password. Zero: neither.
	TLS  TLS
	SASL SASL `env:", prefix=SASL_"`
}

func (cfg Config) withDefaults() Config {
	cfg.ClientID = cmp.Or(cfg.ClientID, "ringback")
	cfg.DialTimeout = cmp.Or(cfg.DialTimeout, 5*time.Second)
	cfg.RequestTimeout = cmp.Or(cfg.RequestTimeout, 10*time.Second)
	cfg.Compression = cmp.Or(cfg.Compression, "none")
	cfg.TransactionTimeout = cmp.Or(cfg.TransactionTimeout, time.Minute)
	return cfg
}

// Validate returns all faults of the configuration, joined, as one Misconfiguration.
func (cfg Config) Validate() error {
	if err := errors.Join(cfg.Faults()...); err != nil {
		return fault.Misconfigf("kafka: configuration: %w", err)
	}
	return nil
}

// Faults returns all faults of the configuration; each names its variable.
func (cfg Config) Faults() []error {
	var faults []error
	if len(cfg.Brokers) == 0 {
		faults = append(faults, errors.New("KAFKA_BROKERS: no address given"))
	}
	for _, addr := range cfg.Brokers {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			faults = append(faults, fmt.Errorf("KAFKA_BROKERS: %q is not host:port: %w", addr, err))
		}
	}
	for _, d := range []struct {
		name string
		d    time.Duration
	}{
		{"KAFKA_DIAL_TIMEOUT", cfg.DialTimeout},
		{"KAFKA_REQUEST_TIMEOUT", cfg.RequestTimeout},
		{"KAFKA_TRANSACTION_TIMEOUT", cfg.TransactionTimeout},
	} {
		if d.d < 0 {
			faults = append(faults, fmt.Errorf("%s: %v is negative", d.name, d.d))
		}
	}
	if _, err := parseCompression(cmp.Or(cfg.Compression, "none")); err != nil {
		faults = append(faults, fmt.Errorf("KAFKA_COMPRESSION: %w", err))
	}
	return append(append(faults, cfg.TLS.validate(time.Now())...), cfg.SASL.validate(cfg.TLS.Enabled)...)
}

func parseCompression(name string) (compress.Compression, error) {
	switch name {
	case "none":
		return compress.None, nil
	case "gzip":
		return compress.Gzip, nil
	case "snappy":
		return compress.Snappy, nil
	case "lz4":
		return compress.Lz4, nil
	case "zstd":
		return compress.Zstd, nil
	}
	return compress.None, fmt.Errorf("%q is none of none, gzip, snappy, lz4, zstd", name)
}
