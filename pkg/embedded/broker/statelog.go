package broker

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
)

// kfake keeps producer ids and group offsets in append-only logs of JSON in frames: the length of
// what follows the checksum, its CRC-32C, a version, the JSON; all little-endian.
const (
	frameHeader  = 10
	frameVersion = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// pidEntry is an entry of pids.log.
type pidEntry struct {
	Type    string `json:"type"` // init, endtx, timeout
	PID     int64  `json:"pid"`
	Epoch   int16  `json:"epoch"`
	TxID    string `json:"txid,omitempty"`
	Timeout int32  `json:"timeout,omitempty"`
	Commit  *bool  `json:"commit,omitempty"`
}

// offsetEntry is an entry of groups.log that sets a group's offset.
type offsetEntry struct {
	Type       string  `json:"type"` // commit
	Group      string  `json:"g"`
	Topic      string  `json:"t,omitempty"`
	Partition  int32   `json:"p,omitempty"`
	Offset     int64   `json:"o,omitempty"`
	Epoch      int32   `json:"e,omitempty"`
	Metadata   *string `json:"m,omitempty"`
	LastCommit *int64  `json:"lc,omitempty"` // Unix milliseconds
}

// readStateLog returns a log's entries and cuts off an end that was torn, behind which kfake would
// append what it could not read again.
func readStateLog(path string) ([]json.RawMessage, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var entries []json.RawMessage
	at := 0
	for {
		data, size := nextFrame(raw[at:])
		if size == 0 {
			break
		}
		entries = append(entries, data)
		at += size
	}
	if at < len(raw) {
		if err := os.Truncate(path, int64(at)); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// nextFrame returns the first frame's data and whole size; a size of 0 where there is none.
func nextFrame(raw []byte) (data []byte, size int) {
	if len(raw) < frameHeader {
		return nil, 0
	}
	length := int64(binary.LittleEndian.Uint32(raw))
	if length < 2 || length > int64(len(raw)-8) {
		return nil, 0
	}
	body := raw[8 : 8+length]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(raw[4:]) {
		return nil, 0
	}
	return body[2:], int(8 + length)
}

func appendFrame(buf []byte, v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	at := len(buf)
	buf = binary.LittleEndian.AppendUint32(buf, uint32(2+len(data)))
	buf = binary.LittleEndian.AppendUint32(buf, 0)
	buf = binary.LittleEndian.AppendUint16(buf, frameVersion)
	buf = append(buf, data...)
	binary.LittleEndian.PutUint32(buf[at+4:], crc32.Checksum(buf[at+8:], castagnoli))
	return buf, nil
}

// appendStateLog appends entries to a log and puts them on the disk.
func appendStateLog[T any](path string, entries []T) error {
	if len(entries) == 0 {
		return nil
	}
	var buf []byte
	for _, e := range entries {
		var err error
		if buf, err = appendFrame(buf, e); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return appendFile(path, buf)
}

func appendFile(path string, data []byte) (err error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}

// writeJSON replaces a file whole or not at all.
func writeJSON(path string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	tmp := path + ".tmp" // kfake removes what is left of these
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return err
	}
	f, err := os.Open(tmp)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
