//go:build realkafka

package kafka

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// severed is a connection on which, once cut, requests vanish: they look sent, and no answer comes.
type severed struct {
	net.Conn
	cut      *atomic.Bool
	hit      *atomic.Int64
	produced *atomic.Int64 // of those, requests of Produce, whose key is 0
}

func (c *severed) Write(b []byte) (int, error) {
	if c.cut.Load() {
		c.hit.Add(1)
		if len(b) > 6 && b[4] == 0 && b[5] == 0 { // behind the request's size
			c.produced.Add(1)
		}
		_ = c.Conn.Close()
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// Invariant 1: a request that was lost on its way is no acknowledgement. While all are lost nothing is, and what Produce
// gave up is of unknown outcome; once they arrive, what is acknowledged is in the log, once.
func TestRealLostRequestsAreNotAcknowledged(t *testing.T) {
	brokers := realBrokers(t)
	var cut atomic.Bool
	var hit, produced atomic.Int64
	wrapClients(t, func(conn net.Conn) net.Conn { return &severed{conn, &cut, &hit, &produced} })
	c := newClient(t, brokers)
	name := newTopic(t, c, 1, nil)
	p := newProducer(t, c, ProducerConfig{})
	mustProduce(t, p, record(name, "k", "before"))

	cut.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	given := produceAsync(ctx, p, record(name, "k", "given up"))
	require.Eventually(t, func() bool { return produced.Load() > 0 }, 10*time.Second, time.Millisecond, "it looks sent")
	cancel()
	err := (<-given).ds[0].Err
	require.ErrorIs(t, err, ErrOutcomeUnknown)
	require.False(t, errors.Is(err, ErrQueueFull))

	lost := hit.Load()
	waits := produceAsync(t.Context(), p, record(name, "k", "waits"))
	require.Eventually(t, func() bool { return hit.Load() > lost+3 }, 10*time.Second, time.Millisecond, "it is sent again")
	select {
	case got := <-waits:
		require.Fail(t, "acknowledged by nobody", "%+v", got)
	default:
	}
	cut.Store(false)
	require.NoError(t, (<-waits).ds[0].Err)
	require.Equal(t, []string{"before", "given up", "waits"}, values(readEnded(t, c, name, 0)))
}
