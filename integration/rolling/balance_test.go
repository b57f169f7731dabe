//go:build realcluster

package rolling_test

import (
	"io"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// address is one address for several producers, as a Service is: each new connection goes to the next endpoint. A
// connection that is there stays with its producer until one of the two ends it.
type address struct {
	listener net.Listener

	mu        sync.Mutex
	endpoints []string
	next      int
}

func newAddress(t *testing.T, urls []string) *address {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	a := &address{listener: l}
	for _, u := range urls {
		a.add(t, u)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { a.forward(conn) })
		}
	})
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		serving.Wait()
	})
	return a
}

func (a *address) url() string { return "http://" + a.listener.Addr().String() + "/v1/events" }

func host(t *testing.T, of string) string {
	t.Helper()
	u, err := url.Parse(of)
	require.NoError(t, err)
	return u.Host
}

// add makes a producer that is ready an endpoint.
func (a *address) add(t *testing.T, producer string) {
	t.Helper()
	h := host(t, producer)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.endpoints = append(a.endpoints, h)
}

// taken is how long a connection that was just made may lie there before the producer takes it up.
const taken = 500 * time.Millisecond

// remove takes one out before it is told to stop. The chart's preStop waits until every proxy knows, and what they
// passed on the moment before is taken up; here all of them know at once.
func (a *address) remove(t *testing.T, producer string) {
	t.Helper()
	h := host(t, producer)
	a.mu.Lock()
	a.endpoints = slices.DeleteFunc(a.endpoints, func(e string) bool { return e == h })
	a.mu.Unlock()
	<-time.After(taken)
}

func (a *address) pick() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.endpoints) == 0 {
		return ""
	}
	a.next++
	return a.endpoints[a.next%len(a.endpoints)]
}

func (a *address) forward(client net.Conn) {
	defer client.Close()
	producer, err := net.Dial("tcp", a.pick())
	if err != nil {
		return // the client sees a connection that breaks, and counts it
	}
	defer producer.Close()
	var both sync.WaitGroup
	pass := func(to, from net.Conn) {
		_, _ = io.Copy(to, from) // either side may break it off: the other then sees that
		_ = to.(*net.TCPConn).CloseWrite()
	}
	both.Go(func() { pass(producer, client) })
	pass(client, producer)
	// A producer that has closed takes no more: what the client still sends must not wait.
	_ = client.Close()
	both.Wait()
}
