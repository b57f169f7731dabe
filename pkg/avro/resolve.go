package avro

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

type pair struct{ writer, reader *node }

// resolver matches a writer's schema with a reader's, as the Avro specification's
// section "Schema Resolution" says. A branch of a writer's union that no reader's type
// takes is refused here, not when a record holds it.
type resolver struct {
	records map[pair]*recordPlan // a record within itself is resolved once
}

func (r *resolver) resolve(w, rd *node) (decode, error) {
	if w.kind == union {
		return r.writerUnion(w, rd)
	}
	if rd.kind == union {
		branch := branchFor(w, rd)
		if branch == nil {
			return nil, fmt.Errorf("no branch of the reader's union takes %s", w.label())
		}
		return r.resolve(w, branch)
	}
	if w.kind != rd.kind {
		promote := promotion(w.kind, rd.kind)
		if promote == nil {
			return nil, fmt.Errorf("%s cannot be read as %s", w.label(), rd.label())
		}
		return func(b []byte, depth int) (any, []byte, error) {
			v, rest, err := w.read(b, depth)
			if err != nil {
				return nil, nil, err
			}
			if b, ok := v.([]byte); ok && !utf8.Valid(b) {
				return nil, nil, errNotUTF8
			}
			return promote(v), rest, nil
		}, nil
	}
	switch w.kind {
	case array, mapKind:
		item, err := r.resolve(w.items, rd.items)
		if err != nil {
			return nil, err
		}
		if w.kind == array {
			return arrayOf(item), nil
		}
		return mapOf(item), nil
	case record:
		if !sameName(w, rd) {
			return nil, fmt.Errorf("%s cannot be read as %s", w.label(), rd.label())
		}
		plan, err := r.record(w, rd)
		if err != nil {
			return nil, err
		}
		return plan.value, nil
	case enum:
		return enumOf(w, rd)
	case fixed:
		if !sameName(w, rd) || w.size != rd.size {
			return nil, fmt.Errorf("%s cannot be read as %s", w.label(), rd.label())
		}
		return w.read, nil
	default:
		return w.read, nil
	}
}

func (r *resolver) writerUnion(w, rd *node) (decode, error) {
	branches := make([]decode, len(w.branches))
	for i, b := range w.branches {
		var err error
		if branches[i], err = r.resolve(b, rd); err != nil {
			return nil, err
		}
	}
	return func(b []byte, depth int) (any, []byte, error) {
		i, rest, err := readLong(b)
		if err != nil {
			return nil, nil, err
		}
		if i < 0 || i >= int64(len(branches)) {
			return nil, nil, errValue
		}
		return branches[i](rest, depth)
	}, nil
}

func (r *resolver) record(w, rd *node) (*recordPlan, error) {
	if plan, ok := r.records[pair{w, rd}]; ok {
		return plan, nil
	}
	plan := &recordPlan{size: len(rd.fields)}
	r.records[pair{w, rd}] = plan
	filled := make([]bool, len(rd.fields))
	for i := range w.fields {
		f := &w.fields[i]
		slot := rd.slot(f.name)
		target := f.node // a value that is dropped is read as what it is
		if slot >= 0 {
			if filled[slot] {
				return nil, fmt.Errorf("two fields of the writer are read as field %s", rd.fields[slot].name)
			}
			filled[slot], target = true, rd.fields[slot].node
		}
		d, err := r.resolve(f.node, target)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", f.name, err)
		}
		plan.fields = append(plan.fields, fieldPlan{name: f.name, slot: slot, decode: d})
	}
	for i, f := range rd.fields {
		if filled[i] {
			continue
		}
		if !f.hasDefault {
			return nil, fmt.Errorf("field %s: the writer does not have it, and it has no default", f.name)
		}
		plan.defaults, plan.slots = append(plan.defaults, f), append(plan.slots, i)
	}
	return plan, nil
}

// slot is the index of the reader's field of that name or, without one, of that alias.
func (n *node) slot(name string) int {
	for i := range n.fields {
		if n.fields[i].name == name {
			return i
		}
	}
	for i := range n.fields {
		if contains(n.fields[i].aliases, name) {
			return i
		}
	}
	return -1
}

// branchFor is the reader's branch for a writer's type: the first of the same type,
// else the first that it can be promoted to.
func branchFor(w, rd *node) *node {
	for _, b := range rd.branches {
		if b.kind == w.kind && (b.name == "" || sameName(w, b)) {
			return b
		}
	}
	for _, b := range rd.branches {
		if promotion(w.kind, b.kind) != nil {
			return b
		}
	}
	return nil
}

// sameName compares the names of two named types as the specification does: the
// unqualified name, or an alias of the reader's.
func sameName(w, rd *node) bool {
	if unqualified(w.name) == unqualified(rd.name) {
		return true
	}
	return contains(rd.aliases, w.name)
}

func unqualified(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

func enumOf(w, rd *node) (decode, error) {
	if !sameName(w, rd) {
		return nil, fmt.Errorf("%s cannot be read as %s", w.label(), rd.label())
	}
	read := make(map[string]any, len(w.symbols)) // the writer's symbol to the reader's, boxed once
	for _, s := range w.symbols {
		switch {
		case contains(rd.symbols, s):
			read[s] = s
		case rd.defaultSymbol != "":
			read[s] = rd.defaultSymbol
		default:
			return nil, fmt.Errorf("%s: the reader has neither the symbol %s nor a default", rd.label(), s)
		}
	}
	return func(b []byte, depth int) (any, []byte, error) {
		v, rest, err := w.read(b, depth)
		if err != nil {
			return nil, nil, err
		}
		return read[v.(string)], rest, nil
	}, nil
}

// promotion is the conversion from one type to another that the specification allows, nil where it allows none.
func promotion(from, to kind) func(any) any {
	switch [2]kind{from, to} {
	case [2]kind{integer, long}:
		return func(v any) any { return int64(v.(int32)) }
	case [2]kind{integer, float}:
		return func(v any) any { return float32(v.(int32)) }
	case [2]kind{integer, double}:
		return func(v any) any { return float64(v.(int32)) }
	case [2]kind{long, float}:
		return func(v any) any { return float32(v.(int64)) }
	case [2]kind{long, double}:
		return func(v any) any { return float64(v.(int64)) }
	case [2]kind{float, double}:
		return func(v any) any { return float64(v.(float32)) }
	case [2]kind{stringKind, bytesKind}:
		return func(v any) any { return []byte(v.(string)) }
	case [2]kind{bytesKind, stringKind}:
		return func(v any) any { return string(v.([]byte)) }
	default:
		return nil
	}
}

func (n *node) label() string {
	if n.name != "" {
		return n.kind.String() + " " + n.name
	}
	return n.kind.String()
}
