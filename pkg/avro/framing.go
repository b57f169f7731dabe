package avro

import (
	"encoding/binary"
	"errors"
)

// HeaderSize is the size of the Confluent header: a zero byte and the schema id in four bytes, big-endian.
const HeaderSize = 5

// ErrNotFramed says that bytes do not begin with the Confluent header.
var ErrNotFramed = errors.New("avro: not in the Confluent wire format")

// AppendHeader appends the Confluent header of that schema id.
func AppendHeader(b []byte, id int) []byte {
	return binary.BigEndian.AppendUint32(append(b, 0), uint32(id))
}

// SplitHeader returns the schema id of a framed value and the bytes after its header.
func SplitHeader(b []byte) (id int, payload []byte, err error) {
	if len(b) < HeaderSize || b[0] != 0 {
		return 0, nil, ErrNotFramed
	}
	return int(binary.BigEndian.Uint32(b[1:])), b[HeaderSize:], nil
}
