package kafka

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// fetchMessage is a Fetch request, v4 to v10, of one partition with isolation read_committed. It is
// read by code of its own, because kafka-go's throws away a batch's last offset and its kind of
// timestamp: the one is needed to pass compacted batches, the other to know what a time means.
//
// From v11 on followers answer too, and a leader may send a reader to one of them by an answer
// without records. Neither is wanted: only the leader knows where the log ends.
type fetchMessage struct {
	topic     string
	partition int32
	offset    int64
	maxBytes  int32
	maxWait   int32 // milliseconds
}

const maxFetchVersion = 10

type abortedTransaction struct {
	pid         int64
	firstOffset int64
}

// fetchResponse is its answer. records belongs to a pool until release.
type fetchResponse struct {
	code                                int16
	held                                time.Duration // set: throttled, with nothing on the partition
	highWatermark, lastStable, logStart int64
	aborted                             []abortedTransaction
	records                             []byte
	mem                                 *[]byte
}

func (*fetchMessage) ApiKey() protocol.ApiKey  { return protocol.Fetch }
func (*fetchResponse) ApiKey() protocol.ApiKey { return protocol.Fetch }

var answers = sync.Pool{New: func() any { return new([]byte) }}

func (res *fetchResponse) release() {
	if res.mem != nil {
		answers.Put(res.mem)
		res.mem, res.records = nil, nil
	}
}

func (m *fetchMessage) exchange(rw io.ReadWriter, version int16, correlation int32, clientID string) (protocol.Message, error) {
	version = min(version, maxFetchVersion) // brokers take all between what they say is the least and the most
	if version < 4 {
		return nil, fmt.Errorf("broker has no Fetch from v4 on (v%d was negotiated)", version)
	}
	if _, err := rw.Write(m.appendTo(nil, version, correlation, clientID)); err != nil {
		return nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return nil, noEOF(err)
	}
	size := int32(binary.BigEndian.Uint32(head[:]))
	if size < 4 || size > 2*maxBatchBytes {
		return nil, fmt.Errorf("answer of %d bytes", size)
	}
	mem := answers.Get().(*[]byte)
	if cap(*mem) < int(size) {
		*mem = make([]byte, size)
	}
	buf := (*mem)[:size]
	res := &fetchResponse{mem: mem}
	if _, err := io.ReadFull(rw, buf); err != nil {
		res.release()
		return nil, noEOF(err)
	}
	if got := int32(binary.BigEndian.Uint32(buf)); got != correlation {
		res.release()
		return nil, fmt.Errorf("answer to request %d where %d was due", got, correlation)
	}
	if err := res.parse(buf[4:], version, m); err != nil {
		res.release()
		return nil, err
	}
	return res, nil
}

func (m *fetchMessage) appendTo(b []byte, version int16, correlation int32, clientID string) []byte {
	be := binary.BigEndian
	b = be.AppendUint32(b, 0)
	b = be.AppendUint16(b, uint16(protocol.Fetch))
	b = be.AppendUint16(b, uint16(version))
	b = be.AppendUint32(b, uint32(correlation))
	b = appendString(b, clientID)

	b = be.AppendUint32(b, ^uint32(0)) // replica id: a consumer
	b = be.AppendUint32(b, uint32(m.maxWait))
	b = be.AppendUint32(b, 1) // min bytes
	// One partition is asked for, so its own limit below bounds the answer. Where this one, of the
	// whole answer, cuts it, kfake leaves the list of aborted transactions out.
	b = be.AppendUint32(b, math.MaxInt32)
	b = append(b, 1) // isolation level read_committed
	if version >= 7 {
		b = be.AppendUint32(b, 0)          // no fetch session
		b = be.AppendUint32(b, ^uint32(0)) // nor a wish for one
	}
	b = be.AppendUint32(b, 1)
	b = appendString(b, m.topic)
	b = be.AppendUint32(b, 1)
	b = be.AppendUint32(b, uint32(m.partition))
	if version >= 9 {
		b = be.AppendUint32(b, ^uint32(0)) // leader epoch: not known
	}
	b = be.AppendUint64(b, uint64(m.offset))
	if version >= 5 {
		b = be.AppendUint64(b, ^uint64(0)) // log start offset: a follower's
	}
	b = be.AppendUint32(b, uint32(m.maxBytes))
	if version >= 7 {
		b = be.AppendUint32(b, 0) // forgotten topics
	}
	be.PutUint32(b, uint32(len(b)-4))
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// parse reads the body of an answer.
func (res *fetchResponse) parse(buf []byte, version int16, m *fetchMessage) error {
	d := fields{buf: buf}
	throttle := time.Duration(d.int32()) * time.Millisecond
	if version >= 7 {
		if code := d.int16(); code != 0 {
			res.code = code
			return nil
		}
		d.int32() // session
	}
	for range d.length(2 + 4) {
		topic := d.string()
		for range d.length(4 + 2 + 8) {
			partition := d.int32()
			code := d.int16()
			highWatermark := d.int64()
			lastStable := d.int64()
			logStart := int64(-1)
			if version >= 5 {
				logStart = d.int64()
			}
			var aborted []abortedTransaction
			for range d.length(16) {
				aborted = append(aborted, abortedTransaction{pid: d.int64(), firstOffset: d.int64()})
			}
			records := d.take(int(max(0, d.int32())))
			if d.bad {
				return errors.New("malformed Fetch answer")
			}
			if topic == m.topic && partition == m.partition {
				res.code, res.highWatermark, res.lastStable, res.logStart = code, highWatermark, lastStable, logStart
				res.aborted, res.records = aborted, records
				return nil
			}
		}
	}
	if d.bad {
		return errors.New("malformed Fetch answer")
	}
	if throttle > 0 {
		res.held = throttle
		return nil
	}
	return errNoAnswer
}

// noEOF keeps a connection that broke from looking like the end of a stream.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// fields reads the fixed-width fields of an answer; bad stays set once there is too little.
type fields struct {
	buf []byte
	bad bool
}

func (d *fields) take(n int) []byte {
	if n < 0 || n > len(d.buf) {
		d.bad, d.buf = true, nil
		return nil
	}
	v := d.buf[:n:n]
	d.buf = d.buf[n:]
	return v
}

func (d *fields) int16() int16 {
	if b := d.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (d *fields) int32() int32 {
	if b := d.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (d *fields) int64() int64 {
	if b := d.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (d *fields) string() string { return string(d.take(int(d.int16()))) }

// length reads the length of an array whose elements take at least size bytes; null is 0.
func (d *fields) length(size int) int {
	n := int(d.int32())
	if n > len(d.buf)/size {
		d.bad, d.buf = true, nil
		return 0
	}
	return max(n, 0)
}
