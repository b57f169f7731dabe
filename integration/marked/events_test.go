//go:build realkafka && realpostgres && realregistry

package marked

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/services/ringback/scenario"
)

// object is a JSON object.
type object = map[string]any

// Fields whose text can be a person's, and those that hold a term of an open list, which a sender may get wrong.
var (
	personal = []string{"customer_ani", "customer_number", "target", "ixn_id", "origination_ixn_id", "disposition"}
	terms    = []string{"channel", "offer_type", "offer_timing", "connect_order", "call_direction", "callback_type", "service_name", "result"}
	numbers  = []string{"ewt", "position", "ewt_threshold", "inbound_vq_ewt", "waited_before_offer", "priority", "max_attempts", "attempt"}
	times    = []string{"desired_time", "next_attempt_at"}
	closed   = []string{"kind", "media_type"}
)

func parse(t *testing.T, line []byte) object {
	t.Helper()
	var e object
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	require.NoError(t, d.Decode(&e))
	return e
}

// stories are the events of all scenarios.
func stories(t *testing.T) (all []object) {
	t.Helper()
	for _, name := range scenario.Names() {
		lines, err := scenario.Lines(name)
		require.NoError(t, err)
		for _, line := range lines {
			all = append(all, parse(t, line))
		}
	}
	return all
}

// good marks every field of every scenario that can hold a person's data, and with terms every open list too. The
// sessions are others than the scenarios'.
func good(t *testing.T, m *Marks, session string, withTerms bool) (all []object) {
	t.Helper()
	fields := personal
	if withTerms {
		fields = slices.Concat(personal, terms)
	}
	for i, e := range stories(t) {
		e["id"], e["subject"] = fmt.Sprintf("%s-%d", session, i), session+"-"+e["subject"].(string)
		place := func(field string) string { return fmt.Sprintf("%s of %s (%s)", field, e["type"], session) }
		e["partner"], e["tracestate"] = m.New(place("an extension")), "p="+m.New(place("tracestate"))
		e["orssessionid"] = m.New(place("orssessionid"))
		data, _ := e["data"].(object)
		for _, field := range fields {
			if _, ok := data[field]; ok {
				data[field] = m.New(place(field))
			}
		}
		if queue, ok := data["virtual_queue"].(object); ok {
			data["virtual_queue"] = object{"name": m.New(place("virtual_queue.name")), "dbid": queue["dbid"]}
		}
		if callback.Type(e["type"].(string)) == callback.Requested {
			data["customer_number"] = m.New(place("customer_number"))
			parameters, ok := data["parameters"].(object)
			if !ok {
				parameters = object{}
			}
			parameters["_cb_customer_ani"] = m.New(place("parameters._cb_customer_ani"))
			parameters["_cb_note_of_the_customer"] = m.New(place("parameters._cb_note_of_the_customer"))
			data["parameters"] = parameters
		}
		if callback.Type(e["type"].(string)) == callback.Offered {
			data["customer_ani"] = m.New(place("customer_ani"))
		}
		all = append(all, e)
	}
	return all
}

// conflicts are events whose ids came before, with another content.
func conflicts(m *Marks, of []object) (all []object) {
	for _, e := range of {
		data, ok := e["data"].(object)
		if !ok || len(data) == 0 {
			continue
		}
		changed, other := maps.Clone(data), maps.Clone(e)
		for _, field := range personal {
			if _, ok := changed[field]; ok {
				changed[field] = m.New(field + " of a conflict")
			}
		}
		other["data"], other["partner"] = changed, m.New("an extension of a conflict")
		all = append(all, other)
	}
	return all
}

// bad are events that intake refuses, each with a mark where it is wrong.
func bad(t *testing.T, m *Marks) (all []object) {
	t.Helper()
	seen := map[string]bool{}
	n := 0
	for _, e := range stories(t) {
		typ := e["type"].(string)
		if seen[typ] {
			continue
		}
		seen[typ] = true
		with := func(place string, change func(e, data object, mark string)) {
			n++
			other, data := maps.Clone(e), object{}
			maps.Copy(data, e["data"].(object))
			other["id"], other["subject"], other["data"] = fmt.Sprintf("bad-%d", n), "bad-session", data
			change(other, data, m.New(fmt.Sprintf("%s of %s (bad)", place, typ)))
			all = append(all, other)
		}
		field := func(name, how string, value func(mark string) any) {
			with(name+", "+how, func(_, data object, mark string) { data[name] = value(mark) })
		}
		number := func(mark string) any { return json.Number(mark) }
		text := func(mark string) any { return mark }
		for _, name := range slices.Concat(personal, terms) {
			field(name, "a number", number)
			field(name, "a list", func(mark string) any { return []any{mark} })
			field(name, "too long", func(mark string) any { return mark + strings.Repeat("x", 300) })
			field(name, "with a NUL", func(mark string) any { return mark + "\x00" })
		}
		for _, name := range slices.Concat(numbers, []string{"ignoring_availability"}) {
			field(name, "a text", text)
			field(name, "a large number", number)
			field(name, "a fraction", func(mark string) any { return json.Number("0." + mark) })
		}
		for _, name := range times {
			field(name, "a text", text)
			field(name, "a number", number)
			field(name, "half a time", func(mark string) any { return "2026-03-01T" + mark })
		}
		for _, name := range closed {
			field(name, "of no list", text)
			field(name, "a number", number)
		}
		field("virtual_queue", "a text", text)
		field("virtual_queue", "with a wrong dbid", func(mark string) any { return object{"name": mark, "dbid": mark} })
		field("parameters", "a text", text)
		field("parameters", "of a wrong type", func(mark string) any {
			return object{"_cb_ewt_when_callback_was_offered": mark, "_cb_customer_ani": []any{mark}}
		})
		field("parameters", "too long", func(mark string) any { return object{"_cb_customer_ani": mark + strings.Repeat("9", 300)} })
		field("customer_name", "a field that there is not", text)
		for _, name := range []string{"specversion", "time", "tenantdbid", "datacontenttype", "dataschema", "data_base64", "data", "orssessionid"} {
			with(name, func(e, _ object, mark string) { e[name] = mark })
			with(name+", a list", func(e, _ object, mark string) { e[name] = []any{mark} })
		}
		with("an extension, too long", func(e, _ object, mark string) { e["partner"] = mark + strings.Repeat("x", 5000) })
		with("an extension, an object", func(e, _ object, mark string) { e["partner"] = object{"name": mark} })
		with("a time in the future", func(e, data object, mark string) { e["time"], e["partner"] = "2037-01-01T00:00:00Z", mark })
		with("the whole data", func(e, _ object, mark string) { e["data"] = []any{mark} })
	}
	return all
}

// texts are bodies that are no event at all.
func texts(m *Marks) (all [][]byte) {
	for _, format := range []string{
		"%s", `"%s"`, `{"specversion":"1.0","data":{"customer_number":"%s"`, `{"customer_number":"%s"}`, `[%s`, `{"specversion":"1.0","specversion":"%s"}`,
		"\xff\xfe%s", `{"id":"x"} {"customer_number":"%s"}`, `customer_number=%s`, `<number>%s</number>`, `{"data":{"a":{"b":{"c":["%s"]}}}}`,
	} {
		all = append(all, fmt.Appendf(nil, format, m.New("a body "+format)))
	}
	return append(all, append([]byte(m.New("an oversized body")), bytes.Repeat([]byte("x"), 1<<20)...))
}
