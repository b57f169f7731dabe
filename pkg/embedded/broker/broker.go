// Package broker is the Kafka broker that runs inside `ringback run`: kfake with a data directory.
// It is one process without replicas, for a person's first look and for tests; services reach it
// over TCP as they do any other broker.
//
// What survives: every acknowledged record, committed transaction and group offset survives the
// death of the process, kill -9 included, because it lies in the operating system's page cache by
// then. A power cut or a crash of the machine may lose what the system had not yet written to the
// disk, typically the last 30 s; with Config.SyncWrites each batch is on the disk before it is
// acknowledged.
package broker

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Config says where the broker keeps its data and where it listens.
type Config struct {
	// Dir is the data directory, made if absent. Required.
	Dir string
	// Port on 127.0.0.1; 0 takes any that is free.
	Port int
	// SyncWrites puts each batch on the disk before it is acknowledged.
	SyncWrites bool
	// CleanerInterval is how often retention and compaction run. Default 5 min.
	CleanerInterval time.Duration
}

// Broker is a running broker.
type Broker struct {
	cluster *kfake.Cluster
	lock    *dirLock
	addrs   []string
	close   sync.Once
	err     error
}

// Start locks the directory, loads what it holds and listens. A directory that another process has
// open is ErrLocked.
func Start(cfg Config) (*Broker, error) {
	if cfg.Dir == "" {
		return nil, fmt.Errorf("broker: no data directory given")
	}
	if err := os.MkdirAll(cfg.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	interval := cmp.Or(cfg.CleanerInterval, 5*time.Minute)
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.Ports(cfg.Port),
		kfake.DataDir(filepath.Join(cfg.Dir, "log")),
		kfake.ClusterID("ringback-embedded"),
		kfake.BrokerConfigs(map[string]string{"log.cleaner.backoff.ms": strconv.FormatInt(interval.Milliseconds(), 10)}),
	}
	if cfg.SyncWrites {
		opts = append(opts, kfake.SyncWrites())
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		lock.release()
		return nil, fmt.Errorf("broker: open %s: %w", cfg.Dir, err)
	}
	// Opening reads every segment whole; what it took goes back to the system.
	debug.FreeOSMemory()
	return &Broker{cluster: cluster, lock: lock, addrs: cluster.ListenAddrs()}, nil
}

// Addrs returns the bootstrap addresses, host:port.
func (b *Broker) Addrs() []string { return b.addrs }

// String names the broker by its addresses.
func (b *Broker) String() string { return strings.Join(b.addrs, ",") }

// Close stops the broker, syncs its files and unlocks the directory. A second call does nothing.
func (b *Broker) Close() error {
	b.close.Do(func() {
		b.cluster.Close()
		b.err = b.lock.release()
	})
	return b.err
}
