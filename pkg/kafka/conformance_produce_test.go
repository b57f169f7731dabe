package kafka

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/topic"
)

func testTopics(t *testing.T, brokers []string) {
	c := newClient(t, brokers)
	spec := topic.Spec{Name: unique("topics"), Partitions: 3, Replication: 1, Config: map[string]string{"cleanup.policy": "compact", "retention.ms": "-1"}}
	for range 2 { // to create it, and to find it there
		require.NoError(t, c.EnsureTopics(t.Context(), []topic.Spec{spec}))
		n, err := c.Partitions(t.Context(), spec.Name)
		require.NoError(t, err)
		require.Equal(t, 3, n)
	}
	ranges, err := c.Offsets(t.Context(), spec.Name)
	require.NoError(t, err)
	require.Equal(t, map[int32]OffsetRange{0: {}, 1: {}, 2: {}}, ranges)

	spec.Partitions = 4
	err = c.EnsureTopics(t.Context(), []topic.Spec{spec})
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err), err)
	require.ErrorContains(t, err, "has 3 partitions where 4 are configured")

	// The configuration too, in what correctness rests on, and all that is wrong at once.
	spec.Partitions = 3
	spec.Config = map[string]string{"cleanup.policy": "delete", "retention.ms": "5000", "segment.ms": "1234", "message.timestamp.type": "LogAppendTime", "max.message.bytes": "2000000"}
	err = c.EnsureTopics(t.Context(), []topic.Spec{spec})
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err), err)
	for _, part := range []string{"cleanup.policy is compact where delete is due", "message.timestamp.type is CreateTime where LogAppendTime is due", "max.message.bytes is 1048588 where at least 2000000 is due"} {
		require.ErrorContains(t, err, part)
	}
	require.NotContains(t, err.Error(), "retention.ms", "what is kept for longer is no harm")
	require.NotContains(t, err.Error(), "segment.ms", "which costs no record")
	short := topic.Spec{Name: unique("topics"), Partitions: 1, Replication: 1, Config: map[string]string{"retention.ms": "5000"}}
	require.NoError(t, c.EnsureTopics(t.Context(), []topic.Spec{short}))
	for _, longer := range []string{"5001", "-1"} {
		short.Config = map[string]string{"retention.ms": longer}
		require.ErrorContains(t, c.EnsureTopics(t.Context(), []topic.Spec{short}), "retention.ms is 5000")
	}

	_, err = c.Partitions(t.Context(), unique("absent"))
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err), err)

	bad := topic.Spec{Name: unique("topics"), Partitions: 1, Replication: 99}
	err = c.EnsureTopics(t.Context(), []topic.Spec{bad})
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err), err)

	_, ok, err := c.CommittedOffset(t.Context(), unique("group"), spec.Name, 0)
	require.NoError(t, err)
	require.False(t, ok)
}

// A second client, whose copy of the layout is older than the topic, writes to and reads it at once.
func testProduce(t *testing.T, brokers []string) {
	late := newClient(t, brokers)
	_, err := late.describe(t.Context(), "warm-up")
	require.NoError(t, err)
	c := newClient(t, brokers)
	name := newTopic(t, c, 4, nil)
	now := time.UnixMilli(1_700_000_000_123).UTC()
	p := newProducer(t, late, ProducerConfig{Now: func() time.Time { return now }})

	at := now.Add(-time.Hour)
	recs := []Record{
		{Topic: name, Partition: AnyPartition, Key: []byte("k1"), Value: []byte("v1"), Headers: []Header{{"a", []byte("1")}, {"a", []byte("2")}, {"nil", nil}, {"empty", []byte{}}}},
		{Topic: name, Partition: AnyPartition, Key: []byte("k1"), Value: []byte{}, Time: at},
		{Topic: name, Partition: AnyPartition, Key: []byte("k1")}, // a tombstone
		{Topic: name, Partition: 2, Key: []byte("k2"), Value: []byte("explicit")},
		{Topic: name, Partition: AnyPartition, Value: []byte("no key")},
	}
	ds := mustProduce(t, p, recs...)
	home := PartitionForKey([]byte("k1"), 4)
	for i := range 3 {
		require.Equal(t, home, ds[i].Partition)
		require.Equal(t, ds[0].Offset+int64(i), ds[i].Offset)
	}
	require.Equal(t, int32(2), ds[3].Partition)

	for i, want := range recs {
		got, err := c.Fetch(t.Context(), FetchRequest{Topic: name, Partition: ds[i].Partition, Offset: ds[i].Offset, MaxWait: 5 * time.Second})
		require.NoError(t, err)
		require.NotEmpty(t, got.Records)
		want.Partition, want.Offset = ds[i].Partition, ds[i].Offset
		if want.Time.IsZero() {
			want.Time = now
		}
		require.Equal(t, want, got.Records[0])
	}

	ds = p.Produce(t.Context(), []Record{
		{Topic: name, Partition: 4, Value: []byte("there is none")},
		{Topic: unique("absent"), Partition: AnyPartition, Value: []byte("nor that")},
		record(name, "k", "fine"),
	})
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(ds[0].Err), ds[0].Err)
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(ds[1].Err), ds[1].Err)
	require.NoError(t, ds[2].Err)

	require.NoError(t, p.Close(t.Context()))
	require.ErrorIs(t, p.Produce(t.Context(), recs[:1])[0].Err, ErrClosed)
}

func testCompression(t *testing.T, brokers []string) {
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			c := newClient(t, brokers, func(cfg *Config) { cfg.Compression = codec })
			name := newTopic(t, c, 1, nil)
			p := newProducer(t, c, ProducerConfig{})
			tx, err := c.NewTransactor(t.Context(), unique("txn"))
			require.NoError(t, err)
			var want []string
			var recs []Record
			for i := range 2_000 {
				v := fmt.Sprintf("%d %s", i, strings.Repeat("value ", i%50))
				want = append(want, v)
				recs = append(recs, record(name, "k", v))
			}
			mustProduce(t, p, recs...)
			require.NoError(t, tx.Commit(t.Context(), Txn{Records: recs}))
			require.Equal(t, append(want, want...), values(readEnded(t, c, name, 0)))
		})
	}
}

// Under lost answers every record is written once and in order, and all that was acknowledged is
// there (invariant 1).
func testLostAnswers(t *testing.T, brokers []string) {
	c, network := newLossyClient(t, brokers)
	name := newTopic(t, c, 3, nil)
	p := newProducer(t, c, ProducerConfig{BatchRecords: 7})
	network.losing(oneIn(4))
	const callers, calls, size = 8, 20, 10
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for call := range calls {
				recs := make([]Record, size)
				for i := range recs {
					recs[i] = record(name, fmt.Sprint("caller ", caller), fmt.Sprint(call*size+i))
				}
				for _, d := range p.Produce(t.Context(), recs) {
					if d.Err != nil {
						t.Error(d.Err)
					}
				}
			}
		})
	}
	wg.Wait()
	network.losing(nil)
	next := map[string]int{}
	for partition := range int32(3) {
		recs, _ := readAll(t, newClient(t, brokers), name, partition, 0)
		for _, r := range recs {
			require.Equal(t, fmt.Sprint(next[string(r.Key)]), string(r.Value), "%s: each once and in order", r.Key)
			next[string(r.Key)]++
		}
	}
	require.Len(t, next, callers)
	for key, n := range next {
		require.Equal(t, calls*size, n, key)
	}
}

func testRecordSize(t *testing.T, brokers []string) {
	c := newClient(t, brokers)
	name := newTopic(t, c, 1, map[string]string{"max.message.bytes": "20000", "retention.ms": "-1"})
	p := newProducer(t, c, ProducerConfig{})

	// Together they exceed what the topic takes in a batch: the producer finds the size that fits.
	var recs []Record
	for i := range 30 {
		recs = append(recs, record(name, "k", fmt.Sprint(i, strings.Repeat("x", 5_000))))
	}
	mustProduce(t, p, recs...)
	ds := p.Produce(t.Context(), []Record{record(name, "k", "before"), record(name, "k", strings.Repeat("x", 50_000)), record(name, "k", "after")})
	require.NoError(t, ds[0].Err)
	require.ErrorIs(t, ds[1].Err, ErrRecordTooLarge)
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(ds[1].Err))
	require.NoError(t, ds[2].Err)

	tx, err := c.NewTransactor(t.Context(), unique("txn"))
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context(), Txn{Records: recs}))
	err = tx.Commit(t.Context(), Txn{Records: []Record{record(name, "k", strings.Repeat("x", 50_000))}})
	require.ErrorIs(t, err, ErrRecordTooLarge)
	require.NoError(t, tx.Commit(t.Context(), Txn{Records: []Record{record(name, "k", "last")}}))
	all := readEnded(t, c, name, 0)
	require.Equal(t, 63, len(all)) // Len would print them
	require.Equal(t, "last", string(all[62].Value))
	require.Equal(t, values(recs), values(all[:30]))
	require.Equal(t, values(recs), values(all[32:62]))
}
