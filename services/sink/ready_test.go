package sink_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/gateway"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/services/sink"
	"github.com/ringback/ringback/services/sink/tserver"
)

// gate is a T-Server that answers nothing while it is shut, like one that is slow.
type gate struct {
	*recorder
	shut atomic.Pointer[chan struct{}]
}

func (g *gate) close() (open func()) {
	c := make(chan struct{})
	g.shut.Store(&c)
	return func() { g.shut.Store(nil); close(c) }
}

func (g *gate) Distribute(ctx context.Context, e gateway.UserEvent) (gateway.Ack, error) {
	if c := g.shut.Load(); c != nil {
		select {
		case <-*c:
		case <-ctx.Done():
			return gateway.Ack{}, fault.Outagef("no answer: %w", ctx.Err())
		}
	}
	return g.recorder.Distribute(ctx, e)
}

// A sink that starts is ready once it has caught up, and says how far it is until then. Whoever has caught up once
// stays ready, behind or not, over rebalances too: a rollout must not wait for a backlog twice.
func TestReadyOnceCaughtUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := &gate{recorder: w.gateway}
	sends := tserver.Defaults("SIP_Switch")
	sends.Drain = 100 * time.Millisecond
	start := func() *member {
		return w.start(func(d sink.Deps) (*sink.Sink, error) {
			return sink.NewTServer(quick(), sends, w.store, g, d)
		})
	}
	says := func(m *member, word string) func() bool {
		return func() bool { err := m.Ready(); return err != nil && strings.Contains(err.Error(), word) }
	}
	w.produce(w.services("a", 60)...)
	open := g.close()
	first := start()
	require.Eventually(t, says(first, "is catching up: "), 20*time.Second, time.Millisecond)
	require.ErrorContains(t, first.Ready(), " offsets to go of those that were there when it was assigned")
	open()
	w.wait(first, topic.UserEvents)
	require.Eventually(t, func() bool { return first.Ready() == nil }, 20*time.Second, time.Millisecond)

	open = g.close()
	w.produce(w.services("b", 60)...)
	require.NoError(t, first.Ready(), "behind, as everybody is now and then")
	second := start()
	require.Eventually(t, says(second, "is catching up: "), 30*time.Second, time.Millisecond)
	require.Eventually(t, func() bool { return first.Ready() == nil }, 20*time.Second, time.Millisecond, "its partitions were assigned anew, and are behind")
	require.Eventually(t, says(second, "is catching up: "), 20*time.Second, time.Millisecond, "of each topic both have partitions")
	open()
	require.Eventually(t, func() bool { return second.Ready() == nil && first.Ready() == nil }, 20*time.Second, time.Millisecond)
}
