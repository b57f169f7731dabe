package enricher_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/embedded/broker"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/watchdog"
	"github.com/ringback/ringback/services/enricher"
)

// turnstile is a clock that, once it is shut, lets one reader through at a time. A partition with a deadline reads it
// before each fetch.
type turnstile struct {
	shut    atomic.Bool
	reading chan struct{} // somebody stands before it
	pass    chan struct{}
	gone    chan struct{} // the test is over: a failure must not leave somebody standing
}

func newTurnstile() *turnstile {
	return &turnstile{reading: make(chan struct{}), pass: make(chan struct{}), gone: make(chan struct{})}
}

func (c *turnstile) now() time.Time {
	if c.shut.Load() {
		select {
		case c.reading <- struct{}{}:
			select {
			case <-c.pass:
			case <-c.gone:
			}
		case <-c.gone:
		}
	}
	return time.Now()
}

// open lets the one who stands before it through, and everybody after.
func (c *turnstile) open() {
	c.shut.Store(false)
	c.pass <- struct{}{}
}

// guarded starts an enricher with that clock, on whose partitions but one nothing is ever due.
func guarded(t *testing.T, c *turnstile, watch *watchdog.Watch) (*world, *enricher.Enricher, int32) {
	t.Helper()
	b, err := broker.Start(broker.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	w := newWorld(t, b.Addrs())
	w.config.BatchBytes = 1 // a record at a time
	client, err := kafka.New(kafka.Config{Brokers: w.brokers, ClientID: "enricher"})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	e, err := enricher.New(w.config, enricher.Deps{Kafka: client, Codec: w.codec, Now: c.now, Watch: watch})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() { cancel(); close(c.gone); require.NoError(t, <-done) })

	first := w.life(0)
	w.produce(first[:3]...)
	n := kafka.PartitionForKey([]byte(first[0].Subject), partitions)
	require.NoError(t, e.WaitFor(t.Context(), map[int32]int64{n: w.ends(topic.Lifecycle)[n]}))
	require.Eventually(t, func() bool { return e.Ready() == nil }, 30*time.Second, time.Millisecond)
	return w, e, n
}

// A partition that hangs is told by its name, and no other; once it goes on, all is well.
func TestAPartitionThatHangsIsNotLive(t *testing.T) {
	t.Parallel()
	c, watch := newTurnstile(), watchdog.New(3*time.Second)
	w, e, n := guarded(t, c, watch)
	require.NoError(t, watch.Live())
	c.shut.Store(true)
	<-c.reading
	require.Eventually(t, func() bool { return watch.Live() != nil }, time.Minute, time.Millisecond)
	require.Regexp(t, fmt.Sprintf(`^enricher: partition %d of callback.lifecycle.v1 has not gone on for \d+s$`, n), watch.Live().Error())
	c.open()
	require.Eventually(t, func() bool { return watch.Live() == nil }, 30*time.Second, time.Millisecond)
	w.produce(w.life(0)[3:]...)
	require.NoError(t, e.WaitFor(t.Context(), map[int32]int64{n: w.ends(topic.Lifecycle)[n]}))
}

// Who has caught up stays ready while it is behind: under a load as fast as it can go it would else flap.
func TestFallingBehindTakesNoReadiness(t *testing.T) {
	t.Parallel()
	c := newTurnstile()
	w, e, n := guarded(t, c, nil)
	c.shut.Store(true)
	<-c.reading
	for i := range 20 {
		w.produce(w.event(0, 100+i, 30+i, callback.Queued, callback.Data{}))
	}
	ends := w.ends(topic.Lifecycle)
	before := e.Counts().Read
	for range 5 {
		c.pass <- struct{}{}
		<-c.reading
		require.NoError(t, e.Ready())
	}
	read := e.Counts().Read - before
	require.Positive(t, read)
	require.Less(t, read, int64(20), "it is behind")
	c.open()
	require.NoError(t, e.WaitFor(t.Context(), map[int32]int64{n: ends[n]}))
}
