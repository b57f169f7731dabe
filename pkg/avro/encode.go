package avro

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"
)

// AppendRecord appends the binary encoding of r to b. The same record gives the same
// bytes every time: a map is written in the order of its keys (invariant 3).
func (s *Schema) AppendRecord(b []byte, r Record) ([]byte, error) {
	out, err := appendRecord(b, s.root, r)
	if err != nil {
		return b, fmt.Errorf("avro: encode %s: %w", s.root.name, err)
	}
	return out, nil
}

func appendRecord(b []byte, n *node, r Record) ([]byte, error) {
	if len(r) != len(n.fields) {
		return nil, fmt.Errorf("%d values for %d fields", len(r), len(n.fields))
	}
	var err error
	for i := range n.fields {
		f := &n.fields[i]
		if b, err = appendValue(b, f.node, r[i]); err != nil {
			return nil, fmt.Errorf("field %s: %w", f.name, err)
		}
	}
	return b, nil
}

func appendValue(b []byte, n *node, v any) ([]byte, error) {
	switch n.kind {
	case union:
		for i, branch := range n.branches {
			if branch.takes(v) {
				return appendValue(binary.AppendVarint(b, int64(i)), branch, v)
			}
		}
		return nil, fmt.Errorf("no branch of the union takes a %T", v)
	case record:
		r, ok := v.(Record)
		if !ok {
			return nil, n.refuse(v)
		}
		return appendRecord(b, n, r)
	case array:
		return appendArray(b, n, v)
	case mapKind:
		return appendMap(b, n, v)
	default:
		return appendLeaf(b, n, v)
	}
}

// appendLeaf writes a value that holds no other. Floats and fixeds are left to goavro,
// which the tests hold the rest against.
func appendLeaf(b []byte, n *node, v any) ([]byte, error) {
	if !n.takes(v) {
		return nil, n.refuse(v)
	}
	if n.kind == null {
		return b, nil
	}
	switch v := v.(type) {
	case string:
		return appendText(b, n, v)
	case *string:
		return appendText(b, n, *v)
	case int64:
		return binary.AppendVarint(b, v), nil
	case *int64:
		return binary.AppendVarint(b, *v), nil
	case int32:
		return binary.AppendVarint(b, int64(v)), nil
	case *int32:
		return binary.AppendVarint(b, int64(*v)), nil
	case bool:
		return appendBool(b, v), nil
	case *bool:
		return appendBool(b, *v), nil
	case []byte:
		if n.kind == bytesKind {
			return append(binary.AppendVarint(b, int64(len(v))), v...), nil
		}
	case *float64:
		return appendByCodec(b, n, *v)
	}
	return appendByCodec(b, n, v)
}

func appendText(b []byte, n *node, s string) ([]byte, error) {
	if n.kind == enum {
		i := slices.Index(n.symbols, s)
		if i < 0 {
			return nil, n.refuse(s)
		}
		return binary.AppendVarint(b, int64(i)), nil
	}
	if !utf8.ValidString(s) {
		return nil, errNotUTF8
	}
	return append(binary.AppendVarint(b, int64(len(s))), s...), nil
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendByCodec(b []byte, n *node, v any) ([]byte, error) {
	b, err := n.codec.BinaryFromNative(b, v)
	if err != nil {
		return nil, n.refuse(v) // goavro's own text would quote the value (invariant 10)
	}
	return b, nil
}

func appendArray(b []byte, n *node, v any) ([]byte, error) {
	switch list := v.(type) {
	case []any:
		return appendBlock(b, n, list)
	case []Record:
		return appendBlock(b, n, list)
	case []string:
		return appendBlock(b, n, list)
	case []int64:
		return appendBlock(b, n, list)
	default:
		return nil, n.refuse(v)
	}
}

func appendBlock[T any](b []byte, n *node, list []T) ([]byte, error) {
	if len(list) > 0 {
		b = binary.AppendVarint(b, int64(len(list)))
		var err error
		for i := range list {
			if b, err = appendValue(b, n.items, list[i]); err != nil {
				return nil, fmt.Errorf("item %d: %w", i, err)
			}
		}
	}
	return append(b, 0), nil
}

func appendMap(b []byte, n *node, v any) ([]byte, error) {
	switch m := v.(type) {
	case map[string]any:
		return appendSorted(b, n, m)
	case map[string]string:
		return appendSorted(b, n, m)
	default:
		return nil, n.refuse(v)
	}
}

// appendSorted writes a map as one block in the order of its keys: Go's order, which
// goavro follows, would give other bytes each time (invariant 3).
func appendSorted[T any](b []byte, n *node, m map[string]T) ([]byte, error) {
	if len(m) > 0 {
		b = binary.AppendVarint(b, int64(len(m)))
		var err error
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if b, err = appendValue(b, primitives["string"], k); err != nil {
				return nil, fmt.Errorf("key: %w", err)
			}
			if b, err = appendValue(b, n.items, m[k]); err != nil {
				return nil, fmt.Errorf("value: %w", err)
			}
		}
	}
	return append(b, 0), nil
}

// takes reports whether a value to be written is of the type, judged by its Go type. A nil
// pointer is null.
func (n *node) takes(v any) bool {
	switch v := v.(type) {
	case nil:
		return n.kind == null
	case bool:
		return n.kind == boolean
	case *bool:
		return n.takesPointer(v == nil, boolean)
	case int32:
		return n.kind == integer
	case *int32:
		return n.takesPointer(v == nil, integer)
	case int64:
		return n.kind == long
	case *int64:
		return n.takesPointer(v == nil, long)
	case float32:
		return n.kind == float
	case float64:
		return n.kind == double
	case *float64:
		return n.takesPointer(v == nil, double)
	case string:
		return n.kind == stringKind || n.kind == enum
	case *string:
		return n.takesPointer(v == nil, stringKind) || n.takesPointer(v == nil, enum)
	case []byte:
		return n.kind == bytesKind || (n.kind == fixed && len(v) == n.size)
	case Record:
		return n.kind == record && len(v) == len(n.fields)
	case []any, []Record, []string, []int64:
		return n.kind == array
	case map[string]any, map[string]string:
		return n.kind == mapKind
	default:
		return false
	}
}

func (n *node) takesPointer(isNil bool, to kind) bool {
	if isNil {
		return n.kind == null
	}
	return n.kind == to
}

func (n *node) refuse(v any) error {
	return fmt.Errorf("a %T is no %s of the schema", v, n.kind)
}
