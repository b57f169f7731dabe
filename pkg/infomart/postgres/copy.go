package postgres

import (
	"context"
	"encoding/binary"
	"io"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
)

// The rows go in by binary COPY, encoded here: the driver's own encoder looks up a plan for
// each value, and there are some three hundred to a UserEvent. The encoding is that of the
// column types that the migrations give; where someone has changed one, the server says so
// (SQLSTATE 22P03), which is no fault of the data.

// copyRows is the rows of a COPY as the stream of bytes that the server reads.
type copyRows struct {
	row  func(b []byte) ([]byte, bool) // appends the next row; false where there is none
	buf  []byte
	from int // what has been read of buf
	done bool
}

const (
	copyHeader  = "PGCOPY\n\377\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"
	copyTrailer = "\377\377"
	copyChunk   = 64 << 10
)

func newCopyRows(row func(b []byte) ([]byte, bool)) *copyRows {
	return &copyRows{row: row, buf: append(make([]byte, 0, copyChunk+4096), copyHeader...)}
}

// Read implements [io.Reader]: the rows are encoded while the server works on those before.
func (c *copyRows) Read(p []byte) (int, error) {
	if c.from == len(c.buf) {
		if c.done {
			return 0, io.EOF
		}
		c.buf, c.from = c.buf[:0], 0
	}
	for !c.done && len(c.buf) < min(copyChunk, len(p)) {
		var more bool
		if c.buf, more = c.row(c.buf); !more {
			c.buf, c.done = append(c.buf, copyTrailer...), true
		}
	}
	n := copy(p, c.buf[c.from:])
	c.from += n
	return n, nil
}

// copyInto copies the rows into a table by that statement.
func copyInto(ctx context.Context, tx pgx.Tx, statement string, row func(b []byte) ([]byte, bool)) error {
	_, err := tx.Conn().PgConn().CopyFrom(ctx, newCopyRows(row), statement)
	return err
}

func appendRow(b []byte, columns int) []byte {
	return binary.BigEndian.AppendUint16(b, uint16(columns))
}

func appendNull(b []byte) []byte { return binary.BigEndian.AppendUint32(b, ^uint32(0)) }

func appendInteger(b []byte, n int64) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, 4), uint32(int32(n)))
}

func appendBigint(b []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(b, 8), uint64(n))
}

func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

// appendNumeric appends a numeric: its digits to the base 10,000, the highest first.
func appendNumeric(b []byte, n int64) []byte {
	const base = 10_000
	var digits [5]uint16 // 2^63 has 19 decimal digits
	sign, rest := uint16(0), uint64(n)
	if n < 0 {
		sign, rest = 0x4000, -rest
	}
	first := len(digits)
	for ; rest > 0; rest /= base {
		first--
		digits[first] = uint16(rest % base)
	}
	of := digits[first:]
	be := binary.BigEndian
	b = be.AppendUint32(b, uint32(8+2*len(of)))
	b = be.AppendUint16(b, uint16(len(of)))
	b = be.AppendUint16(b, uint16(max(0, len(of)-1))) // weight of the first digit
	b = be.AppendUint16(b, sign)
	b = be.AppendUint16(b, 0) // decimals shown
	for _, digit := range of {
		b = be.AppendUint16(b, digit)
	}
	return b
}

// appendCell appends a value of CALLBACK_FACT.
func appendCell(b []byte, of infomart.ColumnType, c *infomart.Cell) []byte {
	switch {
	case c.Null:
		return appendNull(b)
	case of == infomart.Text:
		return appendText(b, c.Text)
	case of == infomart.Key:
		return appendNumeric(b, c.Int)
	default:
		return appendInteger(b, c.Int)
	}
}

// appendKVP appends a KVP's value as text.
func appendKVP(b []byte, k callback.KVP, v *callback.Value) []byte {
	if k.Info().Kind == callback.String {
		return appendText(b, v.Str)
	}
	at := len(b)
	b = strconv.AppendInt(append(b, 0, 0, 0, 0), v.Int, 10)
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}
