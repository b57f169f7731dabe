package broker

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/kafka"
)

func TestCompact(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, Config{Dir: dir})
	c := connect(t, b)
	ensure(t, c, "state", 2, map[string]string{"cleanup.policy": "compact", "retention.ms": "-1", "segment.bytes": "10000"})
	ensure(t, c, "log", 1, nil)
	tx, err := c.NewTransactor(t.Context(), "id")
	require.NoError(t, err)
	for i := range 100 {
		work := txn("log", i, 0)
		for p := range int32(2) {
			work.Records = append(work.Records, kafka.Record{Topic: "state", Partition: p, Key: fmt.Append(nil, i%10), Value: fmt.Append(nil, i, " ", string(make([]byte, 500)))})
		}
		require.NoError(t, tx.Commit(t.Context(), work))
	}
	// Aborted ones supersede nothing.
	abandoned := txn("state", "aborted", 0, 1)
	for i := range abandoned.Records {
		abandoned.Records[i].Key = []byte("3")
	}
	abandoned.Group.Generation.ID, abandoned.Group.Generation.MemberID = 7, "nobody"
	require.ErrorIs(t, tx.Commit(t.Context(), abandoned), kafka.ErrRebalanced)
	c.Close()
	require.NoError(t, b.Close())

	d := dataDir(dir)
	size := func() int64 {
		dirs, err := d.compactedPartitions()
		require.NoError(t, err)
		require.Len(t, dirs, 2)
		n, err := dataSize(dirs)
		require.NoError(t, err)
		return n
	}
	check := func(cfg Config) {
		cfg.Dir = dir
		b, err := Start(cfg)
		require.NoError(t, err)
		c := connect(t, b)
		for p := range int32(2) {
			last := map[string]string{}
			ranges, err := c.Offsets(t.Context(), "state")
			require.NoError(t, err)
			for offset := ranges[p].Earliest; offset < ranges[p].Latest; {
				got, err := c.Fetch(t.Context(), kafka.FetchRequest{Topic: "state", Partition: p, Offset: offset})
				require.NoError(t, err)
				for _, r := range got.Records {
					last[string(r.Key)] = string(r.Value[:2])
				}
				offset = got.Next
			}
			require.Len(t, last, 10)
			for key, value := range last {
				require.Equal(t, "9"+key, value)
			}
		}
		require.Len(t, read(t, c, "log", 0), 100)
		c.Close()
		require.NoError(t, b.Close())
	}
	full := size()
	check(Config{})
	require.Equal(t, full, size(), "too little to compact")

	// Killed in its midst: kfake has removed the old segments and not yet written all of the new.
	dirs, err := d.compactedPartitions()
	require.NoError(t, err)
	require.NoError(t, d.linkPartitions(dirs))
	require.NoError(t, d.markDirty())
	require.NoError(t, os.RemoveAll(dirs[0]))
	check(Config{})
	require.Equal(t, full, size())
	require.NoDirExists(t, d.links())

	check(Config{CompactBytes: 1})
	compacted := size()
	require.Less(t, compacted, full/3)
	check(Config{CompactBytes: 1})
	require.Equal(t, compacted, size(), "not grown since")
}
