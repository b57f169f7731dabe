package avro

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/linkedin/goavro/v2"
	"github.com/stretchr/testify/require"
	twmb "github.com/twmb/avro"
	"pgregory.net/rapid"
)

// gen draws schemas as the JSON trees they are written as, and values for them.
type gen struct {
	t     *rapid.T
	names int
}

func (g *gen) name(prefix string) string {
	g.names++
	return fmt.Sprintf("%s%d", prefix, g.names)
}

func (g *gen) schema(depth int) any {
	kinds := []string{"boolean", "int", "long", "float", "double", "bytes", "string", "enum", "fixed", "nullable"}
	if depth > 0 {
		kinds = append(kinds, "record", "array", "map")
	}
	switch kind := rapid.SampledFrom(kinds).Draw(g.t, "kind"); kind {
	case "enum":
		return map[string]any{"type": "enum", "name": g.name("E"), "symbols": []any{"A", "B", "C"}}
	case "fixed":
		return map[string]any{"type": "fixed", "name": g.name("F"), "size": rapid.IntRange(1, 4).Draw(g.t, "size")}
	case "nullable":
		inner := g.schema(depth - 1)
		if _, ok := inner.([]any); ok {
			return inner
		}
		return []any{"null", inner}
	case "record":
		return g.record(depth - 1)
	case "array":
		return map[string]any{"type": "array", "items": g.schema(depth - 1)}
	case "map":
		return map[string]any{"type": "map", "values": g.schema(depth - 1)}
	default:
		return kind
	}
}

func (g *gen) record(depth int) map[string]any {
	fields := []any{}
	for i := range rapid.IntRange(1, 5).Draw(g.t, "fields") {
		fields = append(fields, map[string]any{"name": fmt.Sprintf("f%d", i), "type": g.schema(depth)})
	}
	return map[string]any{"type": "record", "name": g.name("R"), "fields": fields}
}

// evolve changes a schema as another release might, sometimes in a way that is not allowed.
func (g *gen) evolve(s any) any {
	switch s := s.(type) {
	case string:
		return g.evolvePrimitive(s)
	case []any:
		if rapid.IntRange(0, 9).Draw(g.t, "unwrap") == 0 {
			return s[1]
		}
		inner := g.evolve(s[1])
		if union, ok := inner.([]any); ok {
			return union // a union holds no union
		}
		return []any{s[0], inner}
	}
	m := maps.Clone(s.(map[string]any))
	switch m["type"] {
	case "array":
		m["items"] = g.evolve(m["items"])
	case "map":
		m["values"] = g.evolve(m["values"])
	case "enum":
		switch rapid.IntRange(0, 3).Draw(g.t, "enum") {
		case 0:
			m["symbols"] = []any{"C", "A", "B", "D"}
		case 1:
			m["symbols"], m["default"] = []any{"A", "X"}, "X"
		case 2:
			m["symbols"] = []any{"A", "B"} // not allowed: no default
		}
	case "record":
		m["fields"] = g.evolveFields(m["fields"].([]any))
		if rapid.IntRange(0, 9).Draw(g.t, "rename type") == 0 {
			m["aliases"], m["name"] = []any{m["name"]}, g.name("N")
		}
	}
	if rapid.IntRange(0, 19).Draw(g.t, "wrap") == 0 {
		return []any{"null", m}
	}
	return m
}

func (g *gen) evolvePrimitive(s string) any {
	to := map[string][]string{
		"int": {"long", "float", "double", "string"}, "long": {"float", "double", "int"}, "float": {"double", "long"},
		"string": {"bytes"}, "bytes": {"string"}, "double": {"float"}, "boolean": {"int"},
	}[s]
	switch n := rapid.IntRange(0, 8).Draw(g.t, "primitive"); {
	case n < len(to):
		return to[n]
	case n == 6:
		return []any{"null", s}
	case n == 7 && len(to) > 0:
		return []any{to[0], "null", s}
	default:
		return s
	}
}

func (g *gen) evolveFields(fields []any) []any {
	var out []any
	for _, f := range fields {
		m := maps.Clone(f.(map[string]any))
		switch rapid.IntRange(0, 9).Draw(g.t, "field") {
		case 0:
			continue // dropped
		case 1:
			m["aliases"], m["name"] = []any{m["name"]}, g.name("renamed")
		}
		m["type"] = g.evolve(m["type"])
		out = append(out, m)
	}
	if rapid.Bool().Draw(g.t, "reverse") {
		slices.Reverse(out)
	}
	added := []map[string]any{
		{"type": "string", "default": "añ"}, {"type": "bytes", "default": "\u00ff\u0001"}, {"type": "long", "default": -7},
		{"type": []any{"null", "string"}, "default": nil}, {"type": map[string]any{"type": "array", "items": "int"}, "default": []any{1, 2}},
		{"type": map[string]any{"type": "map", "values": "double"}, "default": map[string]any{"k": 1.5}}, {"type": "string"},
	}
	if n := rapid.IntRange(0, 2*len(added)).Draw(g.t, "added"); n < len(added) {
		f := maps.Clone(added[n])
		f["name"] = g.name("added")
		out = append(out, f)
	}
	if len(out) == 0 {
		out = append(out, map[string]any{"name": "only", "type": "boolean", "default": true})
	}
	return out
}

// value draws a value of the type.
func (g *gen) value(n *node) any {
	switch n.kind {
	case boolean:
		return rapid.Bool().Draw(g.t, "boolean")
	case integer:
		return rapid.Int32().Draw(g.t, "int")
	case long:
		return rapid.Int64().Draw(g.t, "long")
	case float:
		return rapid.Float32().Draw(g.t, "float")
	case double:
		return rapid.Float64().Draw(g.t, "double")
	case bytesKind:
		return []byte(rapid.String().Draw(g.t, "bytes")) // UTF-8, for it may be read as a string
	case stringKind:
		return rapid.String().Draw(g.t, "string")
	case enum:
		return rapid.SampledFrom(n.symbols).Draw(g.t, "symbol")
	case fixed:
		return rapid.SliceOfN(rapid.Byte(), n.size, n.size).Draw(g.t, "fixed")
	case union:
		return g.value(rapid.SampledFrom(n.branches).Draw(g.t, "branch"))
	case array:
		list := []any{}
		for range rapid.IntRange(0, 3).Draw(g.t, "items") {
			list = append(list, g.value(n.items))
		}
		return list
	case mapKind:
		m := map[string]any{}
		for i := range rapid.IntRange(0, 3).Draw(g.t, "entries") {
			m[fmt.Sprint(i)] = g.value(n.items)
		}
		return m
	case record:
		r := Record{}
		for _, f := range n.fields {
			r = append(r, g.value(f.node))
		}
		return r
	default:
		return nil
	}
}

// named gives a decoded value the form in which the oracles give theirs: records as maps.
func named(n *node, v any) any {
	switch v := v.(type) {
	case Record:
		if n.kind == union {
			n = branch(n, func(b *node) bool { return b.kind == record && len(b.fields) == len(v) })
		}
		m := map[string]any{}
		for i, f := range n.fields {
			m[f.name] = named(f.node, v[i])
		}
		return m
	case []any:
		if n.kind == union {
			n = branch(n, func(b *node) bool { return b.kind == array })
		}
		out := []any{}
		for _, e := range v {
			out = append(out, named(n.items, e))
		}
		return out
	case map[string]any:
		if n.kind == union {
			n = branch(n, func(b *node) bool { return b.kind == mapKind })
		}
		out := map[string]any{}
		for k, e := range v {
			out[k] = named(n.items, e)
		}
		return out
	default:
		return v
	}
}

func branch(n *node, is func(*node) bool) *node { return n.branches[slices.IndexFunc(n.branches, is)] }

func text(t require.TestingT, tree any) string {
	b, err := json.Marshal(tree)
	require.NoError(t, err)
	return string(b)
}

// twmb/avro resolves schemas as the specification says; it is the oracle.
func TestResolutionAgainstOracle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, checkResolution)
}

func FuzzResolution(f *testing.F) { f.Fuzz(rapid.MakeFuzz(checkResolution)) }

func checkResolution(t *rapid.T) {
	g := &gen{t: t}
	tree := g.record(2)
	tree["name"] = "Root"
	evolved := maps.Clone(tree)
	evolved["fields"] = g.evolveFields(tree["fields"].([]any))
	writerText, readerText := text(t, tree), text(t, evolved)

	writer, err := Parse(writerText)
	require.NoError(t, err)
	reader, err := Parse(readerText)
	require.NoError(t, err)
	oracleWriter, oracleReader := twmb.MustParse(writerText), twmb.MustParse(readerText)
	oracle, refused := twmb.Resolve(oracleWriter, oracleReader)
	read, err := NewReader(writer, reader)
	if refused != nil {
		require.Error(t, err, "the oracle says: %v\nwriter %s\nreader %s", refused, writerText, readerText)
		return
	}
	require.NoError(t, err, "writer %s\nreader %s", writerText, readerText)

	value := g.value(writer.root).(Record)
	b, err := writer.AppendRecord(nil, value)
	require.NoError(t, err)
	again, err := writer.AppendRecord(nil, value)
	require.NoError(t, err)
	require.Equal(t, b, again, "invariant 3: equal records have equal bytes")

	var want any
	rest, err := oracle.Decode(b, &want)
	require.NoError(t, err)
	require.Empty(t, rest)
	got, err := read.Decode(nil, b)
	require.NoError(t, err)
	require.Equal(t, want, named(reader.root, got), "writer %s\nreader %s", writerText, readerText)

	_, err = read.Decode(nil, append(b, 0))
	require.ErrorIs(t, err, errTrailing)
	_, err = read.Decode(nil, b[:len(b)-1])
	require.Error(t, err)
}

// goavro reads what is written here, and the other way round.
func TestAgreesWithGoavro(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := &gen{t: t}
		tree := text(t, g.record(2))
		s, err := Parse(tree)
		require.NoError(t, err)
		value := g.value(s.root).(Record)
		b, err := s.AppendRecord(nil, value)
		require.NoError(t, err)
		codec, err := goavro.NewCodec(tree)
		require.NoError(t, err)
		native, rest, err := codec.NativeFromBinary(b)
		require.NoError(t, err)
		require.Empty(t, rest)
		theirs, err := codec.BinaryFromNative(nil, native)
		require.NoError(t, err)
		read, err := NewReader(s, s)
		require.NoError(t, err)
		got, err := read.Decode(nil, theirs)
		require.NoError(t, err)
		require.Equal(t, named(s.root, value), named(s.root, got))
	})
}

func TestNewReaderRefuses(t *testing.T) {
	t.Parallel()
	rec := func(fields string) string { return `{"type":"record","name":"R","fields":[` + fields + `]}` }
	for name, tc := range map[string]struct{ writer, reader, says string }{
		"another record":          {`{"type":"record","name":"S","fields":[]}`, rec(``), "a S cannot be read as a R"},
		"a field without default": {rec(``), rec(`{"name":"a","type":"int"}`), "field a: the writer does not have it"},
		"a narrower type":         {rec(`{"name":"a","type":"long"}`), rec(`{"name":"a","type":"int"}`), "field a: long cannot be read as int"},
		"an unknown symbol":       {rec(`{"name":"a","type":{"type":"enum","name":"E","symbols":["X","Y"]}}`), rec(`{"name":"a","type":{"type":"enum","name":"E","symbols":["X"]}}`), "symbol Y"},
		"another size":            {rec(`{"name":"a","type":{"type":"fixed","name":"F","size":2}}`), rec(`{"name":"a","type":{"type":"fixed","name":"F","size":3}}`), "fixed F"},
		"a branch of no use":      {rec(`{"name":"a","type":["null","int"]}`), rec(`{"name":"a","type":["null","string"]}`), "no branch of the reader's union takes int"},
		"two fields for one":      {rec(`{"name":"a","type":"int"},{"name":"b","type":"int"}`), rec(`{"name":"a","aliases":["b"],"type":"int"}`), "two fields of the writer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := NewReader(MustParse(tc.writer), MustParse(tc.reader))
			require.ErrorContains(t, err, tc.says)
		})
	}
}

func TestRecursiveSchema(t *testing.T) {
	t.Parallel()
	s := MustParse(`{"type":"record","name":"L","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","L"],"default":null}]}`)
	list := func(n int) Record {
		var r any
		for i := range n {
			r = Record{int32(i), r}
		}
		return r.(Record)
	}
	read, err := NewReader(s, s)
	require.NoError(t, err)
	b, err := s.AppendRecord(nil, list(maxDepth))
	require.NoError(t, err)
	got, err := read.Decode(nil, b)
	require.NoError(t, err)
	require.Equal(t, list(maxDepth), got)
	b, err = s.AppendRecord(nil, list(maxDepth+2))
	require.NoError(t, err)
	_, err = read.Decode(nil, b)
	require.ErrorContains(t, err, "nested too deep")
}
