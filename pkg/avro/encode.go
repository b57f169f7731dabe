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
		v = deref(v)
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
		v = deref(v)
		if !n.takes(v) {
			return nil, n.refuse(v)
		}
		if s, ok := v.(string); ok && !utf8.ValidString(s) {
			return nil, errNotUTF8
		}
		b, err := n.codec.BinaryFromNative(b, v)
		if err != nil {
			return nil, n.refuse(v) // goavro's own text would quote the value (invariant 10)
		}
		return b, nil
	}
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

// takes reports whether a value to be written is of the type, judged by its Go type.
func (n *node) takes(v any) bool {
	switch v := v.(type) {
	case nil:
		return n.kind == null
	case bool:
		return n.kind == boolean
	case int32:
		return n.kind == integer
	case int64:
		return n.kind == long
	case float32:
		return n.kind == float
	case float64:
		return n.kind == double
	case string:
		return n.kind == stringKind || n.kind == enum
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

func (n *node) refuse(v any) error {
	return fmt.Errorf("a %T is no %s of the schema", v, n.kind)
}

// deref gives the value that a pointer points to, nil for a nil pointer.
func deref(v any) any {
	switch p := v.(type) {
	case *string:
		if p == nil {
			return nil
		}
		return *p
	case *int64:
		if p == nil {
			return nil
		}
		return *p
	case *bool:
		if p == nil {
			return nil
		}
		return *p
	case *int32:
		if p == nil {
			return nil
		}
		return *p
	case *float64:
		if p == nil {
			return nil
		}
		return *p
	default:
		return v
	}
}
