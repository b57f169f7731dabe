package avro

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

// maxDepth bounds how deep the values of a recursive schema may be nested.
const maxDepth = 200

var (
	errShort    = errors.New("the input ends early")
	errTrailing = errors.New("bytes follow the record")
	errValue    = errors.New("not a value of its type")
	errNotUTF8  = errors.New("a string that is not UTF-8")
)

// decode reads a value in the writer's encoding, gives it in the reader's shape, and returns the bytes after it.
type decode func(b []byte, depth int) (any, []byte, error)

// Reader decodes what was written with a writer's schema into the records of a
// reader's schema. It is safe for concurrent use.
type Reader struct {
	reader *Schema
	plan   *recordPlan
}

// NewReader resolves the writer's schema against the reader's. The error says where they do not match.
func NewReader(writer, reader *Schema) (*Reader, error) {
	r := resolver{records: make(map[pair]*recordPlan)}
	if !sameName(writer.root, reader.root) {
		return nil, fmt.Errorf("avro: a %s cannot be read as a %s", writer.root.name, reader.root.name)
	}
	plan, err := r.record(writer.root, reader.root)
	if err != nil {
		return nil, fmt.Errorf("avro: read %s: %w", reader.root.name, err)
	}
	return &Reader{reader: reader, plan: plan}, nil
}

// Decode decodes b, which must hold one record and no more, into dst, which must have
// a value for each field of the reader's schema; nil makes a new one. Values that are
// defaults are shared between records: they must not be changed. Nothing in the
// record points into b. An error names the field and never quotes a value.
func (r *Reader) Decode(dst Record, b []byte) (Record, error) {
	if dst == nil {
		dst = make(Record, r.reader.Len())
	}
	rest, err := r.plan.decode(dst, b, 0)
	if err == nil && len(rest) > 0 {
		err = errTrailing
	}
	if err != nil {
		return nil, fmt.Errorf("avro: decode %s: %w", r.reader.Name(), err)
	}
	return dst, nil
}

// recordPlan says, for each field of the writer in turn, where its value goes.
type recordPlan struct {
	fields   []fieldPlan
	defaults []field // of the reader, which the writer does not have
	slots    []int   // of these
	size     int
}

type fieldPlan struct {
	name string
	slot int // in the reader's record; -1 drops the value
	decode
}

func (p *recordPlan) decode(dst Record, b []byte, depth int) ([]byte, error) {
	if len(dst) != p.size {
		return nil, fmt.Errorf("%d values for %d fields", len(dst), p.size)
	}
	for i := range p.fields {
		f := &p.fields[i]
		v, rest, err := f.decode(b, depth)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", f.name, err)
		}
		if f.slot >= 0 {
			dst[f.slot] = v
		}
		b = rest
	}
	for i := range p.defaults {
		dst[p.slots[i]] = p.defaults[i].fallback
	}
	return b, nil
}

func (p *recordPlan) value(b []byte, depth int) (any, []byte, error) {
	if depth >= maxDepth {
		return nil, nil, errors.New("records are nested too deep")
	}
	r := make(Record, p.size)
	b, err := p.decode(r, b, depth+1)
	if err != nil {
		return nil, nil, err
	}
	return r, b, nil
}

// readLong reads a block count, a branch or a length. goavro would go on past the tenth byte.
func readLong(b []byte) (int64, []byte, error) {
	v, n := binary.Varint(b)
	if n == 0 {
		return 0, nil, errShort
	}
	if n < 0 {
		return 0, nil, errValue
	}
	return v, b[n:], nil
}

// read reads a value that holds no other. What nearly every field is, is read here: goavro
// does not check that a number is in range and not longer than its type allows, nor that
// a string is UTF-8, and what it reads after these checks it reads a second time.
func (n *node) read(b []byte, _ int) (any, []byte, error) {
	switch n.kind {
	case boolean:
		if len(b) == 0 {
			return nil, nil, errShort
		}
		if b[0] > 1 {
			return nil, nil, errValue
		}
		return b[0] == 1, b[1:], nil
	case integer, long:
		v, rest, err := readLong(b)
		if err != nil {
			return nil, nil, err
		}
		if n.kind == long {
			return v, rest, nil
		}
		if int64(int32(v)) != v {
			return nil, nil, errValue
		}
		return int32(v), rest, nil
	case enum:
		v, rest, err := readLong(b)
		if err != nil {
			return nil, nil, err
		}
		if v < 0 || v >= int64(len(n.symbols)) {
			return nil, nil, errValue
		}
		return n.symbols[v], rest, nil
	case bytesKind, stringKind:
		content, rest, err := readBytes(b)
		if err != nil {
			return nil, nil, err
		}
		if n.kind == bytesKind {
			return append(make([]byte, 0, len(content)), content...), rest, nil // nothing points into b
		}
		if !utf8.Valid(content) {
			return nil, nil, errNotUTF8
		}
		return sharedString(content), rest, nil
	default:
		return n.readByCodec(b)
	}
}

// readByCodec reads a value by its goavro codec.
func (n *node) readByCodec(b []byte) (any, []byte, error) {
	v, rest, err := n.codec.NativeFromBinary(b)
	if err != nil {
		return nil, nil, errValue // goavro's own text may quote the value (invariant 10)
	}
	if bytes, ok := v.([]byte); ok {
		v = append(make([]byte, 0, len(bytes)), bytes...) // goavro's points into b
	}
	return v, rest, nil
}

// readBytes reads a length and returns as many bytes after it, which are part of b.
func readBytes(b []byte) (content, rest []byte, err error) {
	size, rest, err := readLong(b)
	switch {
	case err != nil:
		return nil, nil, err
	case size < 0 || size > MaxLength:
		return nil, nil, errValue
	case size > int64(len(rest)):
		return nil, nil, errShort
	}
	return rest[:size], rest[size:], nil
}

// blocks reads the blocks of an array or a map, calling item for each item. A count is
// believed only as far as the bytes that are left can hold it.
func blocks(b []byte, item func(b []byte, left int64) ([]byte, error)) ([]byte, error) {
	for {
		count, rest, err := readLong(b)
		if err != nil {
			return nil, err
		}
		b = rest
		if count == 0 {
			return b, nil
		}
		if count < 0 { // the size of the block in bytes follows
			if count = -count; count < 0 {
				return nil, errValue
			}
			if _, b, err = readLong(b); err != nil {
				return nil, err
			}
		}
		if count > int64(len(b)) {
			return nil, errShort
		}
		for ; count > 0; count-- {
			if b, err = item(b, count); err != nil {
				return nil, err
			}
		}
	}
}

func arrayOf(item decode) decode {
	return func(b []byte, depth int) (any, []byte, error) {
		list := []any{}
		rest, err := blocks(b, func(b []byte, left int64) ([]byte, error) {
			if len(list) == cap(list) {
				list = append(make([]any, 0, len(list)+int(min(left, int64(len(list)+16)))), list...)
			}
			v, rest, err := item(b, depth)
			if err != nil {
				return nil, fmt.Errorf("item %d: %w", len(list), err)
			}
			list = append(list, v)
			return rest, nil
		})
		if err != nil {
			return nil, nil, err
		}
		return list, rest, nil
	}
}

func mapOf(value decode) decode {
	key := primitives["string"]
	return func(b []byte, depth int) (any, []byte, error) {
		m := map[string]any{}
		rest, err := blocks(b, func(b []byte, _ int64) ([]byte, error) {
			k, b, err := key.read(b, depth)
			if err != nil {
				return nil, fmt.Errorf("key: %w", err)
			}
			if _, twice := m[k.(string)]; twice {
				return nil, errors.New("a key of the map is there twice")
			}
			v, b, err := value(b, depth)
			if err != nil {
				return nil, fmt.Errorf("value: %w", err)
			}
			m[k.(string)] = v
			return b, nil
		})
		if err != nil {
			return nil, nil, err
		}
		return m, rest, nil
	}
}
