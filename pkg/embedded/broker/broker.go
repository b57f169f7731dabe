package broker

import (
	"cmp"
	"errors"
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
	// CleanerInterval is how often retention is applied. Default 5 min.
	CleanerInterval time.Duration
	// CompactBytes is the least that compacted topics must have grown to, and have doubled since,
	// for Start to compact them. Default 64 MiB.
	CompactBytes int64
	// MinFree is how many bytes must be free on the data directory's file system for records, offsets
	// and transactions to be taken. Default 64 MiB.
	MinFree int64

	free func(dir string) (int64, error) // freeSpace, except in tests
}

// Broker is a running broker.
type Broker struct {
	cluster *kfake.Cluster
	dir     dataDir
	lock    *dirLock
	journal *journal
	guard   *guard
	addrs   []string
	stop    chan struct{}
	cleaner sync.WaitGroup
	close   sync.Once
	err     error
}

// Start locks the directory, repairs and loads what it holds, and listens. A directory that another
// process has open is ErrLocked.
func Start(cfg Config) (*Broker, error) {
	if cfg.Dir == "" {
		return nil, errors.New("broker: no data directory given")
	}
	cfg.CleanerInterval = cmp.Or(cfg.CleanerInterval, 5*time.Minute)
	cfg.CompactBytes = cmp.Or(cfg.CompactBytes, 64<<20)
	cfg.MinFree = cmp.Or(cfg.MinFree, 64<<20)
	if cfg.free == nil {
		cfg.free = freeSpace
	}
	if err := os.MkdirAll(cfg.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	b, err := open(cfg, lock)
	if err != nil {
		return nil, fmt.Errorf("broker: open %s: %w", cfg.Dir, errors.Join(err, lock.release()))
	}
	return b, nil
}

// opening is held while a directory is loaded, since the collector's setting is the whole process's.
var opening sync.Mutex

func open(cfg Config, lock *dirLock) (*Broker, error) {
	dir := dataDir(cfg.Dir)
	opening.Lock()
	defer opening.Unlock()
	// Loading reads every segment whole: collect that garbage as it comes, and give the memory back.
	defer debug.FreeOSMemory()
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	if err := dir.restoreCompaction(); err != nil {
		return nil, err
	}
	if err := dir.repair(); err != nil {
		return nil, err
	}
	if err := dir.compact(cfg); err != nil {
		return nil, err
	}
	if err := dir.markDirty(); err != nil {
		return nil, err
	}
	j, err := openJournal(dir, cfg.SyncWrites)
	if err != nil {
		return nil, err
	}
	g := newGuard(cfg)
	cluster, err := dir.load(cfg, cfg.Port, g)
	if err != nil {
		return nil, errors.Join(err, j.close())
	}
	if err := g.failure(); err != nil {
		cluster.Close()
		return nil, errors.Join(err, j.close())
	}
	g.watch(cluster)
	j.watch(cluster)
	g.serving.Store(true)
	b := &Broker{cluster: cluster, dir: dir, lock: lock, journal: j, guard: g, addrs: cluster.ListenAddrs(), stop: make(chan struct{})}
	b.cleaner.Go(func() { b.retain(cfg.CleanerInterval) })
	return b, nil
}

// load opens the directory with kfake. kfake's own cleaner never runs: it would compact in place.
func (d dataDir) load(cfg Config, port int, g *guard) (*kfake.Cluster, error) {
	const never = 100 * 365 * 24 * time.Hour
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.Ports(port),
		kfake.DataDir(d.log()),
		kfake.WithLogger(g),
		kfake.ListenFn(g.listen),
		kfake.ClusterID("ringback-embedded"),
		kfake.BrokerConfigs(map[string]string{
			"log.cleaner.backoff.ms": strconv.FormatInt(never.Milliseconds(), 10),
			"log.segment.bytes":      strconv.Itoa(32 << 20),
		}),
	}
	if cfg.SyncWrites {
		opts = append(opts, kfake.SyncWrites())
	}
	return kfake.NewCluster(opts...)
}

// retain applies the topics' retention from time to time. It removes whole segments only.
func (b *Broker) retain(every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-ticker.C:
			b.cluster.ApplyRetention()
		}
	}
}

// Addrs returns the bootstrap addresses, host:port.
func (b *Broker) Addrs() []string { return b.addrs }

// String names the broker by its addresses.
func (b *Broker) String() string { return strings.Join(b.addrs, ",") }

// Failed is closed when the broker has stopped because it could not store something: it answers no
// more, and the process should end. Nothing that it has acknowledged is lost.
func (b *Broker) Failed() <-chan struct{} { return b.guard.failed }

// Err tells why Failed is closed, wrapping ErrNotStored; nil before.
func (b *Broker) Err() error { return b.guard.failure() }

// Close stops the broker and unlocks the directory. A second call does nothing.
func (b *Broker) Close() error {
	b.close.Do(func() {
		close(b.stop)
		b.guard.closing.Store(true)
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			b.cleaner.Wait()
			b.cluster.Close()
		}()
		select {
		case <-closed:
		case <-b.guard.failed: // kfake stands still and would not close
		}
		err := b.guard.failure()
		if err == nil {
			err = b.dir.markClean()
		}
		// Not marked, the directory is repaired at the next start.
		b.err = errors.Join(err, b.journal.close(), b.lock.release())
	})
	return b.err
}

// dataDir is the data directory: kfake's files in log/, this package's beside it.
type dataDir string

func (d dataDir) log() string { return filepath.Join(string(d), "log") }
func (d dataDir) path(names ...string) string {
	return filepath.Join(append([]string{string(d)}, names...)...)
}

// clean tells whether kfake was closed the last time, and has saved all its state.
func (d dataDir) clean() bool {
	_, err := os.Stat(d.path("clean"))
	return err == nil
}

func (d dataDir) markClean() error { return os.WriteFile(d.path("clean"), nil, 0o644) }

func (d dataDir) markDirty() error {
	if err := os.Remove(d.path("clean")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
