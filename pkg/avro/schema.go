package avro

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/linkedin/goavro/v2"
)

// MaxLength is the most bytes of one string or bytes value, and the most items of
// one block, that are read from a record.
const MaxLength = 16 << 20

func init() {
	// goavro's own limits are process-wide and 2^31 by default: too many for input that nobody vouches for.
	goavro.MaxBlockCount, goavro.MaxBlockSize = MaxLength, MaxLength
}

// Record is the values of a record, in the order of its schema's fields.
//
// Read, a value is nil, bool, int32, int64, float32, float64, string (also of an
// enum), []byte (also of a fixed), Record, []any or map[string]any; a union is the
// value of its branch. To be written, it may also be a pointer to one of the scalar
// types (nil is null), []string, []int64, []Record or map[string]string.
type Record []any

// Schema is a parsed Avro schema whose root is a record. It is safe for concurrent use.
type Schema struct {
	root *node
	text string
}

type kind uint8

const (
	null kind = iota
	boolean
	integer
	long
	float
	double
	bytesKind
	stringKind
	fixed
	enum
	record
	array
	mapKind
	union
)

var kindNames = [...]string{"null", "boolean", "int", "long", "float", "double", "bytes", "string", "fixed", "enum", "record", "array", "map", "union"}

func (k kind) String() string { return kindNames[k] }

// node is one type of a schema. Logical types are read as the type below them.
type node struct {
	kind    kind
	name    string   // full name of a record, enum or fixed
	aliases []string // full names

	fields   []field
	items    *node // of an array or a map
	branches []*node

	symbols       []string
	defaultSymbol string // of an enum; may be empty
	size          int    // of a fixed

	codec *goavro.Codec // of a leaf
}

type field struct {
	name       string
	aliases    []string
	node       *node
	hasDefault bool
	fallback   any // default, as a decoded value
}

// primitives are the leaves without a name; they share their codecs.
var primitives = func() map[string]*node {
	m := make(map[string]*node)
	for k := null; k <= stringKind; k++ {
		codec, err := goavro.NewCodec(strconv.Quote(k.String()))
		if err != nil {
			panic("avro: goavro refuses a primitive type: " + err.Error())
		}
		m[k.String()] = &node{kind: k, codec: codec}
	}
	return m
}()

// Parse parses a schema. Its root must be a record.
func Parse(text string) (*Schema, error) {
	if _, err := goavro.NewCodec(text); err != nil {
		return nil, fmt.Errorf("avro: schema: %w", err)
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, fmt.Errorf("avro: schema: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("avro: schema: more than one JSON value")
	}
	p := parser{names: make(map[string]*node)}
	root, err := p.parse(tree, "")
	if err != nil {
		return nil, fmt.Errorf("avro: schema: %w", err)
	}
	if root.kind != record {
		return nil, fmt.Errorf("avro: schema: the root is a %s, not a record", root.kind)
	}
	// Defaults may be of a type that is named further down, so they come last.
	for _, f := range p.defaults {
		if f.fallback, err = defaultValue(f.node, f.fallback); err != nil {
			return nil, fmt.Errorf("avro: schema: default of field %s: %w", f.name, err)
		}
	}
	weights := make(map[*node]weight)
	for _, n := range p.containers {
		if !n.items.weigh(weights).content {
			// Such items take no bytes, so a count of them could not be held against the input.
			return nil, fmt.Errorf("avro: schema: items without content in an %s", n.kind)
		}
	}
	for _, n := range p.records {
		if n.weigh(weights).empty > maxEmpty {
			return nil, fmt.Errorf("avro: schema: record %s holds more than %d values without content", n.name, maxEmpty)
		}
	}
	return &Schema{root: root, text: text}, nil
}

// MustParse is Parse for schemas that are part of the program; it panics on error.
func MustParse(text string) *Schema {
	s, err := Parse(text)
	if err != nil {
		panic(err)
	}
	return s
}

// Name is the full name of the record.
func (s *Schema) Name() string { return s.root.name }

// String is the text of the schema.
func (s *Schema) String() string { return s.text }

// Len is the number of the record's fields.
func (s *Schema) Len() int { return len(s.root.fields) }

// Fields lists the names of the record's fields.
func (s *Schema) Fields() []string {
	names := make([]string, len(s.root.fields))
	for i := range s.root.fields {
		names[i] = s.root.fields[i].name
	}
	return names
}

// maxEmpty bounds the values without content, such as nulls, in a record. A record that
// names another twice, which names another twice, and so on, would make more of them out
// of no input than any memory holds.
const maxEmpty = 1000

// weight is what a value of a type takes.
type weight struct {
	content bool // it takes bytes of the input
	empty   int  // values in it that take none; what follows the byte of a union or a block is not counted
}

func (n *node) weigh(known map[*node]weight) weight {
	switch n.kind {
	case null:
		return weight{empty: 1}
	case fixed:
		if n.size == 0 {
			return weight{empty: 1}
		}
	case record:
		w, ok := known[n]
		if ok {
			return w
		}
		known[n] = weight{} // of a record directly within itself, of which there is no value
		for i := range n.fields {
			f := n.fields[i].node.weigh(known)
			w.content = w.content || f.content
			w.empty = min(w.empty+f.empty, maxEmpty+1)
		}
		if !w.content {
			w.empty++
		}
		known[n] = w
		return w
	}
	return weight{content: true}
}
