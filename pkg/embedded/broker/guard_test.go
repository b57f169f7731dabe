package broker

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/kafka"
)

func produce(t *testing.T, c *kafka.Client, timeout time.Duration, values ...string) (acked []string) {
	t.Helper()
	p := c.NewProducer(kafka.ProducerConfig{})
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	defer func() { _ = p.Close(ctx) }()
	var recs []kafka.Record
	for _, v := range values {
		recs = append(recs, kafka.Record{Topic: "topic", Value: []byte(v)})
	}
	for i, d := range p.Produce(ctx, recs) {
		if d.Err == nil {
			acked = append(acked, values[i])
		}
	}
	return acked
}

// With too little room nothing is written, and what waits goes on when there is room.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var free atomic.Int64
	free.Store(100)
	refused := make(chan struct{}, 10)
	b := start(t, Config{Dir: dir, MinFree: 100, free: func(d string) (int64, error) {
		require.Equal(t, dir, d)
		n := free.Load()
		if n < 100 {
			select {
			case refused <- struct{}{}:
			default:
			}
		}
		return n, nil
	}})
	c := connect(t, b)
	ensure(t, c, "topic", 1, nil)
	tx, err := c.NewTransactor(t.Context(), "id")
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context(), txn("topic", "before", 0)))

	free.Store(99)
	waiting := make(chan []string, 1)
	go func() { waiting <- produce(t, c, time.Minute, "waited") }()
	committing := make(chan error, 1)
	go func() { committing <- tx.Commit(t.Context(), txn("topic", "txn", 0)) }()
	for range 6 { // both clients have asked, were refused, and ask again
		<-refused
	}
	select {
	case <-waiting:
		t.Fatal("produced without room")
	case err := <-committing:
		t.Fatal("committed without room: ", err)
	default:
	}
	require.Equal(t, []string{"before"}, read(t, c, "topic", 0))

	free.Store(100)
	require.Equal(t, []string{"waited"}, <-waiting)
	require.NoError(t, <-committing)
	require.ElementsMatch(t, []string{"before", "waited", "txn"}, read(t, c, "topic", 0))
	require.NoError(t, b.Err())
}

// fill makes writing to a file fail for want of space.
func fill(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	_ = os.Remove(path)
	require.NoError(t, os.Symlink("/dev/full", path))
}

func awaitFailed(t *testing.T, b *Broker) {
	t.Helper()
	select {
	case <-b.Failed():
	case <-time.After(20 * time.Second):
		t.Fatal("has not stopped")
	}
	require.ErrorIs(t, b.Err(), ErrNotStored)
	require.ErrorContains(t, b.Err(), "no space left on device")
	require.ErrorIs(t, b.Close(), ErrNotStored)
}

// A batch that could not be written is never acknowledged, however often it is sent; written it is
// after the restart.
func TestBatchNotStored(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, Config{Dir: dir})
	port := portOf(t, b)
	c := connect(t, b)
	ensure(t, c, "topic", 1, nil)
	data := filepath.Join(dir, "log", "partitions", "topic-0", "0.dat")
	fill(t, data)
	acked := make(chan []string, 1)
	go func() { acked <- produce(t, c, 30*time.Second, "v") }()
	awaitFailed(t, b)
	select {
	case got := <-acked:
		require.Empty(t, got, "acknowledged, but not stored")
	case <-time.After(time.Second):
	}
	require.NoError(t, os.Remove(data))
	b = start(t, Config{Dir: dir, Port: port})
	require.Equal(t, []string{"v"}, <-acked)
	require.Equal(t, []string{"v"}, read(t, connect(t, b), "topic", 0))
	require.NoError(t, b.Close())
}

// A transaction whose marker or offset could not be written is not reported as committed, and is whole
// after the restart.
func TestCommitNotStored(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{"marker": "log/partitions/topic-1/1.dat", "offset": "log/groups.log"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			b := start(t, Config{Dir: dir})
			port := portOf(t, b)
			c := connect(t, b)
			// Each batch in a segment of its own, so that the marker comes into a new file.
			ensure(t, c, "topic", 2, map[string]string{"segment.bytes": "1", "retention.ms": "-1"})
			tx, err := c.NewTransactor(t.Context(), "id")
			require.NoError(t, err)
			path := filepath.Join(dir, file)
			saved, err := os.ReadFile(path)
			exists := err == nil
			fill(t, path)
			committed := make(chan error, 1)
			go func() { committed <- tx.Commit(t.Context(), txn("topic", "v", 0, 1)) }()
			awaitFailed(t, b)
			select {
			case err := <-committed:
				require.Error(t, err)
			case <-time.After(time.Second):
			}
			require.NoError(t, os.Remove(path))
			if exists {
				require.NoError(t, os.WriteFile(path, saved, 0o644))
			}
			b = start(t, Config{Dir: dir, Port: port})
			c = connect(t, b)
			for p := range int32(2) {
				require.Equal(t, []string{"v"}, read(t, c, "topic", p), "partition "+strconv.Itoa(int(p)))
			}
			offset, ok, err := c.CommittedOffset(t.Context(), "group", "topic", 0)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, int64(1), offset)
			<-committed
		})
	}
}

// What cannot be saved at the end is worked out from the log at the next start.
func TestCloseNotStored(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, Config{Dir: dir})
	c := connect(t, b)
	ensure(t, c, "topic", 1, nil)
	require.Equal(t, []string{"v"}, produce(t, c, 10*time.Second, "v"))
	tmp := filepath.Join(dir, "log", "seq_windows.json.tmp")
	fill(t, tmp)
	require.ErrorIs(t, b.Close(), ErrNotStored)
	require.False(t, dataDir(dir).clean())
	_ = os.Remove(tmp)
	b = start(t, Config{Dir: dir})
	require.Equal(t, []string{"v"}, read(t, connect(t, b), "topic", 0))
}
