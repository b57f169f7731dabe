package tserver_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/gateway"
	"github.com/ringback/ringback/pkg/tserverlog"
	"github.com/ringback/ringback/services/tserver"
)

// killedLog names the log of the simulator that this binary is when the kill test runs it as its child.
const killedLog = "RINGBACK_TEST_TSERVER_LOG"

func TestMain(m *testing.M) {
	if log := os.Getenv(killedLog); log != "" {
		s, err := tserver.New(tserver.Config{Addr: "127.0.0.1:0", Log: log, LogMaxBytes: 256 << 10})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(s.URL())
		fmt.Fprintln(os.Stderr, s.Run(context.Background()))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// Invariant 8: what was acknowledged is in the log, though the process is killed by SIGKILL while it writes.
func TestKilledServerLosesNoAcknowledgedEvent(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "tserver.log")
	var (
		mu    sync.Mutex
		acked = map[int64]bool{}
		next  atomic.Int32
	)
	for round := range 4 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), killedLog+"="+log)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		url, err := bufio.NewReader(out).ReadString('\n')
		require.NoError(t, err)
		c, err := gateway.New(gateway.Config{URL: strings.TrimSpace(url)})
		require.NoError(t, err)

		enough := make(chan struct{})
		var acks atomic.Int32
		var senders sync.WaitGroup
		for range 8 {
			senders.Go(func() {
				for {
					ref := next.Add(1)
					_, err := c.Distribute(context.Background(), event("REPORTING", ref))
					if err != nil {
						if fault.ClassOf(err) != fault.Outage {
							t.Error(err)
						}
						return
					}
					mu.Lock()
					acked[int64(ref)] = true
					mu.Unlock()
					if acks.Add(1) == int32(100+50*round) {
						close(enough)
					}
				}
			})
		}
		<-enough
		require.NoError(t, child.Process.Kill())
		senders.Wait()
		var exit *exec.ExitError
		require.True(t, errors.As(child.Wait(), &exit))
		c.Close()
	}

	logged := map[int64]bool{}
	var last uint64
	for _, m := range messages(t, log) {
		require.Equal(t, last+1, m.EventSequenceNumber, "the numbers go on after a restart")
		last = m.EventSequenceNumber
		if m.Name == tserverlog.EventUserEvent && m.Complete() {
			logged[m.ReferenceID] = true
		}
	}
	require.GreaterOrEqual(t, len(acked), 700)
	for ref := range acked {
		require.True(t, logged[ref], "event %d was acknowledged and is not in the log", ref)
	}
}
