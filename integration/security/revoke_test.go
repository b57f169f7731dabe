//go:build realkafka

package security

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/pkg/kafka/acl"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/services/ringback/scenario"
)

// TestRealRevokedRight takes each right away from a service that runs, and gives it back. Meanwhile
// the service runs on, says which right it is and loses nothing (invariant 7); so each right is also
// shown to be needed, since the services find it out by using it.
func TestRealRevokedRight(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	for _, name := range running {
		w.grant(ctx, t, name, rights(t, name)...)
	}
	p := w.start(ctx, t)
	n := 0
	for _, name := range running {
		for _, right := range rights(t, name) {
			if right.Operation == acl.DescribeConfigs {
				continue // it is used by a start alone; TestRealServicesNameTheMissingRight shows that it is needed
			}
			n++
			t.Run(name+" without "+right.String(), func(t *testing.T) {
				ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
				defer cancel()
				w.revoked(ctx, t, p, name, right, fmt.Sprintf("%06d", n))
			})
		}
	}
}

func (w *world) revoked(ctx context.Context, t *testing.T, p *pipeline, name string, right acl.Right, run string) {
	defer func() {
		if t.Failed() {
			t.Logf("%s printed:\n%s", name, w.output(t, p.of[name]))
		}
	}()
	also := []acl.Right{right}
	if right.Operation == acl.Read && right.Name == topic.Sessions {
		// Only who takes a partition over reads them: so it loses its group for a while.
		also = append(also, rights(t, name)[0])
	}
	before := len(w.output(t, p.of[name]))
	w.revoke(ctx, t, name, also...)
	defer w.grant(context.WithoutCancel(ctx), t, name, also...)
	session, lines := story(t, run)
	if name == "enricher" && right.Operation == acl.Write && right.Name == topic.Lifecycle {
		lines = lines[:1] // the session's time-out takes a tick, which is what is written there
	}
	posted := make(chan error, 1)
	go func() { // an event that is not accepted is sent again, as its source would
		for _, line := range lines {
			if err := process.Until(ctx, func() error { return post(ctx, p.url, line) }); err != nil {
				posted <- err
				return
			}
		}
		posted <- nil
	}()
	if right.Name == topic.DeadLetters {
		read := topic.UserEvents
		if name == "enricher" {
			read = topic.Lifecycle
		}
		w.bad(ctx, t, read)
	}
	for i := len(also) - 1; i >= 0; i-- {
		w.until(ctx, t, "the right is named", func() error {
			err := w.names(ctx, t, p, name, also[i], before)
			if left := p.of[name].Readiness(ctx); err == nil && i > 0 && (left == nil || !strings.Contains(left.Error(), "not in the consumer group")) {
				err = fmt.Errorf("still in the group: %v", left)
			}
			return err
		})
		require.True(t, p.of[name].Running())
		if i > 0 {
			w.grant(ctx, t, name, also[i])
		}
	}
	w.grant(ctx, t, name, right)
	require.NoError(t, <-posted)
	for _, s := range running {
		require.NoError(t, p.of[s].WaitReady(ctx), s)
	}
	w.until(ctx, t, "the events come through", func() error { return w.distributed(session) })
}

// names tells whether a service says that it lacks a right: to whoever asks whether it is ready or,
// the producer, in what it has logged since.
func (w *world) names(ctx context.Context, t *testing.T, p *pipeline, name string, right acl.Right, since int) error {
	err := p.of[name].Readiness(ctx)
	said := w.output(t, p.of[name])[since:]
	if err != nil {
		said += err.Error()
	}
	if !strings.Contains(said, "not authorized: "+right.String()+" (principal User:") {
		return fmt.Errorf("%s says: %s", name, said)
	}
	return nil
}

// story is a scenario with ids of its own.
func story(t *testing.T, run string) (session string, lines [][]byte) {
	t.Helper()
	lines, err := scenario.Lines("agent-reason")
	require.NoError(t, err)
	const known = "370-b3b5625c-891a-5d5e-bd9c-f67f55d7f7cf"
	session = known[:len(known)-len(run)] + run
	for i := range lines {
		lines[i] = bytes.ReplaceAll(lines[i], []byte(known), []byte(session))
		lines[i] = bytes.ReplaceAll(lines[i], []byte(`"id":"agent-reason`), []byte(`"id":"`+run))
	}
	return session, lines
}
