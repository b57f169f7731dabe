package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func testFetch(t *testing.T, brokers []string) {
	c := newClient(t, brokers)
	name := newTopic(t, c, 1, nil)
	p := newProducer(t, c, ProducerConfig{})

	empty, err := c.Fetch(t.Context(), FetchRequest{Topic: name})
	require.NoError(t, err)
	require.Zero(t, empty)

	// A fetch that waits gets what comes in the meantime.
	type result struct {
		got Fetched
		err error
	}
	waiting := make(chan result, 1)
	go func() {
		got, err := c.Fetch(t.Context(), FetchRequest{Topic: name, MaxWait: 5 * time.Second})
		waiting <- result{got, err}
	}()
	mustProduce(t, p, record(name, "k", "first"))
	r := <-waiting
	require.NoError(t, r.err)
	require.Equal(t, []string{"first"}, values(r.got.Records))
	require.Equal(t, int64(1), r.got.Next)

	var recs []Record
	for i := range 500 {
		recs = append(recs, record(name, "k", fmt.Sprint(i, strings.Repeat("x", 1_000))))
	}
	mustProduce(t, p, recs...)

	// From the middle of a batch.
	got, err := c.Fetch(t.Context(), FetchRequest{Topic: name, Offset: 251})
	require.NoError(t, err)
	require.Equal(t, values(recs[250:]), values(got.Records))
	require.Equal(t, Fetched{Records: got.Records, Next: 501, LogStart: 0, LastStable: 501, HighWatermark: 501}, got)

	// A batch larger than the answer may be comes whole.
	got, err = c.Fetch(t.Context(), FetchRequest{Topic: name, Offset: 1, MaxBytes: 1})
	require.NoError(t, err)
	require.NotEmpty(t, got.Records)

	// At the end there is nothing, which takes as long as it may.
	begin := time.Now()
	got, err = c.Fetch(t.Context(), FetchRequest{Topic: name, Offset: 501, MaxWait: 50 * time.Millisecond})
	require.NoError(t, err)
	require.Empty(t, got.Records)
	require.Equal(t, int64(501), got.Next)
	require.GreaterOrEqual(t, time.Since(begin), 40*time.Millisecond)

	for _, offset := range []int64{-1, 502} {
		_, err = c.Fetch(t.Context(), FetchRequest{Topic: name, Offset: offset})
		require.ErrorIs(t, err, ErrOffsetOutOfRange)
	}

	// Who stops waiting gets away at once.
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	begin = time.Now()
	_, err = c.Fetch(ctx, FetchRequest{Topic: name, Offset: 501, MaxWait: 4 * time.Second})
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, time.Since(begin), 3500*time.Millisecond)

	ranges, err := c.Offsets(t.Context(), name)
	require.NoError(t, err)
	require.Equal(t, map[int32]OffsetRange{0: {Earliest: 0, Latest: 501}}, ranges)
}

// Compaction leaves gaps, and on a real broker batches without records. A reader passes over them,
// and its position with it (invariant 4).
func testCompaction(t *testing.T, brokers []string) {
	c := newClient(t, brokers)
	name := newTopic(t, c, 1, map[string]string{
		"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01", "segment.ms": "100", "segment.bytes": "1048576",
		"min.compaction.lag.ms": "0", "max.compaction.lag.ms": "100", "delete.retention.ms": "0", "retention.ms": "-1",
	})
	p := newProducer(t, c, ProducerConfig{BatchRecords: 10})
	tx, err := c.NewTransactor(t.Context(), unique("txn"))
	require.NoError(t, err)
	want := map[string]string{}
	total := 0
	round := func() {
		for i := range 200 {
			key, value := fmt.Sprint("key ", i%20), fmt.Sprint(total)
			total++
			want[key] = value
			if i%2 == 0 {
				mustProduce(t, p, record(name, key, value))
			} else {
				require.NoError(t, tx.Commit(t.Context(), Txn{Records: []Record{record(name, key, value)}}))
			}
		}
	}
	for range 3 {
		round()
	}
	// The broker compacts when it likes to. Whether it has, or is about to, reading from the
	// beginning must end at the end with each key's last value.
	var end int64
	compacted := func() bool {
		ranges, err := c.Offsets(t.Context(), name)
		require.NoError(t, err)
		end = ranges[0].Latest
		var recs []Record
		for offset := ranges[0].Earliest; offset < end; {
			// The last transaction's marker may still be on its way: it is written after EndTxn is answered.
			got, err := c.Fetch(t.Context(), FetchRequest{Topic: name, Offset: offset, MaxWait: 4 * time.Second})
			if errors.Is(err, ErrOffsetOutOfRange) {
				return false // compacted in between: the embedded broker's log then begins later
			}
			require.NoError(t, err)
			require.Greater(t, got.Next, offset)
			recs, offset = append(recs, got.Records...), got.Next
		}
		have := map[string]string{}
		for _, r := range recs {
			have[string(r.Key)] = string(r.Value)
		}
		require.Equal(t, want, have)
		if len(recs) < total/2 {
			return true
		}
		mustProduce(t, p, record(name, "roll", "")) // a segment is closed by the next write only
		want["roll"] = ""
		total++
		return false
	}
	for begin := time.Now(); !compacted(); {
		require.Less(t, time.Since(begin), time.Minute, "the broker does not compact")
		require.True(t, sleep(t.Context(), 50*time.Millisecond))
	}

	// From each offset, gaps included, a fetch gets on.
	for offset := range end {
		got, err := c.Fetch(t.Context(), FetchRequest{Topic: name, Offset: offset, MaxBytes: 1})
		if errors.Is(err, ErrOffsetOutOfRange) {
			continue
		}
		require.NoError(t, err)
		require.Greater(t, got.Next, offset)
	}
}
