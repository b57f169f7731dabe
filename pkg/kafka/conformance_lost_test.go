package kafka

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/topic"
)

// What retention has removed is said to be gone, with what is left: never a silent jump (invariant 4).
func testExpired(t *testing.T, brokers []string) {
	c := newClient(t, brokers)
	name := newTopic(t, c, 1, nil)
	p := newProducer(t, c, ProducerConfig{})
	for _, v := range []string{"0", "1", "2", "3", "4"} {
		mustProduce(t, p, record(name, "k", v))
	}
	deleteRecords(t, c, name, 3)
	for offset := range int64(3) {
		_, err := c.Fetch(t.Context(), FetchRequest{Topic: name, Offset: offset})
		require.ErrorIs(t, err, ErrOffsetOutOfRange)
		require.ErrorContains(t, err, "the log holds 3 up to 5")
	}
	ranges, err := c.Offsets(t.Context(), name)
	require.NoError(t, err)
	require.Equal(t, map[int32]OffsetRange{0: {Earliest: 3, Latest: 5}}, ranges)
	got, err := c.Fetch(t.Context(), FetchRequest{Topic: name, Offset: 3})
	require.NoError(t, err)
	require.Equal(t, []string{"3", "4"}, values(got.Records))
	require.Equal(t, int64(3), got.LogStart)

	deleteRecords(t, c, name, 5) // all of it
	_, err = c.Fetch(t.Context(), FetchRequest{Topic: name, Offset: 4})
	require.ErrorIs(t, err, ErrOffsetOutOfRange)
	got, err = c.Fetch(t.Context(), FetchRequest{Topic: name, Offset: 5})
	require.NoError(t, err)
	require.Equal(t, Fetched{Next: 5, LogStart: 5, LastStable: 5, HighWatermark: 5}, got)
	ds := mustProduce(t, p, record(name, "k", "5"))
	require.Equal(t, int64(5), ds[0].Offset, "the producer's sequence goes on where there is no record left")
}

// A topic deleted and made again is another log. A position in the former is past the end of the new
// one, and is said to be; writers go on. Where the new log has grown past it nothing tells: that is
// why sinks read their last record again.
func testRecreated(t *testing.T, brokers []string) {
	c := newClient(t, brokers)
	name := newTopic(t, c, 1, nil)
	p := newProducer(t, c, ProducerConfig{})
	tx, err := c.NewTransactor(t.Context(), unique("txn"))
	require.NoError(t, err)
	for range 3 {
		mustProduce(t, p, record(name, "k", "old"))
		require.NoError(t, tx.Commit(t.Context(), Txn{Records: []Record{record(name, "k", "old")}}))
	}
	recs, got := readAll(t, c, name, 0, 0)
	position := got.Next
	require.NotEmpty(t, recs)
	// The markers of the last transaction must be written before the topic goes: their partition is
	// what the coordinator waits for.
	_ = readEnded(t, c, name, 0)

	deleteTopic(t, c, name)
	spec := topic.Spec{Name: name, Partitions: 1, Replication: 1, Config: map[string]string{"retention.ms": "-1"}}
	other := newClient(t, brokers) // as whoever makes it again: c learns of it by itself
	require.Eventually(t, func() bool { return other.EnsureTopics(t.Context(), []topic.Spec{spec}) == nil }, 10*time.Second, 50*time.Millisecond)

	require.Eventually(t, func() bool {
		_, err = c.Fetch(t.Context(), FetchRequest{Topic: name, Offset: position})
		require.Error(t, err, "a position in the former log")
		return isCode(err, 1)
	}, 10*time.Second, 10*time.Millisecond)
	require.ErrorIs(t, err, ErrOffsetOutOfRange)
	mustProduce(t, p, record(name, "k", "new"))
	require.Eventually(t, func() bool {
		err = tx.Commit(t.Context(), Txn{Records: []Record{record(name, "k", "new")}})
		return err == nil
	}, 10*time.Second, 10*time.Millisecond, "%v", err)
	require.Equal(t, []string{"new", "new"}, values(readEnded(t, c, name, 0)))

	deleteTopic(t, c, name)
	spec.Partitions = 2
	require.Eventually(t, func() bool { return c.EnsureTopics(t.Context(), []topic.Spec{spec}) == nil }, 10*time.Second, 50*time.Millisecond,
		"a client that knew the topic of one partition makes the one of two")
}

// What brokers make of sequence numbers is what Producer rests on: the same batch again is not written
// again and answered with where it lies, a gap is refused, and only so are repetitions harmless.
func testSequences(t *testing.T, brokers []string) {
	c := newClient(t, brokers)
	name := newTopic(t, c, 1, nil)
	fresh := func() (id identity) {
		// A broker just started asks to be asked again: it has no block of ids yet.
		require.NoError(t, c.retry(t.Context(), 10*time.Second, func(ctx context.Context) (err error) {
			id, err = c.initProducerID(ctx, "", identity{-1, -1})
			return err
		}))
		return id
	}
	id := fresh()
	send := func(id identity, seq int32, value string) (int64, error) {
		var b batchBuilder
		rec := record(name, "k", value)
		b.add(&rec, 1)
		raw, err := b.appendTo([]byte{0, 0, 0, 0}, c.codec, false, id, seq)
		require.NoError(t, err)
		binary.BigEndian.PutUint32(raw, uint32(len(raw)-4))
		var base int64
		err = c.retry(t.Context(), 10*time.Second, func(ctx context.Context) (err error) {
			base, _, err = c.produceOne(ctx, name, 0, raw)
			return err
		})
		return base, err
	}
	for range 3 {
		base, err := send(id, 0, "0")
		require.NoError(t, err)
		require.Zero(t, base, "where the first copy lies")
	}
	_, err := send(id, 5, "a gap")
	require.True(t, isCode(err, kafkago.OutOfOrderSequenceNumber), err)
	for seq := int32(1); seq <= 6; seq++ {
		base, err := send(id, seq, fmt.Sprint(seq))
		require.NoError(t, err)
		require.Equal(t, int64(seq), base)
	}
	_, err = send(id, 0, "0") // older than the five batches that brokers remember
	t.Logf("a repetition of what is forgotten: %v", err)
	require.True(t, isCode(err, kafkago.DuplicateSequenceNumber, kafkago.OutOfOrderSequenceNumber), err)

	next := fresh()
	require.NotEqual(t, id.pid, next.pid)
	_, err = send(next, 7, "a producer that the partition does not know, in the middle of its numbers")
	t.Logf("unknown producer with a sequence of 7: %v", err)
	err = c.retry(t.Context(), 10*time.Second, func(ctx context.Context) error {
		_, err := c.initProducerID(ctx, unique("txn"), identity{})
		return err
	})
	t.Logf("a transactional id with an identity of zeros: %v", err)
	recs, _ := readAll(t, c, name, 0, 0)
	require.Equal(t, []string{"0", "1", "2", "3", "4", "5", "6"}, values(recs[:7]))
	require.LessOrEqual(t, len(recs), 8)
}
