package avro

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/linkedin/goavro/v2"
)

// maxNesting bounds how deep the types of a schema may be nested in its text.
const maxNesting = 100

// parser builds the tree of a schema that goavro has accepted.
type parser struct {
	names      map[string]*node
	defaults   []*field
	containers []*node // arrays
	records    []*node
	depth      int
}

func (p *parser) parse(v any, namespace string) (*node, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, errors.New("types are nested too deep")
	}
	defer func() { p.depth-- }()
	switch v := v.(type) {
	case string:
		if n, ok := primitives[v]; ok {
			return n, nil
		}
		if n, ok := p.names[fullName(v, namespace)]; ok {
			return n, nil
		}
		if n, ok := p.names[v]; ok {
			return n, nil
		}
		return nil, fmt.Errorf("unknown type %q", v)
	case []any:
		n := &node{kind: union}
		for _, b := range v {
			branch, err := p.parse(b, namespace)
			if err != nil {
				return nil, err
			}
			if branch.kind == union {
				return nil, errors.New("a union directly within a union")
			}
			n.branches = append(n.branches, branch)
		}
		if len(n.branches) == 0 {
			return nil, errors.New("a union without branches")
		}
		return n, nil
	case map[string]any:
		return p.parseMap(v, namespace)
	default:
		return nil, fmt.Errorf("a type is a string, an object or an array, not %T", v)
	}
}

func (p *parser) parseMap(m map[string]any, namespace string) (*node, error) {
	name, ok := m["type"].(string)
	if !ok {
		return p.parse(m["type"], namespace)
	}
	switch name {
	case "array", "map":
		n, of := &node{kind: array}, "items"
		if name == "map" {
			n.kind, of = mapKind, "values"
		}
		var err error
		if n.items, err = p.parse(m[of], namespace); err != nil {
			return nil, err
		}
		if n.kind == array {
			p.containers = append(p.containers, n)
		}
		return n, nil
	case "record", "error":
		return p.parseRecord(m, namespace)
	case "enum":
		n, _, err := p.named(m, enum, namespace)
		if err != nil {
			return nil, err
		}
		symbols, _ := m["symbols"].([]any)
		for _, s := range symbols {
			symbol, ok := s.(string)
			if !ok {
				return nil, fmt.Errorf("enum %s: a symbol is not a string", n.name)
			}
			n.symbols = append(n.symbols, symbol)
		}
		n.defaultSymbol, _ = m["default"].(string)
		return n, n.leaf(map[string]any{"type": "enum", "name": "Leaf", "symbols": symbols})
	case "fixed":
		n, _, err := p.named(m, fixed, namespace)
		if err != nil {
			return nil, err
		}
		size, ok := m["size"].(json.Number)
		if !ok {
			return nil, fmt.Errorf("fixed %s: no size", n.name)
		}
		wide, err := size.Int64()
		if err != nil || wide < 0 || wide > MaxLength {
			return nil, fmt.Errorf("fixed %s: size out of range", n.name)
		}
		n.size = int(wide)
		return n, n.leaf(map[string]any{"type": "fixed", "name": "Leaf", "size": wide})
	default:
		return p.parse(name, namespace)
	}
}

func (p *parser) parseRecord(m map[string]any, namespace string) (*node, error) {
	n, inner, err := p.named(m, record, namespace)
	if err != nil {
		return nil, err
	}
	fields, ok := m["fields"].([]any)
	if !ok {
		return nil, fmt.Errorf("record %s: no fields", n.name)
	}
	p.records = append(p.records, n)
	n.fields = make([]field, len(fields))
	for i, v := range fields {
		fm, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("record %s: field %d is not an object", n.name, i)
		}
		f := &n.fields[i]
		if f.name, ok = fm["name"].(string); !ok {
			return nil, fmt.Errorf("record %s: field %d has no name", n.name, i)
		}
		f.aliases = texts(fm["aliases"])
		if f.node, err = p.parse(fm["type"], inner); err != nil {
			return nil, fmt.Errorf("field %s: %w", f.name, err)
		}
		if f.fallback, f.hasDefault = fm["default"]; f.hasDefault {
			p.defaults = append(p.defaults, f)
		}
	}
	return n, nil
}

// named makes the node of a named type, known from here on, and returns the namespace within it.
func (p *parser) named(m map[string]any, k kind, namespace string) (*node, string, error) {
	name, _ := m["name"].(string)
	if name == "" {
		return nil, "", fmt.Errorf("a %s without a name", k)
	}
	if own, ok := m["namespace"].(string); ok {
		namespace = own
	}
	full := fullName(name, namespace)
	namespace = ""
	if i := strings.LastIndexByte(full, '.'); i >= 0 {
		namespace = full[:i]
	}
	n := &node{kind: k, name: full}
	for _, a := range texts(m["aliases"]) {
		n.aliases = append(n.aliases, fullName(a, namespace))
	}
	if _, ok := p.names[full]; ok {
		return nil, "", fmt.Errorf("type %s is defined twice", full)
	}
	p.names[full] = n
	return n, namespace, nil
}

func (n *node) leaf(schema map[string]any) error {
	text, err := json.Marshal(schema)
	if err != nil {
		return fmt.Errorf("%s %s: %w", n.kind, n.name, err)
	}
	if n.codec, err = goavro.NewCodec(string(text)); err != nil {
		return fmt.Errorf("%s %s: %w", n.kind, n.name, err)
	}
	return nil
}

func fullName(name, namespace string) string {
	if namespace == "" || strings.ContainsRune(name, '.') {
		return name
	}
	return namespace + "." + name
}

func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// defaultValue converts the JSON of a default to a decoded value.
func defaultValue(n *node, v any) (any, error) {
	wrong := func() error { return fmt.Errorf("not a value of type %s", n.kind) }
	switch n.kind {
	case null:
		if v != nil {
			return nil, wrong()
		}
		return nil, nil
	case boolean:
		b, ok := v.(bool)
		if !ok {
			return nil, wrong()
		}
		return b, nil
	case integer, long, float, double:
		number, ok := v.(json.Number)
		if !ok {
			return nil, wrong()
		}
		return defaultNumber(n.kind, number)
	case stringKind:
		s, ok := v.(string)
		if !ok {
			return nil, wrong()
		}
		return s, nil
	case bytesKind, fixed:
		s, ok := v.(string)
		if !ok {
			return nil, wrong()
		}
		// The specification: code points 0 to 255 stand for the bytes.
		b := make([]byte, 0, len(s))
		for _, r := range s {
			if r > 255 {
				return nil, wrong()
			}
			b = append(b, byte(r))
		}
		if n.kind == fixed && len(b) != n.size {
			return nil, wrong()
		}
		return b, nil
	case enum:
		s, ok := v.(string)
		if !ok || !contains(n.symbols, s) {
			return nil, wrong()
		}
		return s, nil
	case union:
		for _, b := range n.branches {
			if d, err := defaultValue(b, v); err == nil {
				return d, nil
			}
		}
		return nil, wrong()
	default:
		return defaultContainer(n, v, wrong)
	}
}

func defaultNumber(k kind, number json.Number) (any, error) {
	switch k {
	case integer, long:
		wide, err := number.Int64()
		if err != nil || (k == integer && int64(int32(wide)) != wide) {
			return nil, fmt.Errorf("not a value of type %s", k)
		}
		if k == integer {
			return int32(wide), nil
		}
		return wide, nil
	default:
		wide, err := number.Float64()
		if err != nil {
			return nil, fmt.Errorf("not a value of type %s", k)
		}
		if k == float {
			return float32(wide), nil
		}
		return wide, nil
	}
}

func defaultContainer(n *node, v any, wrong func() error) (any, error) {
	switch n.kind {
	case array:
		list, ok := v.([]any)
		if !ok {
			return nil, wrong()
		}
		out := make([]any, len(list))
		for i, e := range list {
			d, err := defaultValue(n.items, e)
			if err != nil {
				return nil, err
			}
			out[i] = d
		}
		return out, nil
	case mapKind:
		m, ok := v.(map[string]any)
		if !ok {
			return nil, wrong()
		}
		out := make(map[string]any, len(m))
		for k, e := range m {
			d, err := defaultValue(n.items, e)
			if err != nil {
				return nil, err
			}
			out[k] = d
		}
		return out, nil
	default: // record
		m, ok := v.(map[string]any)
		if !ok {
			return nil, wrong()
		}
		out := make(Record, len(n.fields))
		for i := range n.fields {
			f := &n.fields[i]
			e, given := m[f.name]
			if !given {
				// A field of the default may be left to its own default; that one is not converted yet.
				return nil, fmt.Errorf("field %s of the default is missing", f.name)
			}
			d, err := defaultValue(f.node, e)
			if err != nil {
				return nil, err
			}
			out[i] = d
		}
		return out, nil
	}
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}
