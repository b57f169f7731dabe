package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// A segment is a file of record batches, <base offset>.dat, and one of index entries of 15 bytes,
// one for each batch, <base offset>.idx.
const (
	headerSize     = 61
	indexEntrySize = 15
	maxBatch       = 1 << 30 // as kfake: more is no batch

	attrTransactional = 0x10
	attrControl       = 0x20
)

// header is the part of a record batch that repair looks at.
type header struct {
	offset      int64
	size        int64 // of the whole batch
	leaderEpoch int32
	crc         uint32
	attrs       uint16
	lastDelta   int32
	firstMS     int64
	maxMS       int64
	pid         int64
	epoch       int16
	seq         int32
	count       int32
}

func (h *header) last() int64         { return h.offset + int64(h.lastDelta) }
func (h *header) control() bool       { return h.attrs&attrControl != 0 }
func (h *header) transactional() bool { return h.attrs&attrTransactional != 0 }

var errNoBatch = errors.New("no record batch")

func parseHeader(b []byte) (h header, err error) {
	if len(b) < headerSize || b[16] != 2 {
		return h, errNoBatch
	}
	be := binary.BigEndian
	h = header{
		offset: int64(be.Uint64(b)), size: 12 + int64(int32(be.Uint32(b[8:]))), leaderEpoch: int32(be.Uint32(b[12:])), crc: be.Uint32(b[17:]),
		attrs: be.Uint16(b[21:]), lastDelta: int32(be.Uint32(b[23:])), firstMS: int64(be.Uint64(b[27:])), maxMS: int64(be.Uint64(b[35:])),
		pid: int64(be.Uint64(b[43:])), epoch: int16(be.Uint16(b[51:])), seq: int32(be.Uint32(b[53:])), count: int32(be.Uint32(b[57:])),
	}
	if h.size < headerSize || h.size > maxBatch || h.lastDelta < 0 {
		return h, errNoBatch
	}
	return h, nil
}

// segment is one file pair as it was found.
type segment struct {
	dir      string
	base     int64
	size     int64
	batches  int64
	minEpoch int32
	maxEpoch int32
}

func (s *segment) data() string  { return filepath.Join(s.dir, strconv.FormatInt(s.base, 10)+".dat") }
func (s *segment) index() string { return filepath.Join(s.dir, strconv.FormatInt(s.base, 10)+".idx") }

// scan calls fn for each batch, with its bytes where it is a control batch, and cuts off an end
// that was torn.
func (s *segment) scan(fn func(header, []byte)) (err error) {
	f, err := os.OpenFile(s.data(), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	buf := make([]byte, headerSize)
	for s.size < info.Size() {
		if _, err := f.ReadAt(buf, s.size); err != nil {
			if errors.Is(err, io.EOF) {
				break
			}
			return err
		}
		h, err := parseHeader(buf)
		if err != nil || s.size+h.size > info.Size() {
			break
		}
		var whole []byte
		if s.size+h.size == info.Size() || h.control() {
			whole = make([]byte, h.size)
			if _, err := f.ReadAt(whole, s.size); err != nil {
				return err
			}
			if crc32.Checksum(whole[21:], castagnoli) != h.crc {
				break
			}
		}
		if s.batches == 0 {
			s.minEpoch, s.maxEpoch = h.leaderEpoch, h.leaderEpoch
		}
		s.minEpoch, s.maxEpoch = min(s.minEpoch, h.leaderEpoch), max(s.maxEpoch, h.leaderEpoch)
		s.batches++
		s.size += h.size
		fn(h, whole)
	}
	if s.size < info.Size() {
		if err := f.Truncate(s.size); err != nil {
			return err
		}
	}
	return s.repairIndex()
}

// repairIndex makes as many entries as there are batches: the two files are written one after the
// other, and an entry too few would shift all that follow.
func (s *segment) repairIndex() error {
	info, err := os.Stat(s.index())
	var have int64
	switch {
	case err == nil:
		have = info.Size()
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	want := s.batches * indexEntrySize
	if have > want || have%indexEntrySize != 0 {
		have = min(want, have-have%indexEntrySize)
		if err := os.Truncate(s.index(), have); err != nil {
			return err
		}
	}
	var missing []byte
	for ; have < want; have += indexEntrySize {
		missing = append(missing, indexEntry(s.maxEpoch)...)
	}
	if len(missing) == 0 {
		return nil
	}
	return appendFile(s.index(), missing)
}

// indexEntry is an entry for a batch that is in no open transaction. Its timestamp is one that kfake
// works out anew.
func indexEntry(leaderEpoch int32) []byte {
	e := make([]byte, indexEntrySize)
	e[0] = 1
	binary.LittleEndian.PutUint32(e[2:], uint32(leaderEpoch))
	e[1] = byte(crc32.Checksum(e[2:], castagnoli))
	return e
}

// append adds a batch at the end.
func (s *segment) append(batch []byte, leaderEpoch int32) error {
	if err := appendFile(s.data(), batch); err != nil {
		return err
	}
	s.size += int64(len(batch))
	s.batches++
	return appendFile(s.index(), indexEntry(leaderEpoch))
}

// marker is the control batch that ends a transaction.
func marker(offset int64, leaderEpoch int32, pid int64, epoch int16, commit bool, now time.Time) []byte {
	kind := byte(0)
	if commit {
		kind = 1
	}
	// One record: attributes, timestamp and offset deltas, a key of version and kind, a value of
	// version and coordinator epoch, no headers; lengths are zigzag varints of one byte.
	record := []byte{0, 0, 0, 8, 0, 0, 0, kind, 12, 0, 0, 0, 0, 0, 0, 0}
	b := make([]byte, headerSize, headerSize+1+len(record))
	b = append(append(b, byte(2*len(record))), record...)
	be := binary.BigEndian
	be.PutUint64(b, uint64(offset))
	be.PutUint32(b[8:], uint32(len(b)-12))
	be.PutUint32(b[12:], uint32(leaderEpoch))
	b[16] = 2
	be.PutUint16(b[21:], attrTransactional|attrControl)
	be.PutUint64(b[27:], uint64(now.UnixMilli()))
	be.PutUint64(b[35:], uint64(now.UnixMilli()))
	be.PutUint64(b[43:], uint64(pid))
	be.PutUint16(b[51:], uint16(epoch))
	be.PutUint32(b[53:], ^uint32(0))
	be.PutUint32(b[57:], 1)
	be.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli))
	return b
}

// isAbort tells whether a control batch aborts. The type is the last two bytes of the key.
func isAbort(batch []byte) (bool, error) {
	b := batch[headerSize:]
	for range 4 { // length, attributes (one byte), timestamp delta, offset delta
		_, n := binary.Varint(b)
		if n <= 0 {
			return false, fmt.Errorf("control batch: %w", errNoBatch)
		}
		b = b[n:]
	}
	size, n := binary.Varint(b)
	if n <= 0 || size < 4 || int(size) > len(b)-n {
		return false, fmt.Errorf("control batch: %w", errNoBatch)
	}
	return binary.BigEndian.Uint16(b[n+2:]) == 0, nil
}
