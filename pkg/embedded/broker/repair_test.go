package broker

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/kafka"
)

// What repair works out from the log is what kfake saves of itself: the formats that repair relies on
// are those of this kfake.
func TestScanAgreesWithKfake(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, Config{Dir: dir})
	c := connect(t, b)
	ensure(t, c, "a-topic/with a name", 2, map[string]string{"retention.ms": "-1", "segment.bytes": "2000"})
	p := c.NewProducer(kafka.ProducerConfig{BatchRecords: 3})
	tx, err := c.NewTransactor(t.Context(), "id")
	require.NoError(t, err)
	for i := range 40 {
		var recs []kafka.Record
		for range i % 7 {
			recs = append(recs, kafka.Record{Topic: "a-topic/with a name", Partition: int32(i % 2), Value: []byte("plain")})
		}
		for _, d := range p.Produce(t.Context(), recs) {
			require.NoError(t, d.Err)
		}
		work := txn("a-topic/with a name", i, 0, 1)
		if i%5 == 4 { // to no member of the group: aborted
			work.Group.Generation.ID, work.Group.Generation.MemberID = 7, "nobody"
			require.ErrorIs(t, tx.Commit(t.Context(), work), kafka.ErrRebalanced)
			continue
		}
		require.NoError(t, tx.Commit(t.Context(), work))
	}
	require.NoError(t, p.Close(t.Context()))
	c.Close()
	require.NoError(t, b.Close())

	d := dataDir(dir)
	partitions, err := d.partitions()
	require.NoError(t, err)
	require.Len(t, partitions, 2)
	var windows, saved savedWindows
	for _, p := range partitions {
		require.Equal(t, "a-topic/with a name", p.topic)
		want := p.old
		require.NotZero(t, want.HighWatermark)
		require.Greater(t, len(want.Segments), 2)
		require.NotEmpty(t, want.Aborted)
		p.old.LogStart = 0
		require.Equal(t, want, p.snapshot())
	}
	readJSON(t, d.path("log", "seq_windows.json"), &saved)
	require.NoError(t, d.saveWindows(partitions))
	readJSON(t, d.path("log", "seq_windows.json"), &windows)
	byNext := func(ws []savedWindow) map[string]savedWindow {
		m := map[string]savedWindow{}
		for _, w := range ws {
			// The ring may begin anywhere: put the oldest first.
			ring := append(append([]windowEntry{}, w.Entries[w.At%5:]...), w.Entries[:w.At%5]...)
			if w.Count < 5 {
				ring = append([]windowEntry{}, w.Entries[:]...)
			}
			copy(w.Entries[:], ring)
			w.At = 0
			m[fmt.Sprint(w.PID, w.Partition)] = w
		}
		return m
	}
	require.Equal(t, byNext(saved.Windows), byNext(windows.Windows))
}

func readJSON(t testing.TB, path string, v any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, v))
}

// A transaction that was open when the process was killed is aborted, for good: also after the same
// transactional id has committed others and the process has been killed again.
func TestKilledInTransaction(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, Config{Dir: dir})
	c := connect(t, b)
	ensure(t, c, "topic", 2, nil)
	tx, err := c.NewTransactor(t.Context(), "id")
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context(), txn("topic", "committed", 0, 1)))
	dir = imageInTransaction(t, dir, b, c, "open")

	for round := range 3 {
		b := start(t, Config{Dir: dir})
		c := connect(t, b)
		want := []string{"committed"}
		for i := range round {
			want = append(want, fmt.Sprint("round ", i))
		}
		for p := range int32(2) {
			require.Equal(t, want, read(t, c, "topic", p))
		}
		tx, err := c.NewTransactor(t.Context(), "id")
		require.NoError(t, err)
		require.NoError(t, tx.Commit(t.Context(), txn("topic", fmt.Sprint("round ", round), 0, 1)))
		dir = imageInTransaction(t, dir, b, c, "open")
	}
}

// imageInTransaction begins a transaction by the transactional id "id", takes an image of the broker
// in its midst, and lets it end.
func imageInTransaction(t *testing.T, dir string, b *Broker, c *kafka.Client, value string) (img string) {
	t.Helper()
	tx, err := c.NewTransactor(t.Context(), "id")
	require.NoError(t, err)
	// The image is taken when the decision is asked for, before kfake acts on it.
	b.journal.before = func() { img = image(t, dir) }
	err = tx.Commit(t.Context(), txn("topic", value, 0, 1))
	require.NoError(t, err)
	b.journal.before = nil
	require.NotEmpty(t, img)
	return img
}

// Killed while it was committing, the broker completes the commit; killed before, it aborts.
func TestKilledInCommit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, Config{Dir: dir})
	c := connect(t, b)
	const partitions = 4
	ensure(t, c, "topic", partitions, nil)
	tx, err := c.NewTransactor(t.Context(), "id")
	require.NoError(t, err)
	first := txn("topic", "first", 0, 1, 2, 3)
	require.NoError(t, tx.Commit(t.Context(), first))
	var before string
	b.journal.after = func() { before = image(t, dir) }
	second := txn("topic", "second", 0, 1, 2, 3)
	second.Group.Offsets[0] = 2
	require.NoError(t, tx.Commit(t.Context(), second))
	b.journal.after = nil
	after := image(t, dir)

	// Between the two lie all states of the commit: files are written one after the other, each by
	// appending. Try every one in which some files have what the commit appends and others not.
	type file struct {
		path string
		data []byte
	}
	var grown []file
	require.NoError(t, filepath.WalkDir(after, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(after, path)
		require.NoError(t, err)
		was, err := os.ReadFile(filepath.Join(before, rel))
		require.NoError(t, err)
		is, err := os.ReadFile(path)
		require.NoError(t, err)
		if len(is) > len(was) {
			require.Equal(t, was, is[:len(was)])
			grown = append(grown, file{rel, is[len(was):]})
		}
		return nil
	}))
	require.Len(t, grown, 2*partitions+2, "data and index of each partition, groups.log, pids.log")
	for state := range 1 << (partitions + 1) {
		t.Run(strconv.Itoa(state), func(t *testing.T) {
			t.Parallel()
			img := image(t, before)
			for i, f := range grown {
				name := filepath.Base(f.path)
				bit := i / 2
				switch {
				case name == "groups.log":
					bit = partitions
				case name == "pids.log":
					continue // the last one: with it the commit is complete
				case filepath.Ext(name) == ".idx" || filepath.Ext(name) == ".dat":
					number, err := strconv.Atoi(filepath.Dir(f.path)[len(filepath.Dir(f.path))-1:])
					require.NoError(t, err)
					bit = number
					if filepath.Ext(name) == ".idx" && state&1 == 1 {
						continue // torn: the data were written, the index entry was not
					}
				}
				if state>>bit&1 == 1 {
					require.NoError(t, appendFile(filepath.Join(img, f.path), f.data))
				}
			}
			for range 2 { // and once more, killed right after the repair
				img = image(t, img)
				b := start(t, Config{Dir: img})
				c := connect(t, b)
				for p := range int32(partitions) {
					require.Equal(t, []string{"first", "second"}, read(t, c, "topic", p))
				}
				offset, ok, err := c.CommittedOffset(t.Context(), "group", "topic", 0)
				require.NoError(t, err)
				require.True(t, ok)
				require.Equal(t, int64(2), offset)
			}
		})
	}
	t.Run("before the decision", func(t *testing.T) {
		t.Parallel()
		img := image(t, before)
		require.NoError(t, os.Truncate(dataDir(img).journalPath(), 20))
		c := connect(t, start(t, Config{Dir: img}))
		for p := range int32(partitions) {
			require.Equal(t, []string{"first"}, read(t, c, "topic", p))
		}
		offset, _, err := c.CommittedOffset(t.Context(), "group", "topic", 0)
		require.NoError(t, err)
		require.Equal(t, int64(1), offset)
	})
}

// Sequence numbers survive: a producer that goes on after the broker was killed neither loses nor
// repeats.
func TestKilledKeepsSequences(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, Config{Dir: dir})
	port := portOf(t, b)
	c := connect(t, b)
	ensure(t, c, "topic", 1, nil)
	p := c.NewProducer(kafka.ProducerConfig{})
	produce := func(value string) {
		ds := p.Produce(t.Context(), []kafka.Record{{Topic: "topic", Value: []byte(value)}})
		require.NoError(t, ds[0].Err)
	}
	produce("1")
	produce("2")
	img := image(t, dir)
	require.NoError(t, b.Close())
	start(t, Config{Dir: img, Port: port})
	partitions, err := dataDir(img).partitions()
	require.NoError(t, err)
	require.Len(t, partitions[0].windows, 1)
	for pid := range partitions[0].windows {
		require.Equal(t, int32(2), partitions[0].windows[pid].next)
	}
	produce("3")
	require.Equal(t, []string{"1", "2", "3"}, read(t, c, "topic", 0))
	require.NoError(t, p.Close(t.Context()))
}

func portOf(t testing.TB, b *Broker) int {
	t.Helper()
	_, port, err := net.SplitHostPort(b.Addrs()[0])
	require.NoError(t, err)
	n, err := strconv.Atoi(port)
	require.NoError(t, err)
	return n
}

// A log whose end was torn is cut at its last whole batch.
func TestTornEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, Config{Dir: dir})
	c := connect(t, b)
	ensure(t, c, "topic", 1, nil)
	tx, err := c.NewTransactor(t.Context(), "id")
	require.NoError(t, err)
	for i := range 3 {
		require.NoError(t, tx.Commit(t.Context(), txn("topic", i, 0)))
	}
	img := image(t, dir)
	for _, file := range []string{"log/partitions/topic-0/0.dat", "log/partitions/topic-0/0.idx", "log/pids.log", "log/groups.log"} {
		require.NoError(t, appendFile(filepath.Join(img, file), []byte("torn")))
	}
	for round := range 2 {
		b := start(t, Config{Dir: img})
		c := connect(t, b)
		tx, err := c.NewTransactor(t.Context(), "id")
		require.NoError(t, err)
		require.NoError(t, tx.Commit(t.Context(), txn("topic", 3+round, 0)))
		want := []string{"0", "1", "2", "3"}
		if round == 1 {
			want = append(want, "4")
		}
		require.Equal(t, want, read(t, c, "topic", 0))
		img = image(t, img)
	}
}

// Whatever the file holds, a scan ends, cuts off what is no batch, and leaves an index entry for each
// batch; a second scan finds the same, or less where the checksum of what is now the last one is wrong.
func FuzzScan(f *testing.F) {
	two := append(marker(0, 0, 1, 0, true, time.UnixMilli(1)), marker(1, 0, 1, 0, false, time.UnixMilli(1))...)
	f.Add(two)
	f.Add(two[:len(two)-1])
	f.Add(append(two, 1, 2, 3))
	huge := append([]byte{}, two...)
	binary.BigEndian.PutUint32(huge[8:], 1<<31-1)
	f.Add(huge)
	f.Fuzz(func(t *testing.T, raw []byte) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "0.dat"), raw, 0o644))
		scan := func() []int64 {
			offsets := []int64{}
			s := segment{dir: dir}
			require.NoError(t, s.scan(func(h header, whole []byte) {
				offsets = append(offsets, h.offset)
				if h.control() {
					_, _ = isAbort(whole)
				}
			}))
			data, err := os.Stat(s.data())
			require.NoError(t, err)
			require.Equal(t, s.size, data.Size())
			if index, err := os.Stat(s.index()); s.batches > 0 {
				require.NoError(t, err)
				require.Equal(t, s.batches*indexEntrySize, index.Size())
			}
			return offsets
		}
		first := scan()
		second := scan()
		require.Equal(t, first[:len(second)], second)
	})
}
