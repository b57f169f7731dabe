package intake_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/intake"
)

// drawEvent makes a valid event by the SDK, with the data that it carries.
func drawEvent(t *rapid.T) (cloudevents.Event, map[string]any) {
	// The SDK trims the blanks around an attribute; the middle alone is any.
	text := rapid.Map(rapid.StringOfN(rapid.RuneFrom([]rune(`abz09 -_./"\é😀%`)), 0, 20, -1), func(s string) string { return "<" + s + ">" })
	e := cloudevents.New()
	e.SetID(text.Draw(t, "id"))
	e.SetSource("/" + rapid.StringMatching(`([a-z0-9][a-z0-9/._~-]{0,20})?`).Draw(t, "source"))
	e.SetSubject(text.Draw(t, "subject"))
	e.SetTime(time.UnixMicro(rapid.Int64Range(0, now.UnixMicro()).Draw(t, "time")).In(time.FixedZone("", rapid.IntRange(-12, 12).Draw(t, "zone")*3600)))
	if rapid.Bool().Draw(t, "tenant") {
		e.SetExtension("tenantdbid", rapid.IntRange(1, 1<<31-1).Draw(t, "tenantdbid"))
	}
	if rapid.Bool().Draw(t, "ors") {
		e.SetExtension("orssessionid", text.Draw(t, "orssessionid"))
	}
	for _, name := range rapid.SliceOfNDistinct(rapid.StringMatching(`x[a-z0-9]{0,8}`), 0, 3, rapid.ID).Draw(t, "extensions") {
		e.SetExtension(name, rapid.OneOf(rapid.Just[any](true), rapid.Just[any](int32(7)), rapid.Map(text, func(s string) any { return s })).Draw(t, name))
	}
	data := map[string]any{}
	switch e.SetType(string(rapid.SampledFrom([]callback.Type{callback.Offered, callback.Requested, callback.Completed, callback.Cancelled}).Draw(t, "type"))); callback.Type(e.Type()) {
	case callback.Offered:
		data["ewt"] = rapid.IntRange(0, 1<<31-1).Draw(t, "ewt")
		data["channel"] = text.Draw(t, "channel")
		data["virtual_queue"] = map[string]any{"name": text.Draw(t, "name"), "dbid": rapid.IntRange(1, 9).Draw(t, "dbid")}
	case callback.Requested:
		data["callback_type"] = text.Draw(t, "callback_type")
		data["parameters"] = map[string]string{"_cb_dim_channel": text.Draw(t, "parameter"), "_cb_d_callback_offer": strconv.Itoa(rapid.IntRange(0, 99).Draw(t, "offer"))}
	case callback.Completed:
		data["disposition"] = text.Draw(t, "disposition")
	}
	if len(data) > 0 || rapid.Bool().Draw(t, "data") {
		require.NoError(t, e.SetData("application/json", data))
	}
	return e, data
}

// same holds an event against what the SDK and encoding/json make of it.
func same(t *rapid.T, want *cloudevents.Event, got *callback.Event) {
	require.Equal(t, want.ID(), got.ID)
	require.Equal(t, want.Source(), got.Source)
	require.Equal(t, want.Subject(), got.Subject)
	require.Equal(t, want.Type(), string(got.Type))
	require.Equal(t, want.Time().UnixMicro(), int64(got.Time))
	extensions := map[string]string{}
	for name, value := range want.Extensions() {
		s, err := types.Format(value)
		require.NoError(t, err)
		extensions[name] = s
	}
	if id, ok := extensions["tenantdbid"]; ok {
		require.Equal(t, id, strconv.FormatInt(*got.TenantDBID, 10))
	} else {
		require.Nil(t, got.TenantDBID)
	}
	if id, ok := extensions["orssessionid"]; ok {
		require.Equal(t, id, *got.ORSSessionID)
	} else {
		require.Nil(t, got.ORSSessionID)
	}
	delete(extensions, "tenantdbid")
	delete(extensions, "orssessionid")
	require.True(t, maps.Equal(extensions, got.Extensions), "%v %v", extensions, got.Extensions)

	var data struct {
		Channel      *string `json:"channel"`
		EWT          *int64  `json:"ewt"`
		CallbackType *string `json:"callback_type"`
		Disposition  *string `json:"disposition"`
		VirtualQueue *struct {
			Name string
			DBID *int64
		} `json:"virtual_queue"`
		Parameters map[string]string `json:"parameters"`
	}
	if len(want.Data()) > 0 {
		require.NoError(t, json.Unmarshal(want.Data(), &data))
	}
	expected := callback.Data{Channel: data.Channel, EWT: data.EWT, CallbackType: data.CallbackType, Disposition: data.Disposition, Parameters: data.Parameters}
	if q := data.VirtualQueue; q != nil {
		expected.VirtualQueue = &callback.VirtualQueue{Name: q.Name, DBID: q.DBID}
	}
	require.Equal(t, expected, got.Data)
}

// What the CloudEvents SDK writes, in its JSON format and in binary mode, is read as what it meant.
func TestReadsWhatTheSDKWrites(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e, _ := drawEvent(t)
		raw, err := json.Marshal(e)
		require.NoError(t, err)
		got, refusal := intake.Parse(raw, now)
		require.Nil(t, refusal, "%s", raw)
		same(t, &e, got)

		r, err := http.NewRequest(http.MethodPost, "http://localhost", http.NoBody)
		require.NoError(t, err)
		require.NoError(t, cehttp.WriteRequest(binding.WithForceBinary(context.Background()), binding.ToMessage(&e), r))
		got, _, refusal, err = intake.ParseBinary(context.Background(), cehttp.NewMessageFromHttpRequest(r), now)
		require.NoError(t, err)
		require.Nil(t, refusal)
		same(t, &e, got)
	})
}

// What is accepted, the SDK reads too, and as the same event: Parse is stricter, never other.
func TestReadsAsTheSDKDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e, _ := drawEvent(t)
		members := map[string]json.RawMessage{}
		raw, err := json.Marshal(e)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(raw, &members))
		// The same members in any order, with white space between.
		var b bytes.Buffer
		for i, name := range rapid.Permutation(slices.Sorted(maps.Keys(members))).Draw(t, "order") {
			b.WriteString(map[bool]string{true: "{", false: " ,\n"}[i == 0])
			b.WriteString(strconv.Quote(name) + " : " + string(members[name]))
		}
		b.WriteString("}\n")
		var want cloudevents.Event
		require.NoError(t, json.Unmarshal(b.Bytes(), &want))
		got, refusal := intake.Parse(b.Bytes(), now)
		require.Nil(t, refusal, "%s", b.Bytes())
		same(t, &want, got)
	})
}

func TestParseBinary(t *testing.T) {
	t.Parallel()
	header := func(change map[string]string) http.Header {
		h := http.Header{
			"Ce-Specversion": {"1.0"}, "Ce-Id": {"e1"}, "Ce-Source": {"/ivr"}, "Ce-Type": {"callback.offered"}, "Ce-Subject": {"S-1"},
			"Ce-Time": {"2026-03-01T09:30:00Z"}, "Content-Type": {"application/json"},
		}
		for name, value := range change {
			if h.Del(name); value != "" {
				h.Set(name, value)
			}
		}
		return h
	}
	for _, c := range []struct {
		name   string
		change map[string]string
		body   string
		faults []string
	}{
		{"plain", nil, `{"ewt":1}`, nil},
		{"no body", nil, "", nil},
		{"white body", nil, " \n", nil},
		{"no content type", map[string]string{"Content-Type": ""}, `{"ewt":1}`, nil},
		{"tenant", map[string]string{"Ce-Tenantdbid": "101", "Ce-Orssessionid": "o", "Ce-Partner": "p"}, "", nil},
		{"tracing", map[string]string{"Ce-Traceparent": "00-1", "Ce-Tracestate": "x"}, "", nil},
		{"tenant in words", map[string]string{"Ce-Tenantdbid": "one"}, "", []string{"tenantdbid: must be an integer"}},
		{"tenant by exponent", map[string]string{"Ce-Tenantdbid": "1e2"}, "", []string{"tenantdbid: must be an integer"}},
		{"no subject, bad time", map[string]string{"Ce-Subject": "", "Ce-Time": "1772357400123"}, "", []string{"time: must be a time", "subject: is missing"}},
		{"content type", map[string]string{"Content-Type": "text/plain"}, "", []string{"datacontenttype: must be application/json"}},
		{"data in the header", map[string]string{"Ce-Data": "{}"}, "", []string{"data: is no attribute"}},
		{"extension name", map[string]string{"Ce-Tenant-Dbid": "1"}, "", []string{"tenant-Dbid: is no attribute of a CloudEvent"}},
		{"broken body", nil, `{"ewt":`, []string{"data: is not valid JSON"}},
		{"body and more", nil, `{}{}`, []string{"data: is not valid JSON: more follows"}},
		{"array", nil, `[]`, []string{"data: must be an object"}},
		{"bad field", nil, `{"ewt":-1,"x":1}`, []string{"x: is no field", "ewt: must not be negative"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := cehttp.NewMessage(header(c.change), http.NoBody)
			m.BodyReader = readCloser{strings.NewReader(c.body)}
			e, tracing, refusal, err := intake.ParseBinary(context.Background(), m, now)
			require.NoError(t, err)
			if c.faults == nil {
				require.Nil(t, refusal)
				require.Equal(t, "S-1", e.Subject)
				if c.name == "tenant" {
					require.Equal(t, int64(101), *e.TenantDBID)
					require.Equal(t, map[string]string{"partner": "p"}, e.Extensions)
				}
				if c.name == "tracing" {
					require.Equal(t, intake.Tracing{Parent: "00-1", State: "x"}, tracing)
					require.Empty(t, e.Extensions)
				}
				return
			}
			require.NotNil(t, refusal)
			require.Len(t, refusal.Faults, len(c.faults), refusal.Detail())
			for i, f := range refusal.Faults {
				require.True(t, strings.HasPrefix(f.String(), c.faults[i]), "%s\nwant %s", f, c.faults[i])
			}
		})
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }
