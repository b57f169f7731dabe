package callback_test

import (
	"encoding/hex"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ringback/ringback/pkg/callback"
)

func TestDigestIsOfContentAlone(t *testing.T) {
	t.Parallel()
	e := valid(callback.Requested)
	e.Extensions = map[string]string{"b": "2", "a": "1"}
	e.Data.Parameters = map[string]string{"_cb_b": "2", "_cb_a": "1"}
	digest := e.Digest()

	same := *e
	same.ID, same.Source = "other", "/other"
	require.Equal(t, digest, same.Digest(), "id and source are what duplicates have in common anyway")
	same.Extensions = map[string]string{"a": "1", "b": "2", "traceparent": "00-1", "tracestate": "x"}
	require.Equal(t, digest, same.Digest(), "tracing is no content")

	same.Extensions = nil
	require.NotEqual(t, digest, same.Digest())
	none := *valid(callback.Requested)
	none.Data.Parameters = map[string]string{}
	require.Equal(t, valid(callback.Requested).Digest(), none.Digest(), "an empty map is none")
}

// Every field counts: a field that the digest forgot would let a conflict pass as a duplicate.
func TestDigestSeesEveryField(t *testing.T) {
	t.Parallel()
	seen := map[[16]byte]string{}
	see := func(name string, e *callback.Event) {
		d := e.Digest()
		require.NotContains(t, seen, d, "%s reads as %s", name, seen[d])
		seen[d] = name
	}
	see("nothing", valid(callback.Offered))
	for name, change := range map[string]func(*callback.Event){
		"Type":       func(e *callback.Event) { e.Type = callback.Queued },
		"Subject":    func(e *callback.Event) { e.Subject = "S-2" },
		"Time":       func(e *callback.Event) { e.Time++ },
		"TenantDBID": func(e *callback.Event) { e.TenantDBID = ptr(int64(0)) },
		"ORSSession": func(e *callback.Event) { e.ORSSessionID = ptr("") },
		"Extensions": func(e *callback.Event) { e.Extensions = map[string]string{"a": ""} },
	} {
		e := valid(callback.Offered)
		change(e)
		see(name, e)
	}
	data := reflect.TypeFor[callback.Data]()
	for i := range data.NumField() {
		for _, v := range samples(data.Field(i).Type) {
			e := valid(callback.Offered)
			reflect.ValueOf(&e.Data).Elem().Field(i).Set(v)
			see(data.Field(i).Name, e)
		}
	}
	queue := reflect.TypeFor[callback.VirtualQueue]()
	for i := range queue.NumField() {
		for _, v := range samples(queue.Field(i).Type) {
			e := valid(callback.Offered)
			e.Data.VirtualQueue = &callback.VirtualQueue{Name: "q"}
			reflect.ValueOf(e.Data.VirtualQueue).Elem().Field(i).Set(v)
			see("VirtualQueue."+queue.Field(i).Name, e)
		}
	}
}

// samples are values of a type, the one that is easily taken for none first.
func samples(t reflect.Type) []reflect.Value {
	switch t {
	case reflect.TypeFor[string]():
		return []reflect.Value{reflect.ValueOf("v")}
	case reflect.TypeFor[map[string]string]():
		return []reflect.Value{reflect.ValueOf(map[string]string{"a": ""}), reflect.ValueOf(map[string]string{"": "a"})}
	}
	zero := reflect.New(t.Elem())
	other := reflect.New(t.Elem())
	switch e := other.Elem(); e.Kind() {
	case reflect.String:
		e.SetString("v")
	case reflect.Int64:
		e.SetInt(7)
	case reflect.Bool:
		e.SetBool(true)
	case reflect.Struct:
		e.Field(0).SetString("VQ")
	}
	return []reflect.Value{zero, other}
}

func TestDigestFramesItsParts(t *testing.T) {
	t.Parallel()
	a, b := valid(callback.Requested), valid(callback.Requested)
	a.Data.ServiceName, a.Data.CustomerNumber = ptr("ab"), ptr("c")
	b.Data.ServiceName, b.Data.CustomerNumber = ptr("a"), ptr("bc")
	require.NotEqual(t, a.Digest(), b.Digest())
}

// The digest is kept in the enricher's state: another one after an upgrade would
// make a conflict of every redelivery.
func TestDigestStaysTheSame(t *testing.T) {
	t.Parallel()
	e := valid(callback.Requested)
	e.TenantDBID, e.ORSSessionID = ptr(int64(101)), ptr("ORS-1")
	e.Extensions = map[string]string{"partner": "x"}
	for _, set := range values {
		set(&e.Data)
	}
	d := e.Digest()
	require.Equal(t, "d330a7a77c901dfaba393d9c0fb648f3", hex.EncodeToString(d[:]))
}

// Two events have the same digest where, and only where, their contents are the same.
func TestDigestTellsContentsApart(t *testing.T) {
	t.Parallel()
	text := rapid.SampledFrom([]string{"", "a", "b", "ab"})
	draw := rapid.Custom(func(t *rapid.T) callback.Event {
		e := callback.Event{
			ID: text.Draw(t, "id"), Source: text.Draw(t, "source"), Type: callback.Type(text.Draw(t, "type")), Subject: text.Draw(t, "subject"),
			Time: callback.Micros(rapid.IntRange(0, 1).Draw(t, "time")),
			Data: callback.Data{
				Channel: rapid.Ptr(text, true).Draw(t, "channel"), OfferType: rapid.Ptr(text, true).Draw(t, "offer_type"),
				EWT: rapid.Ptr(rapid.Int64Range(-1, 1), true).Draw(t, "ewt"), Position: rapid.Ptr(rapid.Int64Range(-1, 1), true).Draw(t, "position"),
			},
		}
		if m := rapid.MapOfN(text, text, 0, 2).Draw(t, "extensions"); len(m) > 0 {
			e.Extensions = m
		}
		if m := rapid.MapOfN(text, text, 0, 2).Draw(t, "parameters"); len(m) > 0 {
			e.Data.Parameters = m
		}
		return e
	})
	rapid.Check(t, func(t *rapid.T) {
		a := draw.Draw(t, "a")
		b := a
		if rapid.Bool().Draw(t, "other") {
			b = draw.Draw(t, "b")
		}
		content := func(e callback.Event) callback.Event { e.ID, e.Source = "", ""; return e }
		require.Equal(t, reflect.DeepEqual(content(a), content(b)), a.Digest() == b.Digest())
	})
}
