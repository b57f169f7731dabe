package broker

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sys/unix"
)

// ErrNotStored: kfake could not write to the data directory, and the broker has stopped.
var ErrNotStored = errors.New("broker: data could not be stored")

// guard keeps kfake from acknowledging what it has not stored. kfake answers a batch that it fails to
// write with an error, but remembers its sequence number, and acknowledges the repetition as a
// duplicate; and it reports a transaction as committed whose marker it failed to write. So requests
// that write are refused while the disk is nearly full, and at the first write that fails all the same
// kfake stands still in the midst of the request: what it leaves is what a kill would, which repair
// knows.
//
// It is kfake's logger, because kfake tells of most failures nowhere else, and its listener, because
// kfake cannot be closed while it stands still.
type guard struct {
	dir  string
	min  int64
	free func(dir string) (int64, error)

	serving atomic.Bool // both watches are in place: who connects earlier is sent away
	closing atomic.Bool // kfake no longer writes offsets when they come, but all at the end
	failed  chan struct{}

	mu        sync.Mutex
	err       error
	listeners []net.Listener
	conns     map[net.Conn]bool
}

func newGuard(cfg Config) *guard {
	return &guard{dir: cfg.Dir, min: cfg.MinFree, free: cfg.free, failed: make(chan struct{}), conns: map[net.Conn]bool{}}
}

// freeSpace returns how many bytes may still be written to the directory's file system.
func freeSpace(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// full tells whether nothing more is to be written. A directory that cannot be asked is full.
func (g *guard) full() bool {
	free, err := g.free(g.dir)
	return err != nil || free < g.min
}

// watch refuses requests that write. It must be kfake's first control function: what is refused here
// the journal must not see.
func (g *guard) watch(c *kfake.Cluster) {
	for _, key := range []kmsg.Key{kmsg.Produce, kmsg.OffsetCommit, kmsg.InitProducerID, kmsg.EndTxn, kmsg.TxnOffsetCommit} {
		c.ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
			if !g.closing.Load() && !g.full() {
				return nil, nil, false
			}
			c.KeepControl()
			res := refusal(req)
			if res == nil {
				return nil, ErrNotStored, true // ends the connection
			}
			return res, nil, true
		})
	}
}

// refusal answers that the request has not been acted on and may be repeated; nil where there is no
// such answer.
func refusal(req kmsg.Request) kmsg.Response {
	const busy = 15 // COORDINATOR_NOT_AVAILABLE
	switch req := req.(type) {
	case *kmsg.ProduceRequest:
		if req.Acks == 0 {
			return nil
		}
		res := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, t := range req.Topics {
			rt := kmsg.NewProduceResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewProduceResponseTopicPartition()
				rp.Partition, rp.ErrorCode, rp.BaseOffset = p.Partition, kerr.KafkaStorageError.Code, -1
				rt.Partitions = append(rt.Partitions, rp)
			}
			res.Topics = append(res.Topics, rt)
		}
		return res
	case *kmsg.OffsetCommitRequest:
		res := req.ResponseKind().(*kmsg.OffsetCommitResponse)
		for _, t := range req.Topics {
			rt := kmsg.NewOffsetCommitResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewOffsetCommitResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, busy
				rt.Partitions = append(rt.Partitions, rp)
			}
			res.Topics = append(res.Topics, rt)
		}
		return res
	case *kmsg.TxnOffsetCommitRequest:
		res := req.ResponseKind().(*kmsg.TxnOffsetCommitResponse)
		for _, t := range req.Topics {
			rt := kmsg.NewTxnOffsetCommitResponseTopic()
			rt.Topic = t.Topic
			for _, p := range t.Partitions {
				rp := kmsg.NewTxnOffsetCommitResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, busy
				rt.Partitions = append(rt.Partitions, rp)
			}
			res.Topics = append(res.Topics, rt)
		}
		return res
	case *kmsg.InitProducerIDRequest:
		res := req.ResponseKind().(*kmsg.InitProducerIDResponse)
		res.ErrorCode = busy
		return res
	case *kmsg.EndTxnRequest:
		res := req.ResponseKind().(*kmsg.EndTxnResponse)
		res.ErrorCode = busy
		return res
	}
	return nil
}

// kfake's messages about what it could not store, by their beginnings; the second kind is logged while
// it closes, when it must not be stopped.
var (
	storeFailures = []string{"persist ", "endTx: failed", "rebuildSegments ", "compact "}
	closeFailures = []string{"persist to disk", "save session state"}
)

func beginsWithAny(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// Logf does not return from the failure to store something that is being served. kfake calls it from
// its request loop, which alone changes its state and its files: no answer follows.
func (g *guard) Logf(level kfake.LogLevel, format string, args ...any) {
	closing := beginsWithAny(format, closeFailures)
	if level > kfake.LogLevelWarn || !closing && !beginsWithAny(format, storeFailures) {
		return
	}
	err := fmt.Errorf("%w: "+format, append([]any{ErrNotStored}, args...)...)
	g.mu.Lock()
	if g.err == nil {
		g.err = err
	}
	if closing || !g.serving.Load() {
		g.mu.Unlock()
		return
	}
	for _, l := range g.listeners {
		_ = l.Close()
	}
	for c := range g.conns {
		_ = c.Close()
	}
	close(g.failed)
	g.mu.Unlock()
	select {}
}

func (g *guard) isFailed() bool {
	select {
	case <-g.failed:
		return true
	default:
		return false
	}
}

func (g *guard) failure() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

func (g *guard) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.listeners = append(g.listeners, l)
	return guardedListener{l, g}, nil
}

type guardedListener struct {
	net.Listener
	g *guard
}

func (l guardedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.g.mu.Lock()
	defer l.g.mu.Unlock()
	l.g.conns[c] = true
	if !l.g.serving.Load() || l.g.isFailed() {
		_ = c.Close() // kfake learns of it as it reads
	}
	return guardedConn{c, l.g}, nil
}

type guardedConn struct {
	net.Conn
	g *guard
}

func (c guardedConn) Close() error {
	c.g.mu.Lock()
	delete(c.g.conns, c.Conn)
	c.g.mu.Unlock()
	return c.Conn.Close()
}
