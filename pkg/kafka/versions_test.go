package kafka

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// sentVersions reads along what clients send, and notes each API with its version.
type sentVersions struct {
	mu   sync.Mutex
	sent map[[2]int16]int
}

func (s *sentVersions) wrap(conn net.Conn) net.Conn { return &readAlong{Conn: conn, to: s} }

func (s *sentVersions) note(key, version int16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent == nil {
		s.sent = map[[2]int16]int{}
	}
	s.sent[[2]int16{key, version}]++
}

// lines lists them as "key name version".
func (s *sentVersions) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all [][2]int16
	for kv := range s.sent {
		all = append(all, kv)
	}
	slices.SortFunc(all, func(a, b [2]int16) int { return slices.Compare(a[:], b[:]) })
	var out []string
	for _, kv := range all {
		out = append(out, fmt.Sprintf("%2d %s %d", kv[0], kmsg.NameForKey(kv[0]), kv[1]))
	}
	return out
}

// readAlong follows the requests on one connection: each is its size, key and version, and the rest.
type readAlong struct {
	net.Conn
	to   *sentVersions
	head []byte
	skip int
}

func (c *readAlong) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		if c.skip > 0 {
			n := min(c.skip, len(rest))
			c.skip, rest = c.skip-n, rest[n:]
			continue
		}
		n := min(8-len(c.head), len(rest))
		c.head, rest = append(c.head, rest[:n]...), rest[n:]
		if len(c.head) == 8 {
			c.to.note(int16(binary.BigEndian.Uint16(c.head[4:])), int16(binary.BigEndian.Uint16(c.head[6:])))
			c.skip = int(binary.BigEndian.Uint32(c.head)) - 4
			c.head = c.head[:0]
		}
	}
	return c.Conn.Write(b)
}

// recordVersions runs what a service does and returns what that sends.
func recordVersions(t *testing.T, brokers []string) *sentVersions {
	t.Helper()
	s := &sentVersions{}
	wrapClients(t, s.wrap)
	testTransaction(t, brokers)
	testTxnOffsets(t, brokers)
	testGroup(t, brokers)
	testGroupZombie(t, brokers)
	testTopics(t, brokers)
	testTopicStates(t, brokers)
	testFetch(t, brokers)
	return s
}

// TestSentVersions: the embedded broker takes far older requests than Kafka 4 does, so what is sent is
// held against the list that the real broker has been asked about (TestRealVersions).
func TestSentVersions(t *testing.T) {
	t.Parallel()
	requireSentVersions(t, recordVersions(t, newFake(t).ListenAddrs()))
}

// requireSentVersions holds what was sent against the list that docs/kafka.md and the operators of
// other brokers go by. RINGBACK_UPDATE_GOLDEN=1 writes it anew.
func requireSentVersions(t *testing.T, s *sentVersions) {
	t.Helper()
	golden := filepath.Join("testdata", "versions.txt")
	got := strings.Join(s.lines(), "\n") + "\n"
	if os.Getenv("RINGBACK_UPDATE_GOLDEN") != "" {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}
