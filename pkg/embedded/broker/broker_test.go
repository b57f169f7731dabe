package broker

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
)

func start(t testing.TB, cfg Config) *Broker {
	t.Helper()
	b, err := Start(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func connect(t testing.TB, b *Broker) *kafka.Client {
	t.Helper()
	c, err := kafka.New(kafka.Config{Brokers: b.Addrs()})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func ensure(t testing.TB, c *kafka.Client, name string, partitions int, config map[string]string) {
	t.Helper()
	if config == nil {
		config = map[string]string{"retention.ms": "-1"}
	}
	require.NoError(t, c.EnsureTopics(t.Context(), []topic.Spec{{Name: name, Partitions: partitions, Replication: 1, Config: config}}))
}

// read returns the values of all committed records of a partition.
func read(t testing.TB, c *kafka.Client, name string, partition int32) []string {
	t.Helper()
	ranges, err := c.Offsets(t.Context(), name)
	require.NoError(t, err)
	var out []string
	for offset := ranges[partition].Earliest; ; {
		got, err := c.Fetch(t.Context(), kafka.FetchRequest{Topic: name, Partition: partition, Offset: offset})
		require.NoError(t, err)
		for _, r := range got.Records {
			out = append(out, string(r.Value))
		}
		if offset = got.Next; offset >= got.LastStable {
			require.Equal(t, got.HighWatermark, got.LastStable, "an open transaction")
			return out
		}
	}
}

func txn(name string, value any, partitions ...int32) kafka.Txn {
	var recs []kafka.Record
	for _, p := range partitions {
		recs = append(recs, kafka.Record{Topic: name, Partition: p, Key: []byte("k"), Value: fmt.Append(nil, value)})
	}
	return kafka.Txn{
		Records: recs,
		Group:   &kafka.GroupOffsets{Generation: kafka.Generation{GroupID: "group", ID: -1}, Topic: name, Offsets: map[int32]int64{0: 1}},
	}
}

// image copies the data directory of a running broker: what a kill would leave.
func image(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	require.NoError(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}

func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())
	for i := range 3 {
		b, err := Start(Config{Dir: dir, Port: port, SyncWrites: i == 1})
		require.NoError(t, err)
		require.Equal(t, []string{"127.0.0.1:" + strconv.Itoa(port)}, b.Addrs())
		c := connect(t, b)
		ensure(t, c, "topic", 2, nil)
		tx, err := c.NewTransactor(t.Context(), "id")
		require.NoError(t, err)
		work := txn("topic", i, 0, 1)
		work.Group.Offsets[0] = int64(i)
		require.NoError(t, tx.Commit(t.Context(), work))
		require.Len(t, read(t, c, "topic", 1), i+1)
		offset, ok, err := c.CommittedOffset(t.Context(), "group", "topic", 0)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, int64(i), offset)
		c.Close()
		require.NoError(t, b.Close())
		require.NoError(t, b.Close(), "a second time")
	}
}

func TestLocked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, Config{Dir: dir})
	_, err := Start(Config{Dir: dir})
	require.ErrorIs(t, err, ErrLocked)
	require.ErrorContains(t, err, "process "+strconv.Itoa(os.Getpid()))
	require.NoError(t, b.Close())
	start(t, Config{Dir: dir})
}

func TestBadDir(t *testing.T) {
	t.Parallel()
	_, err := Start(Config{})
	require.ErrorContains(t, err, "no data directory")
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	_, err = Start(Config{Dir: file})
	require.ErrorContains(t, err, "not a directory")
}

// Retention removes segments while the broker runs, on its own clock.
func TestRetention(t *testing.T) {
	t.Parallel()
	b := start(t, Config{Dir: t.TempDir(), CleanerInterval: 20 * time.Millisecond})
	c := connect(t, b)
	ensure(t, c, "short", 1, map[string]string{"retention.ms": "1"})
	p := c.NewProducer(kafka.ProducerConfig{})
	for _, d := range p.Produce(t.Context(), []kafka.Record{{Topic: "short", Value: []byte("v"), Time: time.Now().Add(-time.Hour)}}) {
		require.NoError(t, d.Err)
	}
	require.Eventually(t, func() bool {
		ranges, err := c.Offsets(t.Context(), "short")
		return err == nil && ranges[0] == kafka.OffsetRange{Earliest: 1, Latest: 1}
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, p.Close(t.Context()))
}
