package kafka

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/compress"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func encode(t require.TestingT, codec compress.Compression, recs []Record) []byte {
	var b batchBuilder
	for i := range recs {
		before := len(b.records)
		b.add(&recs[i], recs[i].Time.UnixMilli())
		require.LessOrEqual(t, len(b.records)-before, recordBound(&recs[i]))
	}
	raw, err := b.appendTo(nil, codec, false, identity{7, 3}, 11)
	require.NoError(t, err)
	return raw
}

func decode(raw []byte, req FetchRequest) (Fetched, error) {
	return (&fetchResponse{records: raw}).filter(req)
}

func setOffset(raw []byte, offset int64) { binary.BigEndian.PutUint64(raw, uint64(offset)) }

func seal(raw []byte) {
	binary.BigEndian.PutUint32(raw[batchCRCAt:], crc32.Checksum(raw[batchAttrsAt:], castagnoli))
}

func TestBatchRoundTrip(t *testing.T) {
	t.Parallel()
	byteSlice := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOfN(rapid.Byte(), 0, 300))
	recordGen := rapid.Custom(func(rt *rapid.T) Record {
		r := Record{
			Topic: "t", Partition: 4, Key: byteSlice.Draw(rt, "key"), Value: byteSlice.Draw(rt, "value"),
			Time: time.UnixMilli(rapid.Int64Range(0, 1<<45).Draw(rt, "time")).UTC(),
		}
		for range rapid.IntRange(0, 4).Draw(rt, "headers") {
			r.Headers = append(r.Headers, Header{rapid.StringN(0, 20, 40).Draw(rt, "name"), byteSlice.Draw(rt, "header")})
		}
		return r
	})
	rapid.Check(t, func(rt *rapid.T) {
		recs := rapid.SliceOfN(recordGen, 1, 30).Draw(rt, "records")
		codec := rapid.SampledFrom([]compress.Compression{compress.None, compress.Gzip, compress.Snappy, compress.Lz4, compress.Zstd}).Draw(rt, "codec")
		raw := encode(rt, codec, recs)
		base := rapid.Int64Range(0, 1<<40).Draw(rt, "base")
		setOffset(raw, base)
		from := rapid.IntRange(0, len(recs)-1).Draw(rt, "from")
		got, err := decode(raw, FetchRequest{Topic: "t", Partition: 4, Offset: base + int64(from)})
		require.NoError(rt, err)
		require.Equal(rt, base+int64(len(recs)), got.Next)
		for i := range recs {
			recs[i].Offset = base + int64(i)
		}
		require.Equal(rt, recs[from:], got.Records)
	})
}

func TestFilter(t *testing.T) {
	t.Parallel()
	batch := func(offset int64, pid int64, attrs uint16, values ...string) []byte {
		var recs []Record
		for _, v := range values {
			recs = append(recs, Record{Key: []byte("k"), Value: []byte(v), Time: time.UnixMilli(1_000)})
		}
		raw := encode(t, compress.None, recs)
		setOffset(raw, offset)
		binary.BigEndian.PutUint64(raw[batchPIDAt:], uint64(pid))
		binary.BigEndian.PutUint16(raw[batchAttrsAt:], attrs)
		seal(raw)
		return raw
	}
	marker := func(offset, pid int64, commit byte) []byte {
		raw := encode(t, compress.None, []Record{{Key: []byte{0, 0, 0, commit}, Value: make([]byte, 6), Time: time.UnixMilli(1_000)}})
		setOffset(raw, offset)
		binary.BigEndian.PutUint64(raw[batchPIDAt:], uint64(pid))
		binary.BigEndian.PutUint16(raw[batchAttrsAt:], attrTransactional|attrControl)
		seal(raw)
		return raw
	}
	// As compaction leaves it: no record, the bounds of what it held.
	empty := func(offset int64, last int32) []byte {
		raw := slices.Clone(batch(offset, 1, 0, "x")[:batchHeaderSize])
		binary.BigEndian.PutUint32(raw[batchSizeAt:], batchHeaderSize-batchEpochAt)
		binary.BigEndian.PutUint32(raw[batchLastAt:], uint32(last))
		binary.BigEndian.PutUint32(raw[batchCountAt:], 0)
		seal(raw)
		return raw
	}
	tail := func(raw []byte, last int32) []byte { // the tail of the batch was compacted away
		binary.BigEndian.PutUint32(raw[batchLastAt:], uint32(last))
		seal(raw)
		return raw
	}
	const txn = attrTransactional
	for _, tc := range []struct {
		name    string
		offset  int64
		batches [][]byte
		aborted []abortedTransaction
		want    []string
		next    int64
	}{
		{"nothing", 5, nil, nil, nil, 5},
		{"plain", 0, [][]byte{batch(0, -1, 0, "a", "b"), batch(2, -1, 0, "c")}, nil, []string{"a", "b", "c"}, 3},
		{"committed", 0, [][]byte{batch(0, 1, txn, "a"), marker(1, 1, 1)}, nil, []string{"a"}, 2},
		{"aborted", 0, [][]byte{batch(0, 1, txn, "a"), marker(1, 1, 0)}, []abortedTransaction{{1, 0}}, nil, 2},
		{
			"aborted, then committed by the same producer", 0,
			[][]byte{batch(0, 1, txn, "a"), marker(1, 1, 0), batch(2, 1, txn, "b"), marker(3, 1, 1)},
			[]abortedTransaction{{1, 0}},
			[]string{"b"}, 4,
		},
		{
			"aborted among committed and plain", 0,
			[][]byte{batch(0, 1, txn, "a"), batch(1, 2, txn, "b"), batch(2, 1, 0, "plain of the same producer"), batch(3, 1, txn, "a2"), marker(4, 2, 1), marker(5, 1, 0)},
			[]abortedTransaction{{1, 0}},
			[]string{"b", "plain of the same producer"}, 6,
		},
		{
			"aborted twice", 0,
			[][]byte{batch(0, 1, txn, "a"), marker(1, 1, 0), batch(2, 1, txn, "b"), marker(3, 1, 0), batch(4, 1, txn, "c"), marker(5, 1, 1)},
			[]abortedTransaction{{1, 0}, {1, 2}},
			[]string{"c"}, 6,
		},
		{"aborted, its beginning before the fetch", 3, [][]byte{batch(3, 1, txn, "a"), marker(4, 1, 0)}, []abortedTransaction{{1, 0}}, nil, 5},
		{"from inside a batch", 1, [][]byte{batch(0, -1, 0, "a", "b", "c")}, nil, []string{"b", "c"}, 3},
		{"three empty batches", 0, [][]byte{empty(0, 4), empty(5, 0), empty(6, 3), batch(10, -1, 0, "a")}, nil, []string{"a"}, 11},
		{"only empty batches", 2, [][]byte{empty(0, 9)}, nil, nil, 10},
		{"the batch's tail compacted away", 0, [][]byte{tail(batch(0, -1, 0, "a"), 7), batch(8, -1, 0, "b")}, nil, []string{"a", "b"}, 9},
		{"only the compacted tail is left", 3, [][]byte{tail(batch(0, -1, 0, "a"), 7)}, nil, nil, 8},
		{"a part of a batch at the end", 0, [][]byte{batch(0, -1, 0, "a"), batch(1, -1, 0, "b")[:66]}, nil, []string{"a"}, 1},
		{"of the last not even the size", 0, [][]byte{batch(0, -1, 0, "a"), batch(1, -1, 0, "b")[:9]}, nil, []string{"a"}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			res := &fetchResponse{records: slices.Concat(tc.batches...), aborted: tc.aborted}
			got, err := res.filter(FetchRequest{Topic: "t", Offset: tc.offset})
			require.NoError(t, err)
			require.Equal(t, tc.next, got.Next)
			require.ElementsMatch(t, tc.want, values(got.Records))
		})
	}

	t.Run("broken", func(t *testing.T) {
		t.Parallel()
		flipped := batch(0, -1, 0, "a")
		flipped[len(flipped)-1] ^= 1
		_, err := decode(flipped, FetchRequest{})
		require.ErrorContains(t, err, "checksum")
		_, err = decode(batch(0, -1, 0, "a")[:65], FetchRequest{})
		require.ErrorIs(t, err, errShortBatch)
		old := batch(0, -1, 0, "a")
		old[batchMagicAt] = 1
		_, err = decode(old, FetchRequest{})
		require.ErrorContains(t, err, "message format")
		unknown := batch(0, -1, 7, "a")
		_, err = decode(unknown, FetchRequest{})
		require.ErrorContains(t, err, "unknown compression 7")
	})

	t.Run("LogAppendTime", func(t *testing.T) {
		t.Parallel()
		raw := encode(t, compress.None, []Record{{Time: time.UnixMilli(1_000)}, {Time: time.UnixMilli(2_000)}})
		binary.BigEndian.PutUint16(raw[batchAttrsAt:], attrLogAppendTime)
		binary.BigEndian.PutUint64(raw[batchMaxMSAt:], 9_000)
		seal(raw)
		got, err := decode(raw, FetchRequest{})
		require.NoError(t, err)
		for _, r := range got.Records {
			require.Equal(t, time.UnixMilli(9_000).UTC(), r.Time)
		}
	})
}

// Keeping a record keeps nothing else: its bytes are not the answer's, nor its neighbour's.
func TestRecordsOwnTheirBytes(t *testing.T) {
	t.Parallel()
	raw := encode(t, compress.None, []Record{{Key: []byte("key"), Value: []byte("value"), Headers: []Header{{"h", []byte("header")}}, Time: time.UnixMilli(1)}, {Value: []byte("other"), Time: time.UnixMilli(1)}})
	got, err := decode(raw, FetchRequest{})
	require.NoError(t, err)
	clear(raw)
	_ = append(got.Records[0].Key, "overwrites"...)
	_ = append(got.Records[0].Value, "overwrites"...)
	require.Equal(t, "key", string(got.Records[0].Key))
	require.Equal(t, "value", string(got.Records[0].Value))
	require.Equal(t, "header", string(got.Records[0].Headers[0].Value))
	require.Equal(t, "other", string(got.Records[1].Value))
}

func FuzzFilter(f *testing.F) {
	for _, codec := range []compress.Compression{compress.None, compress.Snappy, compress.Lz4, compress.Zstd, compress.Gzip} {
		f.Add(encode(f, codec, []Record{{Key: []byte("k"), Value: []byte("v"), Headers: []Header{{"h", nil}}, Time: time.UnixMilli(1)}, {Time: time.UnixMilli(2)}}), int64(0))
	}
	f.Fuzz(func(t *testing.T, raw []byte, offset int64) {
		if len(raw) > batchHeaderSize {
			seal(raw) // else nothing gets past the checksum
		}
		got, err := decode(raw, FetchRequest{Topic: "t", Offset: max(0, offset)})
		if err != nil {
			return
		}
		require.GreaterOrEqual(t, got.Next, max(0, offset))
		for _, r := range got.Records {
			require.GreaterOrEqual(t, r.Offset, max(0, offset))
			require.Less(t, r.Offset, got.Next)
		}
	})
}

func FuzzFetchAnswer(f *testing.F) {
	answer := func(version int16) []byte {
		be := binary.BigEndian
		b := be.AppendUint32(nil, 0)
		if version >= 7 {
			b = be.AppendUint16(b, 0)
			b = be.AppendUint32(b, 0)
		}
		b = be.AppendUint32(b, 1)
		b = appendString(b, "t")
		b = be.AppendUint32(b, 1)
		b = be.AppendUint32(b, 4)
		b = be.AppendUint16(b, 0)
		b = be.AppendUint64(b, 20)
		b = be.AppendUint64(b, 10)
		if version >= 5 {
			b = be.AppendUint64(b, 1)
		}
		b = be.AppendUint32(b, 1)
		b = be.AppendUint64(b, 77)
		b = be.AppendUint64(b, 3)
		b = be.AppendUint32(b, 2)
		return append(b, "xx"...)
	}
	for version := int16(4); version <= maxFetchVersion; version++ {
		var res fetchResponse
		require.NoError(f, res.parse(answer(version), version, &fetchMessage{topic: "t", partition: 4}))
		want := fetchResponse{highWatermark: 20, lastStable: 10, logStart: 1, aborted: []abortedTransaction{{77, 3}}, records: []byte("xx")}
		if version < 5 {
			want.logStart = -1
		}
		require.Equal(f, want, res)
		f.Add(answer(version), version)
	}
	f.Fuzz(func(_ *testing.T, raw []byte, version int16) {
		_ = new(fetchResponse).parse(raw, version, &fetchMessage{topic: "t", partition: 4})
	})
}
