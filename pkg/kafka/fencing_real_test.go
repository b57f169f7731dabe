//go:build realkafka

package kafka

import (
	"encoding/binary"
	"net"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// meddler acts once, just before a request of that kind is sent.
type meddler struct {
	net.Conn
	key   kmsg.Key
	armed *atomic.Bool
	act   func()
}

func (c *meddler) Write(b []byte) (int, error) {
	if len(b) >= 6 && binary.BigEndian.Uint16(b[4:]) == uint16(c.key) && c.armed.Swap(false) {
		c.act()
	}
	return c.Conn.Write(b)
}

// Invariant 4: an owner that recovers from a failed transaction just as another one takes over does not take the
// transactional id back: it has aborted its own, and asks for the next epoch when the other has it already.
func TestRealRecoveryDoesNotFenceTheNewOwner(t *testing.T) {
	brokers := realBrokers(t)
	id := unique("txn")
	plain := newClient(t, brokers)
	name := newTopic(t, plain, 1, nil)
	var armed atomic.Bool
	var owner *Transactor
	var taken error
	wrapClients(t, func(conn net.Conn) net.Conn {
		return &meddler{conn, kmsg.InitProducerID, &armed, func() { owner, taken = plain.NewTransactor(t.Context(), id) }}
	})
	former, err := newClient(t, brokers).NewTransactor(t.Context(), id)
	require.NoError(t, err)
	require.NoError(t, former.open(t.Context(), []Record{record(name, "k", "left open")}))
	armed.Store(true)
	require.ErrorIs(t, former.Commit(t.Context(), Txn{Records: []Record{record(name, "k", "former")}}), ErrFenced)
	require.False(t, armed.Load(), "another owner has come in between")
	require.NoError(t, taken)
	require.NoError(t, owner.Commit(t.Context(), Txn{Records: []Record{record(name, "k", "owner")}}))
	require.Equal(t, []string{"owner"}, values(readEnded(t, plain, name, 0)))
}
