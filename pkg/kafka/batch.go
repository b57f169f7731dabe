package kafka

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/segmentio/kafka-go/compress"
)

// A record batch of format 2: https://kafka.apache.org/documentation/#recordbatch
const (
	batchHeaderSize = 61
	batchSizeAt     = 8  // int32, the bytes that follow it
	batchEpochAt    = 12 // int32, partition leader epoch
	batchMagicAt    = 16
	batchCRCAt      = 17
	batchAttrsAt    = 21 // int16; the CRC covers all from here
	batchLastAt     = 23 // int32, last offset delta
	batchFirstMSAt  = 27
	batchMaxMSAt    = 35
	batchPIDAt      = 43
	batchPEpochAt   = 51
	batchSeqAt      = 53
	batchCountAt    = 57

	attrCompression   = 0x07
	attrLogAppendTime = 0x08
	attrTransactional = 0x10
	attrControl       = 0x20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// identity is the producer's place in the broker's memory of what it has written.
type identity struct {
	pid   int64
	epoch int16
}

// batchBuilder encodes records into one batch. Its zero value is ready.
type batchBuilder struct {
	records []byte // encoded, not compressed
	count   int32
	firstMS int64
	maxMS   int64
}

func (b *batchBuilder) reset() {
	*b = batchBuilder{records: b.records[:0]}
}

// recordBound is an upper bound of the encoded size of rec.
func recordBound(rec *Record) int {
	const varints = 5 + 1 + 10 + 5 + 5 + 5 + 5 // length, attributes, timestamp, offset, key, value and header counts
	n := varints + len(rec.Key) + len(rec.Value)
	for i := range rec.Headers {
		n += 10 + len(rec.Headers[i].Key) + len(rec.Headers[i].Value)
	}
	return n
}

// add appends a record with its timestamp in milliseconds.
func (b *batchBuilder) add(rec *Record, ms int64) {
	if b.count == 0 {
		b.firstMS, b.maxMS = ms, ms
	}
	b.maxMS = max(b.maxMS, ms)

	// The length comes first and is as long as it has to be: write the body behind the most that
	// the length can take, then move it up.
	const room = binary.MaxVarintLen32
	at := len(b.records)
	buf := append(b.records, 0, 0, 0, 0, 0, 0)
	buf = binary.AppendVarint(buf, ms-b.firstMS)
	buf = binary.AppendVarint(buf, int64(b.count))
	buf = appendVarBytes(buf, rec.Key)
	buf = appendVarBytes(buf, rec.Value)
	buf = binary.AppendVarint(buf, int64(len(rec.Headers)))
	for i := range rec.Headers {
		h := &rec.Headers[i]
		buf = binary.AppendVarint(buf, int64(len(h.Key)))
		buf = append(buf, h.Key...)
		buf = appendVarBytes(buf, h.Value)
	}
	body := buf[at+room:]
	n := binary.PutVarint(buf[at:at+room], int64(len(body)))
	copy(buf[at+n:], body)
	b.records = buf[:len(buf)-(room-n)]
	b.count++
}

func appendVarBytes(buf, v []byte) []byte {
	if v == nil {
		return binary.AppendVarint(buf, -1)
	}
	buf = binary.AppendVarint(buf, int64(len(v)))
	return append(buf, v...)
}

// appendTo appends the finished batch to dst. It may be called again with another identity.
func (b *batchBuilder) appendTo(dst []byte, codec compress.Compression, transactional bool, id identity, seq int32) ([]byte, error) {
	at := len(dst)
	dst = append(slices.Grow(dst, batchHeaderSize+len(b.records)), make([]byte, batchHeaderSize)...)
	if codec == compress.None {
		dst = append(dst, b.records...)
	} else {
		out := bytes.NewBuffer(dst)
		w := codec.Codec().NewWriter(out)
		if _, err := w.Write(b.records); err != nil {
			return nil, fmt.Errorf("kafka: compress a batch with %v: %w", codec, err)
		}
		if err := w.Close(); err != nil {
			return nil, fmt.Errorf("kafka: compress a batch with %v: %w", codec, err)
		}
		dst = out.Bytes()
	}
	attrs := uint16(codec)
	if transactional {
		attrs |= attrTransactional
	}
	h := dst[at:]
	binary.BigEndian.PutUint32(h[batchSizeAt:], uint32(len(h)-batchEpochAt))
	binary.BigEndian.PutUint32(h[batchEpochAt:], ^uint32(0))
	h[batchMagicAt] = 2
	binary.BigEndian.PutUint16(h[batchAttrsAt:], attrs)
	binary.BigEndian.PutUint32(h[batchLastAt:], uint32(b.count-1))
	binary.BigEndian.PutUint64(h[batchFirstMSAt:], uint64(b.firstMS))
	binary.BigEndian.PutUint64(h[batchMaxMSAt:], uint64(b.maxMS))
	binary.BigEndian.PutUint64(h[batchPIDAt:], uint64(id.pid))
	binary.BigEndian.PutUint16(h[batchPEpochAt:], uint16(id.epoch))
	binary.BigEndian.PutUint32(h[batchSeqAt:], uint32(seq))
	binary.BigEndian.PutUint32(h[batchCountAt:], uint32(b.count))
	binary.BigEndian.PutUint32(h[batchCRCAt:], crc32.Checksum(h[batchAttrsAt:], castagnoli))
	return dst, nil
}
