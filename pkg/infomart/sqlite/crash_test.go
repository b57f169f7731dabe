package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/sqlite"
	"github.com/ringback/ringback/pkg/infomart/storetest"
)

const (
	crashPath    = "RINGBACK_TEST_CRASH_PATH"
	crashBatch   = 10
	crashBatches = 30
)

// crashKeep keeps few rows a UserEvent: it is about which, not how many.
var crashKeep = infomart.EventData{Store: "conf", Keys: []string{"_CB_SERVICE_ID", "_CB_DISPOSITION", "_CB_T_SERVICE_START"}}

// crashBatchAt is the n-th batch of the run that is killed: sessions of two UserEvents.
func crashBatchAt(n int, after *infomart.Position) infomart.Batch {
	var events []*callback.UserEvent
	for i := range crashBatch {
		events = append(events, storetest.UserEvent(fmt.Sprintf("s%d-%d", n, i/2), int32(1+i%2), i%2 == 1))
	}
	return storetest.Batch(after, events...)
}

// TestCrashedWriter is the process that TestKill kills; by itself it does nothing.
func TestCrashedWriter(t *testing.T) {
	path := os.Getenv(crashPath)
	if path == "" {
		t.Skip("runs only as the child of TestKill")
	}
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, EventData: crashKeep})
	require.NoError(t, err)
	position, found, err := s.Position(t.Context(), storetest.Key)
	require.NoError(t, err)
	after := &position
	if !found {
		after = nil
	}
	for n := int(position.Next) / crashBatch; n < crashBatches; n++ {
		batch := crashBatchAt(n, after)
		_, err := s.Apply(t.Context(), batch, func(context.Context, []infomart.Rejection) error {
			fmt.Printf("inside %d\n", n) // the parent may kill here, between writing and committing
			return nil
		})
		require.NoError(t, err)
		fmt.Printf("committed %d\n", n)
		after = &batch.To
	}
	fmt.Println("finished")
}

// TestKill: invariants 4 and 5. A process killed at any moment leaves rows and position
// that belong together; the next one goes on from there to what one run gives.
func TestKill(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for kill := 1; ; kill += 7 {
		if run(t, db.path, kill) {
			break
		}
		s, err := sqlite.Open(t.Context(), sqlite.Config{Path: db.path})
		require.NoError(t, err)
		position, _, err := s.Position(t.Context(), storetest.Key)
		require.NoError(t, err)
		counts, err := s.Counts(t.Context())
		require.NoError(t, err)
		require.Equal(t, position.Next, counts.Facts)
		require.Equal(t, position.Next*int64(len(crashKeep.Keys)), counts.CustomData)
		require.NoError(t, s.Close())
	}
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: db.path})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	counts, err := s.Counts(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, crashBatch*crashBatches, counts.Facts)
	require.EqualValues(t, crashBatch*crashBatches/2, counts.Finals)
	check, err := s.Check(t.Context())
	require.NoError(t, err)
	require.Zero(t, check)
}

// run runs the writer until it has printed that many lines, and kills it. It returns
// whether the writer finished.
func run(t *testing.T, path string, lines int) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestCrashedWriter$", "-test.v")
	cmd.Env = append(os.Environ(), crashPath+"="+path)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	finished := false
	scanner := bufio.NewScanner(out)
	for scanner.Scan() {
		finished = finished || strings.Contains(scanner.Text(), "finished")
		if strings.HasPrefix(scanner.Text(), "inside") || strings.HasPrefix(scanner.Text(), "committed") {
			if lines--; lines == 0 {
				require.NoError(t, cmd.Process.Kill()) // SIGKILL
			}
		}
	}
	err = cmd.Wait()
	if finished {
		require.NoError(t, err)
	}
	return finished
}
