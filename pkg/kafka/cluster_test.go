package kafka

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/ringback/ringback/pkg/topic"
)

// newFake starts a broker in memory, for the tests that make it misbehave.
func newFake(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	return cluster
}

func newClient(t testing.TB, brokers []string, change ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{Brokers: brokers}
	for _, fn := range change {
		fn(&cfg)
	}
	c, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	if wrap, ok := wraps.Load(t); ok {
		c.conns.wrap = wrap.(func(net.Conn) net.Conn)
	}
	return c
}

// wraps is what the clients of a test have around their connections.
var wraps sync.Map // testing.TB -> func(net.Conn) net.Conn

// wrapClients puts wrap around the connections of the clients that the test makes from here on.
func wrapClients(t testing.TB, wrap func(net.Conn) net.Conn) {
	wraps.Store(t, wrap)
	t.Cleanup(func() { wraps.Delete(t) })
}

func newProducer(t testing.TB, c *Client, cfg ProducerConfig) *Producer {
	t.Helper()
	p := c.NewProducer(cfg)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = p.Close(ctx)
	})
	return p
}

var names atomic.Int64

// unique makes a name that no other test of this or an earlier run has.
func unique(prefix string) string {
	return fmt.Sprintf("%s-%d-%08x", prefix, names.Add(1), rand.Uint32())
}

func newTopic(t testing.TB, c *Client, partitions int, config map[string]string) string {
	t.Helper()
	name := unique("topic")
	if config == nil {
		config = map[string]string{"retention.ms": "-1"}
	}
	require.NoError(t, c.EnsureTopics(t.Context(), []topic.Spec{{Name: name, Partitions: partitions, Replication: 1, Config: config}}))
	return name
}

func record(topicName, key, value string) Record {
	return Record{Topic: topicName, Partition: AnyPartition, Key: []byte(key), Value: []byte(value)}
}

func mustProduce(t testing.TB, p *Producer, recs ...Record) []Delivery {
	t.Helper()
	ds := p.Produce(t.Context(), recs)
	require.Len(t, ds, len(recs))
	for _, d := range ds {
		require.NoError(t, d.Err)
	}
	return ds
}

// readAll reads a partition from offset on until its last stable offset, and returns where it got.
func readAll(t testing.TB, c *Client, topicName string, partition int32, offset int64) ([]Record, Fetched) {
	t.Helper()
	var recs []Record
	for {
		got, err := c.Fetch(t.Context(), FetchRequest{Topic: topicName, Partition: partition, Offset: offset, MaxWait: 100 * time.Millisecond})
		require.NoError(t, err)
		for i, r := range got.Records {
			require.GreaterOrEqual(t, r.Offset, offset)
			require.Less(t, r.Offset, got.Next)
			if i > 0 {
				require.Greater(t, r.Offset, got.Records[i-1].Offset)
			}
		}
		recs = append(recs, got.Records...)
		offset = got.Next
		if offset >= got.LastStable {
			return recs, got
		}
	}
}

// readEnded reads a partition from its beginning once all its transactions have ended, as they have
// a moment after the answer to their commit.
func readEnded(t testing.TB, c *Client, topicName string, partition int32) []Record {
	t.Helper()
	for begin := time.Now(); ; {
		recs, got := readAll(t, c, topicName, partition, 0)
		if got.LastStable == got.HighWatermark {
			return recs
		}
		require.Less(t, time.Since(begin), 10*time.Second, "a transaction stays open")
	}
}

func values(recs []Record) []string {
	out := make([]string, len(recs))
	for i, r := range recs {
		out[i] = string(r.Value)
	}
	return out
}

// unreliable is a network that can lose answers: the request arrives, and the connection breaks
// before its answer does.
type unreliable struct {
	mu   sync.Mutex
	lose func() bool
}

func (u *unreliable) losing(lose func() bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.lose = lose
}

func (u *unreliable) loses() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.lose != nil && u.lose()
}

func (u *unreliable) wrap(conn net.Conn) net.Conn { return &unreliableConn{Conn: conn, net: u} }

type unreliableConn struct {
	net.Conn
	net     *unreliable
	written atomic.Bool
}

func (c *unreliableConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.written.Store(true)
	return n, err
}

func (c *unreliableConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	// The answer has come, so the broker has done what it was asked to.
	if err == nil && c.written.Swap(false) && c.net.loses() {
		_ = c.Close()
		return 0, errors.New("connection reset by test")
	}
	return n, err
}

// newLossyClient is a client on an unreliable network.
func newLossyClient(t testing.TB, brokers []string) (*Client, *unreliable) {
	t.Helper()
	c := newClient(t, brokers)
	u := &unreliable{}
	c.conns.wrap = u.wrap
	return c, u
}

// oneIn loses about every nth answer.
func oneIn(n int) func() bool { return func() bool { return rand.IntN(n) == 0 } }

// first loses the first n answers.
func first(n int) func() bool { return func() bool { n--; return n >= 0 } }
