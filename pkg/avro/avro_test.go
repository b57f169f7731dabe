package avro

import (
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/linkedin/goavro/v2"
	"github.com/stretchr/testify/require"
)

// rec is the schema of a record with one field of that type.
func rec(typ string) string {
	return `{"type":"record","name":"R","fields":[{"name":"a","type":` + typ + `}]}`
}

func varint(n int64) []byte { return binary.AppendVarint(nil, n) }

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		typ   string
		bytes []byte
		says  string
	}{
		"nothing":                      {`"int"`, nil, "field a: the input ends early"},
		"number cut short":             {`"long"`, []byte{0x80}, "ends early"},
		"number too long":              {`"long"`, []byte("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"), "not a value"},
		"int out of range":             {`"int"`, varint(math.MaxInt32 + 1), "not a value"},
		"boolean 2":                    {`"boolean"`, []byte{2}, "not a value"},
		"float cut short":              {`"float"`, []byte{1, 2, 3}, "not a value"},
		"string of negative length":    {`"string"`, varint(-1), "not a value"},
		"string longer than the input": {`"string"`, append(varint(5), "abcd"...), "ends early"},
		"string of absurd length":      {`"string"`, varint(math.MaxInt64), "not a value"},
		"string that is not UTF-8":     {`"string"`, append(varint(1), 0xff), "UTF-8"},
		"bytes of absurd length":       {`"bytes"`, varint(1 << 60), "not a value"},
		"fixed cut short":              {`{"type":"fixed","name":"F","size":3}`, []byte{1, 2}, "not a value"},
		"symbol out of range":          {`{"type":"enum","name":"E","symbols":["X"]}`, varint(1), "not a value"},
		"branch out of range":          {`["null","int"]`, varint(2), "not a value"},
		"negative branch":              {`["null","int"]`, varint(-33), "not a value"},
		"array of absurd count":        {`{"type":"array","items":"int"}`, varint(math.MaxInt64), "ends early"},
		"array of least count":         {`{"type":"array","items":"int"}`, varint(math.MinInt64), "not a value"},
		"array with a size cut short":  {`{"type":"array","items":"int"}`, append(varint(-3), 0x80), "ends early"},
		"array item cut short":         {`{"type":"array","items":"string"}`, append(varint(2), 2, 'a', 4), "item 1: the input ends early"},
		"more items than bytes left":   {`{"type":"array","items":"string"}`, append(varint(5), 2, 0xff), "a: the input ends early"},
		"map of absurd count":          {`{"type":"map","values":"int"}`, varint(1 << 50), "ends early"},
		"map with a key twice":         {`{"type":"map","values":"int"}`, append(varint(2), 2, 'k', 0, 2, 'k', 0, 0), "twice"},
		"bytes after the record":       {`"int"`, []byte{2, 0}, "bytes follow the record"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := MustParse(rec(tc.typ))
			r, err := NewReader(s, s)
			require.NoError(t, err)
			_, err = r.Decode(nil, tc.bytes)
			require.ErrorContains(t, err, tc.says)
			require.ErrorContains(t, err, "avro: decode R: ")
		})
	}
}

func TestDecodeTakesBlocksWithASize(t *testing.T) {
	t.Parallel()
	s := MustParse(rec(`{"type":"array","items":"int"}`))
	r, err := NewReader(s, s)
	require.NoError(t, err)
	got, err := r.Decode(nil, []byte{3, 4, 2, 4, 2, 6, 0}) // -2 items in 2 bytes, 1 item
	require.NoError(t, err)
	require.Equal(t, Record{[]any{int32(1), int32(2), int32(3)}}, got)
}

// A length that lies costs no memory: what is allocated is bounded by what was sent.
func TestLyingLengthsDoNotAllocate(t *testing.T) {
	for _, typ := range []string{`"string"`, `"bytes"`, `{"type":"array","items":"long"}`, `{"type":"map","values":"long"}`} {
		s := MustParse(rec(typ))
		r, err := NewReader(s, s)
		require.NoError(t, err)
		for _, n := range []int64{1 << 20, MaxLength, 1 << 40, math.MaxInt64} {
			b := append(varint(n), make([]byte, 1000)...)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := r.Decode(nil, b)
			runtime.ReadMemStats(&after)
			require.Error(t, err)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20), "%s of %d", typ, n)
		}
	}
}

func TestGoavroIsLimited(t *testing.T) {
	t.Parallel()
	require.EqualValues(t, MaxLength, goavro.MaxBlockCount)
	require.EqualValues(t, MaxLength, goavro.MaxBlockSize)
}

// Invariant 10: an error names the field and never quotes a value.
func TestErrorsQuoteNoValue(t *testing.T) {
	t.Parallel()
	const secret = "5551234567"
	s := MustParse(rec(`{"type":"map","values":"int"}`))
	r, err := NewReader(s, s)
	require.NoError(t, err)
	_, err = r.Decode(nil, append(append(varint(1), byte(2*len(secret))), secret...))
	require.Error(t, err)
	require.NotContains(t, err.Error(), secret)
	for _, typ := range []string{`"int"`, `{"type":"enum","name":"E","symbols":["X"]}`, `["null","long"]`, `{"type":"map","values":"int"}`} {
		for _, v := range []any{secret, map[string]any{secret: secret}, []string{secret}} {
			_, err = MustParse(rec(typ)).AppendRecord(nil, Record{v})
			require.Error(t, err)
			require.NotContains(t, err.Error(), secret)
		}
	}
}

func TestDecodedValuesStandAlone(t *testing.T) {
	t.Parallel()
	s := MustParse(rec(`"bytes"`))
	r, err := NewReader(s, s)
	require.NoError(t, err)
	b := append(varint(3), "abc"...)
	got, err := r.Decode(nil, b)
	require.NoError(t, err)
	b[1] = 'X'
	require.Equal(t, Record{[]byte("abc")}, got)
}

// Names that come again are read as one string, however many others come between; none of
// them points into what was read.
func TestReadStringsAreShared(t *testing.T) {
	s := MustParse(rec(`"string"`))
	r, err := NewReader(s, s)
	require.NoError(t, err)
	encoded := func(text string) []byte {
		b, err := s.AppendRecord(nil, Record{text})
		require.NoError(t, err)
		return b
	}
	dst, name := make(Record, 1), encoded("_CB_T_CUSTOMER_CONNECTED")
	read := func() {
		if _, err := r.Decode(dst, name); err != nil {
			t.Fatal(err)
		}
	}
	read()
	read()
	require.Zero(t, testing.AllocsPerRun(100, read))

	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			for n := range 5000 {
				want := strings.Repeat("x", n%100) + strconv.Itoa(n*i)
				b := encoded(want)
				got, err := r.Decode(nil, b)
				clear(b)
				if err != nil || got[0] != want {
					t.Errorf("%v, %v instead of %s", got, err, want)
					return
				}
			}
		})
	}
	group.Wait()
}

func TestAppendRecordTakesPointersAndSlices(t *testing.T) {
	t.Parallel()
	s := MustParse(`{"type":"record","name":"R","fields":[
		{"name":"s","type":["null","string"]},{"name":"l","type":["null","long"]},{"name":"b","type":["null","boolean"]},
		{"name":"i","type":["null","int"]},{"name":"d","type":["null","double"]},
		{"name":"ss","type":{"type":"array","items":"string"}},{"name":"ls","type":{"type":"array","items":"long"}},
		{"name":"rs","type":{"type":"array","items":{"type":"record","name":"I","fields":[{"name":"x","type":"int"}]}}},
		{"name":"m","type":["null",{"type":"map","values":"string"}]}]}`)
	r, err := NewReader(s, s)
	require.NoError(t, err)
	text, wide, yes, narrow, real := "x", int64(-1), true, int32(5), 0.5
	b, err := s.AppendRecord([]byte("head"), Record{&text, &wide, &yes, &narrow, &real, []string{"a"}, []int64{1, 2}, []Record{{int32(3)}}, map[string]string{"k": "v"}})
	require.NoError(t, err)
	require.Equal(t, "head", string(b[:4]))
	got, err := r.Decode(make(Record, s.Len()), b[4:])
	require.NoError(t, err)
	require.Equal(t, Record{"x", int64(-1), true, int32(5), 0.5, []any{"a"}, []any{int64(1), int64(2)}, []any{Record{int32(3)}}, map[string]any{"k": "v"}}, got)

	b, err = s.AppendRecord(nil, Record{(*string)(nil), (*int64)(nil), (*bool)(nil), (*int32)(nil), (*float64)(nil), []any{}, []any(nil), []Record(nil), nil})
	require.NoError(t, err)
	require.Equal(t, make([]byte, 9), b)

	_, err = r.Decode(make(Record, 1), b)
	require.ErrorContains(t, err, "1 values for 9 fields")
}

func TestAppendRecordRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		typ  string
		v    any
		says string
	}{
		"another type":        {`"int"`, "1", "field a: a string is no int"},
		"a wider type":        {`"int"`, int64(1), "a int64 is no int"},
		"null":                {`"string"`, nil, "no string"},
		"not UTF-8":           {`"string"`, "\xff", "UTF-8"},
		"no symbol":           {`{"type":"enum","name":"E","symbols":["X"]}`, "Y", "no enum"},
		"no branch":           {`["null","int"]`, "x", "no branch of the union takes a string"},
		"a fixed of one less": {`{"type":"fixed","name":"F","size":2}`, []byte{1}, "no fixed"},
		"no array":            {`{"type":"array","items":"int"}`, 7, "no array"},
		"a wrong item":        {`{"type":"array","items":"int"}`, []any{int32(1), "x"}, "item 1"},
		"no map":              {`{"type":"map","values":"int"}`, []any{}, "no map"},
		"a wrong map value":   {`{"type":"map","values":"int"}`, map[string]any{"k": "v"}, "value: a string"},
		"a wrong map key":     {`{"type":"map","values":"int"}`, map[string]any{"\xff": int32(1)}, "key: "},
		"no record":           {`{"type":"record","name":"S","fields":[]}`, map[string]any{}, "no record"},
		"a record too short":  {`{"type":"record","name":"S","fields":[{"name":"x","type":"int"}]}`, Record{}, "0 values for 1 fields"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := MustParse(rec(tc.typ)).AppendRecord([]byte{7}, Record{tc.v})
			require.ErrorContains(t, err, tc.says)
			require.Equal(t, []byte{7}, got)
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ schema, says string }{
		"no JSON":                   {`{`, "avro: schema"},
		"two values":                {rec(`"int"`) + `{}`, "avro: schema"},
		"no record":                 {`"int"`, "the root is a int"},
		"an unknown type":           {rec(`"nope"`), "nope"},
		"a union in a union":        {rec(`["null",["int","string"]]`), "avro: schema"},
		"a name twice":              {`{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"fixed","name":"F","size":1}},{"name":"b","type":{"type":"fixed","name":"F","size":1}}]}`, "F"},
		"a fixed without size":      {rec(`{"type":"fixed","name":"F"}`), "avro: schema"},
		"a fixed of absurd size":    {rec(`{"type":"fixed","name":"F","size":99999999999}`), "avro: schema"},
		"items without content":     {rec(`{"type":"array","items":"null"}`), "items without content"},
		"items of empty records":    {rec(`{"type":"array","items":{"type":"record","name":"E","fields":[]}}`), "items without content"},
		"a default of another type": {`{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"fixed","name":"F","size":2},"default":"x"}]}`, "default"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(tc.schema)
			require.ErrorContains(t, err, tc.says)
		})
	}
	// Each record holds the one before it twice: 2^19 values out of not one byte.
	fields := `{"name":"f0","type":{"type":"record","name":"R0","fields":[]}}`
	for i := 1; i < 20; i++ {
		fields += fmt.Sprintf(`,{"name":"f%d","type":{"type":"record","name":"R%d","fields":[{"name":"a","type":"R%d"},{"name":"b","type":"R%d"}]}}`, i, i, i-1, i-1)
	}
	for _, root := range []string{fields, fields + `,{"name":"u","type":["null","R19"]}`, `{"name":"x","type":"int"},` + fields} {
		_, err := Parse(`{"type":"record","name":"Root","fields":[` + root + `]}`)
		require.ErrorContains(t, err, "values without content")
	}

	deep := strings.Repeat(`{"type":"array","items":`, 150) + `"int"` + strings.Repeat("}", 150)
	_, err := Parse(rec(deep))
	require.ErrorContains(t, err, "nested too deep")
	require.Panics(t, func() { MustParse("{") })
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	for typ, want := range map[string]struct {
		json  string
		value any
	}{
		`"null"`: {`null`, nil}, `"boolean"`: {`true`, true}, `"int"`: {`-5`, int32(-5)}, `"long"`: {`9007199254740993`, int64(9007199254740993)},
		`"float"`: {`0.5`, float32(0.5)}, `"double"`: {`1e3`, 1000.0}, `"string"`: {`"é"`, "é"}, `"bytes"`: {`"\u00e9\u0000"`, []byte{0xe9, 0}},
		`{"type":"fixed","name":"F","size":1}`:                              {`"A"`, []byte("A")},
		`{"type":"enum","name":"E","symbols":["X","Y"]}`:                    {`"Y"`, "Y"},
		`{"type":"array","items":"long"}`:                                   {`[1,2]`, []any{int64(1), int64(2)}},
		`{"type":"map","values":"int"}`:                                     {`{"k":1}`, map[string]any{"k": int32(1)}},
		`["string","null"]`:                                                 {`"s"`, "s"},
		`["null","string"]`:                                                 {`null`, nil},
		`{"type":"record","name":"S","fields":[{"name":"x","type":"int"}]}`: {`{"x":3}`, Record{int32(3)}},
		`{"type":"record","name":"T","namespace":"n","fields":[{"name":"x","type":["null","T"]}]}`: {`{"x":null}`, Record{nil}},
	} {
		t.Run(typ, func(t *testing.T) {
			t.Parallel()
			reader := MustParse(fmt.Sprintf(`{"type":"record","name":"R","fields":[{"name":"a","type":%s,"default":%s}]}`, typ, want.json))
			r, err := NewReader(MustParse(`{"type":"record","name":"R","fields":[]}`), reader)
			require.NoError(t, err)
			got, err := r.Decode(nil, nil)
			require.NoError(t, err)
			require.Equal(t, Record{want.value}, got)
		})
	}
}

func TestSchemaDescribesItself(t *testing.T) {
	t.Parallel()
	s := MustParse(`{"type":"record","name":"R","namespace":"a.b","fields":[{"name":"x","type":"int"},{"name":"y","type":{"type":"long","logicalType":"timestamp-millis"}}]}`)
	require.Equal(t, "a.b.R", s.Name())
	require.Equal(t, []string{"x", "y"}, s.Fields())
	require.Equal(t, 2, s.Len())
}

func TestFraming(t *testing.T) {
	t.Parallel()
	b := append(AppendHeader([]byte("x"), 0x01020304), "payload"...)
	require.Equal(t, "x\x00\x01\x02\x03\x04payload", string(b))
	id, payload, err := SplitHeader(b[1:])
	require.NoError(t, err)
	require.Equal(t, 0x01020304, id)
	require.Equal(t, "payload", string(payload))
	for _, bad := range [][]byte{nil, {0}, {0, 0, 0, 1}, {1, 0, 0, 0, 1, 2}} {
		_, _, err := SplitHeader(bad)
		require.ErrorIs(t, err, ErrNotFramed)
	}
}

func FuzzSplitHeader(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		id, payload, err := SplitHeader(b)
		if err != nil {
			return
		}
		require.GreaterOrEqual(t, id, 0)
		require.Equal(t, b, append(AppendHeader(nil, id), payload...))
	})
}

func FuzzDecode(f *testing.F) {
	s := MustParse(`{"type":"record","name":"R","fields":[
		{"name":"s","type":["null","string"]},{"name":"m","type":{"type":"map","values":"bytes"}},{"name":"f","type":"float"},
		{"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},{"name":"next","type":["null","R"]},
		{"name":"l","type":{"type":"array","items":{"type":"record","name":"I","fields":[{"name":"x","type":"int"},{"name":"y","type":"long"}]}}}]}`)
	r, err := NewReader(s, s)
	require.NoError(f, err)
	b, err := s.AppendRecord(nil, Record{"x", map[string]any{"k": []byte{1}}, float32(1), "B", nil, []Record{{int32(1), int64(2)}}})
	require.NoError(f, err)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := r.Decode(nil, b)
		if err != nil {
			return
		}
		again, err := s.AppendRecord(nil, got)
		require.NoError(t, err)
		back, err := r.Decode(nil, again)
		require.NoError(t, err)
		again2, err := s.AppendRecord(nil, back) // NaN is not equal to itself; its bytes are
		require.NoError(t, err)
		require.Equal(t, again, again2)
	})
}

func FuzzParse(f *testing.F) {
	f.Add(rec(`["null","int"]`))
	f.Add(rec(`{"type":"enum","name":"E","symbols":["X"],"default":"X"}`))
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		_, err = NewReader(s, s)
		require.NoError(t, err)
	})
}
