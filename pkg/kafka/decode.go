package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/compress"
)

// maxBatchBytes bounds what one batch may unpack to.
const maxBatchBytes = 256 << 20

var errShortBatch = errors.New("batch is cut short")

// wireBatch is a batch as read, its records still packed.
type wireBatch struct {
	baseOffset int64
	lastDelta  int32
	attrs      uint16
	firstMS    int64
	maxMS      int64
	id         identity
	seq        int32
	count      int32
	records    []byte
}

func (b *wireBatch) lastOffset() int64   { return b.baseOffset + int64(b.lastDelta) }
func (b *wireBatch) control() bool       { return b.attrs&attrControl != 0 }
func (b *wireBatch) transactional() bool { return b.attrs&attrTransactional != 0 }

// nextBatch takes the first batch off buf. A batch of which only a part is there, as a broker may
// send at the end of an answer, is errShortBatch.
func nextBatch(buf []byte) (b wireBatch, rest []byte, err error) {
	if len(buf) < batchEpochAt {
		return b, nil, errShortBatch
	}
	b.baseOffset = int64(binary.BigEndian.Uint64(buf))
	size := int64(int32(binary.BigEndian.Uint32(buf[batchSizeAt:])))
	if size < 0 {
		return b, nil, fmt.Errorf("batch at offset %d: size %d", b.baseOffset, size)
	}
	if int64(len(buf)) < batchEpochAt+size {
		return b, nil, errShortBatch
	}
	buf, rest = buf[:batchEpochAt+size], buf[batchEpochAt+size:]
	if len(buf) <= batchMagicAt || buf[batchMagicAt] != 2 {
		return b, nil, fmt.Errorf("batch at offset %d is not of message format 2", b.baseOffset)
	}
	if len(buf) < batchHeaderSize {
		return b, nil, fmt.Errorf("batch at offset %d: %d bytes are no batch", b.baseOffset, len(buf))
	}
	if sum := crc32.Checksum(buf[batchAttrsAt:], castagnoli); sum != binary.BigEndian.Uint32(buf[batchCRCAt:]) {
		return b, nil, fmt.Errorf("batch at offset %d: checksum does not match", b.baseOffset)
	}
	b.attrs = binary.BigEndian.Uint16(buf[batchAttrsAt:])
	b.lastDelta = int32(binary.BigEndian.Uint32(buf[batchLastAt:]))
	b.firstMS = int64(binary.BigEndian.Uint64(buf[batchFirstMSAt:]))
	b.maxMS = int64(binary.BigEndian.Uint64(buf[batchMaxMSAt:]))
	b.id.pid = int64(binary.BigEndian.Uint64(buf[batchPIDAt:]))
	b.id.epoch = int16(binary.BigEndian.Uint16(buf[batchPEpochAt:]))
	b.seq = int32(binary.BigEndian.Uint32(buf[batchSeqAt:]))
	b.count = int32(binary.BigEndian.Uint32(buf[batchCountAt:]))
	b.records = buf[batchHeaderSize:]
	if b.lastDelta < 0 || b.count < 0 || b.baseOffset < 0 {
		return b, nil, fmt.Errorf("batch at offset %d: %d records up to offset delta %d", b.baseOffset, b.count, b.lastDelta)
	}
	return b, rest, nil
}

// aborts tells whether a control batch ends a transaction by aborting it.
func (b *wireBatch) aborts() (bool, error) {
	abort := false
	err := b.each(func(r *wireRecord) error {
		if len(r.key) < 4 {
			return fmt.Errorf("control record with a key of %d bytes", len(r.key))
		}
		abort = binary.BigEndian.Uint16(r.key[2:]) == 0
		return nil
	})
	return abort, err
}

// wireRecord is a record inside a batch; its bytes are the batch's.
type wireRecord struct {
	offsetDelta int32
	ms          int64
	key, value  []byte
	headers     []byte // still packed
	numHeaders  int
}

var unpacked = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// each calls fn for every record. What fn is given is valid only until it returns.
func (b *wireBatch) each(fn func(*wireRecord) error) error {
	if b.count == 0 {
		return nil // compaction has emptied it
	}
	buf := b.records
	if c := compress.Compression(b.attrs & attrCompression); c != compress.None {
		out := unpacked.Get().(*bytes.Buffer)
		defer unpacked.Put(out)
		out.Reset()
		if err := b.unpack(out, c); err != nil {
			return fmt.Errorf("batch at offset %d: %w", b.baseOffset, err)
		}
		buf = out.Bytes()
	}
	var rec wireRecord
	for i := range b.count {
		var err error
		if buf, err = b.record(buf, &rec); err != nil {
			return fmt.Errorf("batch at offset %d: record %d of %d: %w", b.baseOffset, i+1, b.count, err)
		}
		if err := fn(&rec); err != nil {
			return fmt.Errorf("batch at offset %d: record %d of %d: %w", b.baseOffset, i+1, b.count, err)
		}
	}
	return nil
}

func (b *wireBatch) unpack(out *bytes.Buffer, c compress.Compression) error {
	codec := c.Codec()
	if codec == nil {
		return fmt.Errorf("unknown compression %d", int8(c))
	}
	r := codec.NewReader(bytes.NewReader(b.records))
	defer func() { _ = r.Close() }()
	n, err := out.ReadFrom(io.LimitReader(r, maxBatchBytes+1))
	if err != nil {
		return fmt.Errorf("unpack %v: %w", c, err)
	}
	if n > maxBatchBytes {
		return fmt.Errorf("unpacks to more than %d bytes", maxBatchBytes)
	}
	return nil
}

var errRecord = errors.New("malformed record")

// record reads the first record of buf and returns what follows it.
func (b *wireBatch) record(buf []byte, r *wireRecord) ([]byte, error) {
	d := varints{buf: buf}
	length := d.varint()
	if d.bad || length < 1 || length > int64(len(d.buf)) {
		return nil, errRecord
	}
	rest := d.buf[length:]
	d.buf = d.buf[1:length] // behind the attributes, of which none is in use
	delta := d.varint()
	r.ms = b.firstMS + delta
	if b.attrs&attrLogAppendTime != 0 {
		r.ms = b.maxMS // the broker's clock: one for the whole batch
	}
	offset := d.varint()
	if offset < 0 || offset > int64(b.lastDelta) {
		return nil, errRecord
	}
	r.offsetDelta = int32(offset)
	r.key = d.bytes()
	r.value = d.bytes()
	n := d.varint()
	if d.bad || n < 0 || n > int64(len(d.buf)) {
		return nil, errRecord
	}
	r.numHeaders, r.headers = int(n), d.buf
	return rest, nil
}

// copyTo fills rec with copies of its own, so that keeping one record does not keep a whole answer.
func (r *wireRecord) copyTo(rec *Record, names map[string]string) error {
	rec.Time = time.UnixMilli(r.ms).UTC()
	mem := make([]byte, 0, len(r.key)+len(r.value)+len(r.headers))
	mem, rec.Key = keep(mem, r.key)
	mem, rec.Value = keep(mem, r.value)
	if r.numHeaders == 0 {
		return nil
	}
	rec.Headers = make([]Header, r.numHeaders)
	d := varints{buf: r.headers}
	for i := range rec.Headers {
		key := d.bytes()
		value := d.bytes()
		if d.bad {
			return errRecord
		}
		name, ok := names[string(key)]
		if !ok {
			name = string(key)
			if len(names) < 256 {
				names[name] = name
			}
		}
		rec.Headers[i].Key = name
		mem, rec.Headers[i].Value = keep(mem, value)
	}
	return nil
}

func keep(mem, v []byte) (grown, kept []byte) {
	if v == nil {
		return mem, nil
	}
	at := len(mem)
	mem = append(mem, v...)
	return mem, mem[at:len(mem):len(mem)]
}

// varints reads the fields of a record; bad stays set after the first that is malformed.
type varints struct {
	buf []byte
	bad bool
}

func (d *varints) varint() int64 {
	v, n := binary.Varint(d.buf)
	if n <= 0 {
		d.bad = true
		d.buf = nil
		return 0
	}
	d.buf = d.buf[n:]
	return v
}

func (d *varints) bytes() []byte {
	n := d.varint()
	if n < 0 || d.bad {
		return nil
	}
	if n > int64(len(d.buf)) {
		d.bad = true
		d.buf = nil
		return nil
	}
	v := d.buf[:n:n]
	d.buf = d.buf[n:]
	return v
}
