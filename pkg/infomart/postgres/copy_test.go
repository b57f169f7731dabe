package postgres

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"testing"
	"testing/iotest"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ringback/ringback/pkg/callback"
)

// TestAppendNumeric: the driver reads every numeric that is written as what it was.
func TestAppendNumeric(t *testing.T) {
	t.Parallel()
	m := pgtype.NewMap()
	check := func(t require.TestingT, n int64) {
		b := appendNumeric(nil, n)
		require.Equal(t, len(b)-4, int(binary.BigEndian.Uint32(b)))
		var got pgtype.Numeric
		require.NoError(t, m.Scan(pgtype.NumericOID, pgtype.BinaryFormatCode, b[4:], &got))
		whole, err := got.Int64Value()
		require.NoError(t, err)
		require.Equal(t, pgtype.Int8{Int64: n, Valid: true}, whole)
	}
	for _, n := range []int64{0, 1, -1, 9999, 10_000, 10_001, 100_000_000, 20_000_000_000_123, math.MaxInt64, math.MinInt64} {
		check(t, n)
	}
	rapid.Check(t, func(t *rapid.T) { check(t, rapid.Int64().Draw(t, "n")) })
}

// TestCopyRows: the stream is the same however it is read, and ends.
func TestCopyRows(t *testing.T) {
	t.Parallel()
	const rows = 5000
	stream := func() *copyRows {
		n := int64(0)
		return newCopyRows(func(b []byte) ([]byte, bool) {
			if n == rows {
				return b, false
			}
			n++
			v := callback.Value{Set: true, Int: n, Str: "+44"}
			return appendKVP(appendKVP(appendBigint(appendRow(b, 3), n), callback.KeyTDial1, &v), callback.KeyCustomerANI, &v), true
		})
	}
	whole, err := io.ReadAll(stream())
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(whole, []byte("PGCOPY\n\377\r\n\x00")))
	require.True(t, bytes.HasSuffix(whole, []byte{0, 3, '+', '4', '4', 0xff, 0xff}))
	require.Contains(t, string(whole), "\x00\x00\x00\x044999\x00\x00\x00\x03+44")
	halves, err := io.ReadAll(iotest.HalfReader(stream()))
	require.NoError(t, err)
	require.Equal(t, whole, halves)
	bytewise, err := io.ReadAll(iotest.OneByteReader(stream()))
	require.NoError(t, err)
	require.Equal(t, whole, bytewise)
}
