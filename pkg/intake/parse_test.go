package intake_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/intake"
)

var now = time.Date(2026, 3, 1, 9, 31, 0, 0, time.UTC)

func ptr[T any](v T) *T { return &v }

func TestParse(t *testing.T) {
	t.Parallel()
	e, tracing, refusal := intake.ParseTraced([]byte(strings.Replace(requestedJSON, `"data":`,
		`"partner":"p","attemptno":3.0,"fast":true,"nothing":null,"traceparent":"00-ab-cd-01","tracestate":"a=b","dataschema":"urn:x","data":`, 1)), now)
	require.Nil(t, refusal)
	require.Equal(t, intake.Tracing{Parent: "00-ab-cd-01", State: "a=b"}, tracing)
	micros := func(s string) callback.Micros {
		at, err := time.Parse(time.RFC3339, s)
		require.NoError(t, err)
		return callback.Micros(at.UnixMicro())
	}
	require.Equal(t, &callback.Event{
		Source: "/gms/node-1", ID: "8e5f3f0a-5f1e-4c36-9d53-0f1d5f6a0d77", Type: callback.Requested,
		Subject: "gms-0001-0a1b2c3d", Time: micros("2026-03-01T09:30:00.123456Z"),
		TenantDBID: ptr(int64(101)), ORSSessionID: ptr("ORS-77A1"),
		Extensions: map[string]string{"partner": "p", "attemptno": "3", "fast": "true"},
		Data: callback.Data{
			CallbackType: ptr("IMMEDIATE"), ServiceName: ptr("sales"), CustomerNumber: ptr("5551234"),
			DesiredTime:  ptr(micros("2026-03-01T10:00:00Z")),
			VirtualQueue: &callback.VirtualQueue{Name: "VQ_Sales", DBID: ptr(int64(1042)), CfgTypeID: ptr(int64(2)), CfgType: ptr("CFGVirtualQueue")},
			MediaType:    ptr("voice"), MaxAttempts: ptr(int64(3)),
			Parameters: map[string]string{"_cb_dim_channel": "IVR", "_cb_ewt_when_callback_was_offered": "120", "_cb_t_callback_offered": "1772357400"},
		},
	}, e)
}

// event builds the JSON of an event: attributes and data by name, replacing the
// defaults or, where the value is empty, leaving them out.
func event(change map[string]string) string {
	attributes := []string{"specversion", "id", "source", "type", "subject", "time", "data"}
	values := map[string]string{
		"specversion": `"1.0"`, "id": `"e1"`, "source": `"/ivr"`, "type": `"callback.offered"`, "subject": `"S-1"`, "time": `"2026-03-01T09:30:00Z"`,
	}
	for name, value := range change {
		if _, known := values[name]; !known && name != "data" {
			attributes = append(attributes, name)
		}
		values[name] = value
	}
	var b strings.Builder
	for _, name := range attributes {
		if values[name] == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%s", name, values[name])
	}
	return "{" + b.String() + "}"
}

func offered(data string) string { return event(map[string]string{"data": data}) }
func requested(data string) string {
	return event(map[string]string{"type": `"callback.requested"`, "data": data})
}

func TestAccepted(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"no data":                   event(nil),
		"data null":                 offered(`null`),
		"empty data":                offered(`{}`),
		"null field":                offered(`{"ewt":null,"virtual_queue":null}`),
		"white space":               " \r\n\t" + offered(`{ "ewt" : 1 }`) + " \n",
		"whole number with a point": offered(`{"ewt":12.0}`),
		"whole number by exponent":  offered(`{"ewt":1.2e2}`),
		"zero by any exponent":      offered(`{"ewt":0e99999999999}`),
		"minus zero":                offered(`{"ewt":-0}`),
		"open enumerations":         offered(`{"channel":"CARRIER_PIGEON","offer_type":"","offer_timing":"TEATIME"}`),
		"open direction":            requested(`{"callback_type":"ASAP","call_direction":"SIDEWAYS"}`),
		"content type":              event(map[string]string{"datacontenttype": `"application/json; charset=utf-8"`}),
		"null attributes":           event(map[string]string{"datacontenttype": "null", "tenantdbid": "null", "orssessionid": "null", "dataschema": "null", "partner": "null"}),
		"offset":                    event(map[string]string{"time": `"2026-03-01T11:30:00.123456789+02:00"`}),
		"23 h ahead":                event(map[string]string{"time": `"2026-03-02T08:31:00Z"`}),
		"escapes":                   offered(`{"channel":"\u0049\"\\\/\b\f\n\r\t\ud83d\ude00é"}`),
		"escaped key":               offered(`{"\u0065wt":1}`),
		"urn source":                event(map[string]string{"source": `"urn:x:y"`}),
		"relative source":           event(map[string]string{"source": `"ivr.example?x=1#y"`}),
		"odd tracing":               event(map[string]string{"traceparent": `17`, "tracestate": `{"a":[]}`}),
		"unknown parameter":         requested(`{"callback_type":"X","parameters":{"_cb_of_our_own":1.5,"_cb_none":null}}`),
		"13-digit parameter":        requested(`{"callback_type":"X","parameters":{"_cb_t_callback_offered":1772357400123}}`),
		"number for a text":         requested(`{"callback_type":"X","parameters":{"_cb_customer_ani":5551234}}`),
	} {
		_, refusal := intake.Parse([]byte(raw), now)
		require.Nil(t, refusal, "%s: %s", name, raw)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	const no, field = callback.ReasonNotCloudEvent, callback.ReasonInvalidField
	attribute := func(name, value string) string { return event(map[string]string{name: value}) }
	for _, c := range []struct {
		name, raw string
		code      callback.Reason
		faults    []string // "field: reason", the reason as far as it goes
	}{
		// Not an event at all.
		{"empty", "", no, []string{"event: is empty"}},
		{"garbage", "\x00\x01\x02", no, []string{"event: is not valid JSON: unexpected character at byte 1"}},
		{"number", "17", no, []string{"event: must be a JSON object, was a number"}},
		{"array", "[]", no, []string{"event: must be a JSON object, was an array"}},
		{"cut off", `{"specversion":"1.`, no, []string{"event: is not valid JSON: it ends too early, at byte 19"}},
		{"trailing garbage", event(nil) + "x", no, []string{"event: is not valid JSON: more follows the value"}},
		{"two events", event(nil) + event(nil), no, []string{"event: is not valid JSON: more follows"}},
		{"trailing comma", `{"id":"1",}`, no, []string{"event: is not valid JSON: unexpected character at byte 11"}},
		{"single quotes", `{'id':'1'}`, no, []string{"event: is not valid JSON"}},
		{"leading zero", offered(`{"ewt":012}`), no, []string{"event: is not valid JSON: a number with a leading zero"}},
		{"NaN", offered(`{"ewt":NaN}`), no, []string{"event: is not valid JSON: unexpected character"}},
		{"raw control character", offered("{\"channel\":\"a\nb\"}"), no, []string{"event: is not valid JSON: a control character in a string"}},
		{"bad escape", offered(`{"channel":"\x41"}`), no, []string{"event: is not valid JSON: an unknown escape sequence"}},
		{"nested too deep", offered(`{"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`), no, []string{"event: is not valid JSON: values nest too deep"}},
		{"byte order mark", "\xef\xbb\xbf" + event(nil), no, []string{"event: is not valid JSON: unexpected character at byte 1"}},

		// Attributes.
		{"nothing in it", "{}", no, []string{"specversion: is missing", "id: is missing", "source: is missing", "type: is missing", "subject: is missing", "time: is missing"}},
		{"missing subject", attribute("subject", ""), no, []string{"subject: is missing"}},
		{"null subject", attribute("subject", "null"), no, []string{"subject: is missing"}},
		{"empty subject", attribute("subject", `""`), no, []string{"subject: must not be empty"}},
		{"long subject", attribute("subject", `"`+strings.Repeat("x", 256)+`"`), no, []string{"subject: has 256 characters"}},
		{"NUL in subject", attribute("subject", `"a\u0000"`), no, []string{"subject: holds a NUL"}},
		{"number as id", attribute("id", "7"), no, []string{"id: must be a string, was a number"}},
		{"huge id", attribute("id", `"`+strings.Repeat("x", 1<<20)+`"`), no, []string{"id: has 1048576 characters"}},
		{"bad source", attribute("source", `"a b:%zz"`), no, []string{"source: is no URI reference"}},
		{"empty type", attribute("type", `""`), no, []string{"type: must not be empty"}},
		{"old version", attribute("specversion", `"0.3"`), no, []string{`specversion: must be 1.0, was "0.3"`}},
		{"version as a number", attribute("specversion", `1.0`), no, []string{"specversion: must be a string, was a number"}},
		{"13-digit time", attribute("time", "1772357400123"), no, []string{"time: must be a string, was a number"}},
		{"13-digit time as text", attribute("time", `"1772357400123"`), no, []string{"time: must be a time in RFC 3339 form"}},
		{"time without a zone", attribute("time", `"2026-03-01T09:30:00"`), no, []string{"time: must be a time in RFC 3339 form"}},
		{"time of another calendar", attribute("time", `"2026-02-30T09:30:00Z"`), no, []string{"time: must be a time in RFC 3339 form"}},
		{"time before 1970", attribute("time", `"1969-12-31T23:59:59Z"`), no, []string{"time: lies before 1970"}},
		{"content type", attribute("datacontenttype", `"text/xml"`), no, []string{`datacontenttype: must be application/json, was "text/xml"`}},
		{"base64", attribute("data_base64", `"e30="`), no, []string{"data_base64: is not accepted"}},
		{"tenant as text", attribute("tenantdbid", `"101"`), no, []string{"tenantdbid: must be an integer, was a string"}},
		{"tenant with a fraction", attribute("tenantdbid", `101.5`), no, []string{"tenantdbid: must be an integer, has a fraction"}},
		{"tenant 0", attribute("tenantdbid", `0`), no, []string{"tenantdbid: must be at least 1"}},
		{"ORS session as a number", attribute("orssessionid", `7`), no, []string{"orssessionid: must be a string, was a number"}},
		{"extension name", attribute("tenant_dbid", `7`), no, []string{"tenant_dbid: is no attribute of a CloudEvent"}},
		{"extension object", attribute("ext", `{}`), no, []string{"ext: must be a string, an integer or a boolean, was an object"}},
		{"extension fraction", attribute("ext", `0.5`), no, []string{"ext: must be an integer, has a fraction"}},
		{"extension of 64 bits", attribute("ext", `2147483648`), no, []string{"ext: must fit 32 bits"}},
		{"extension control character", attribute("ext", `"\n"`), no, []string{"ext: holds a control character"}},
		{"attribute twice", `{"id":"1",` + event(nil)[1:], no, []string{"id: is there twice"}},
		{"extension twice", `{"ext":"1","ext":"1",` + event(nil)[1:], no, []string{"ext: is there twice"}},
		{"lone surrogate", attribute("id", `"\ud800"`), no, []string{"id: holds a lone surrogate"}},
		{"reversed surrogates", attribute("id", `"\ude00\ud83d"`), no, []string{"id: holds a lone surrogate"}},
		{"invalid UTF-8", attribute("id", "\"\xff\""), no, []string{"id: is not valid UTF-8"}},

		// Type, time and data.
		{"unknown type", attribute("type", `"callback.exploded"`), callback.ReasonUnknownType, []string{`type: is no lifecycle event type: "callback.exploded"`}},
		{"tick", attribute("type", `"ringback.tick"`), callback.ReasonUnknownType, []string{"type: is no lifecycle event type"}},
		{"25 h ahead", attribute("time", `"2026-03-02T10:31:01Z"`), callback.ReasonFutureTime, []string{"time: lies more than 24 h after"}},
		{"year 9999", attribute("time", `"9999-12-31T23:59:59Z"`), callback.ReasonFutureTime, []string{"time: lies more than 24 h after"}},
		{"data as text", offered(`"{}"`), field, []string{"data: must be an object, was a string"}},
		{"data as an array", offered(`[]`), field, []string{"data: must be an object, was an array"}},
		{"misspelt field", offered(`{"ewtt":1}`), field, []string{"ewtt: is no field of the data of any event"}},
		{"field in another case", offered(`{"EWT":1}`), field, []string{"EWT: is no field"}},
		{"field of another type", offered(`{"result":"BUSY"}`), field, []string{"result: is no field of the data of callback.offered"}},
		{"field twice", offered(`{"ewt":1,"ewt":1}`), field, []string{"ewt: is there twice"}},
		{"field twice, once null", offered(`{"ewt":null,"ewt":1}`), field, []string{"ewt: is there twice"}},
		{"text for an integer", offered(`{"ewt":"12"}`), field, []string{"ewt: must be an integer, was a string"}},
		{"fraction", offered(`{"ewt":1.5}`), field, []string{"ewt: must be an integer, has a fraction"}},
		{"small fraction", offered(`{"ewt":1e-400}`), field, []string{"ewt: must be an integer, has a fraction"}},
		{"huge exponent", offered(`{"ewt":1e400}`), field, []string{"ewt: is too large a number"}},
		{"absurd exponent", offered(`{"ewt":1e99999999999999999999}`), field, []string{"ewt: is too large a number"}},
		{"over 32 bits", offered(`{"ewt":2147483648}`), field, []string{"ewt: lies outside 0 to 2147483647"}},
		{"over 64 bits", offered(`{"ewt":92233720368547758080}`), field, []string{"ewt: is too large a number"}},
		{"negative", offered(`{"position":-1}`), field, []string{"position: must not be negative"}},
		{"boolean for a text", offered(`{"channel":true}`), field, []string{"channel: must be a string, was a boolean"}},
		{"NUL in a text", offered(`{"channel":"I\u0000VR"}`), field, []string{"channel: holds a NUL"}},
		{"huge text", offered(`{"channel":"` + strings.Repeat("x", 1<<19) + `"}`), field, []string{"channel: has 524288 characters"}},
		{"queue as text", offered(`{"virtual_queue":"VQ"}`), field, []string{"virtual_queue: must be an object, was a string"}},
		{"queue without a name", offered(`{"virtual_queue":{"dbid":1}}`), field, []string{"virtual_queue.name: is missing"}},
		{"queue's name null", offered(`{"virtual_queue":{"name":null}}`), field, []string{"virtual_queue.name: is missing"}},
		{"queue's faults", offered(`{"virtual_queue":{"name":7,"dbid":"x","cfg_type_id":-1,"cfg_type":[],"nam":1,"dbid":2}}`), field, []string{
			"virtual_queue.name: must be a string, was a number", "virtual_queue.dbid: must be an integer, was a string",
			"virtual_queue.cfg_type: must be a string, was an array", "virtual_queue.nam: is no field of a virtual queue",
			"virtual_queue.cfg_type_id: must not be negative",
		}},
		{"missing field", requested(`{}`), field, []string{"callback_type: is missing: callback.requested needs it"}},
		{"required field null", requested(`{"callback_type":null}`), field, []string{"callback_type: is missing"}},
		{"required field of another type", requested(`{"callback_type":1}`), field, []string{"callback_type: must be a string, was a number"}},
		{"13-digit desired time", requested(`{"callback_type":"X","desired_time":1772357400123}`), field, []string{"desired_time: must be a time in RFC 3339 form, such as 2026-03-01T09:30:00Z, was a number"}},
		{"bad desired time", requested(`{"callback_type":"X","desired_time":"tomorrow"}`), field, []string{"desired_time: must be a time in RFC 3339 form"}},
		{"desired time after 2038", requested(`{"callback_type":"X","desired_time":"2038-01-19T03:14:08Z"}`), field, []string{"desired_time: lies after 2038-01-19T03:14:07Z"}},
		{"media type", requested(`{"callback_type":"X","media_type":"email"}`), field, []string{`media_type: must be voice or chat, was "email"`}},
		{"parameters as an array", requested(`{"callback_type":"X","parameters":["_cb_x"]}`), field, []string{"parameters: must be an object, was an array"}},
		{"parameter of another type", requested(`{"callback_type":"X","parameters":{"_cb_t_callback_offered":"soon","_cb_x":{}}}`), field, []string{
			"parameters._cb_x: must be a string or a number, was an object", "parameters._cb_t_callback_offered: must be epoch seconds",
		}},
		{"parameter with a fraction", requested(`{"callback_type":"X","parameters":{"_cb_d_callback_offer":1.5}}`), field, []string{"parameters._cb_d_callback_offer: must be whole seconds"}},
		{"parameter twice", requested(`{"callback_type":"X","parameters":{"_cb_x":"1","_cb_x":"1"}}`), field, []string{"parameters._cb_x: is there twice"}},
		{"not a parameter", requested(`{"callback_type":"X","parameters":{"channel":"IVR"}}`), field, []string{"parameters.channel: is no reporting parameter"}},
		{"availability as a number", event(map[string]string{"type": `"callback.ready_to_start_media"`, "data": `{"ignoring_availability":1}`}), field, []string{"ignoring_availability: must be a boolean, was a number"}},
		{"kind", event(map[string]string{"type": `"callback.attempt_started"`, "data": `{"kind":"FAX"}`}), field, []string{`kind: must be CALL or PUSH, was "FAX"`}},

		// Several at once: every fault is listed, and the gravest gives the code.
		{"many faults", event(map[string]string{"subject": `""`, "time": `"noon"`, "type": `"callback.attempt_ended"`, "data": `{"attempt":0,"x":1,"ewt":1}`}), no, []string{
			"time: must be a time in RFC 3339 form", "x: is no field", "subject: must not be empty", "result: is missing", "ewt: is no field", "attempt: must be at least 1",
		}},
		{"future and a bad field", event(map[string]string{"time": `"2027-03-01T09:30:00Z"`, "data": `{"ewt":-1}`}), field, []string{"time: lies more than 24 h", "ewt: must not be negative"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e, refusal := intake.Parse([]byte(c.raw), now)
			require.Nil(t, e)
			require.NotNil(t, refusal)
			require.Equal(t, c.code, refusal.Code, refusal.Detail())
			require.Len(t, refusal.Faults, len(c.faults), refusal.Detail())
			for i, f := range refusal.Faults {
				require.True(t, strings.HasPrefix(f.String(), c.faults[i]), "%s\nwant %s", f, c.faults[i])
			}
		})
	}
}

func TestRefusalKnowsTheEvent(t *testing.T) {
	t.Parallel()
	_, refusal := intake.Parse([]byte(offered(`{"ewt":-1}`)), now)
	require.Equal(t, &intake.Refusal{
		Code: callback.ReasonInvalidField, ID: "e1", Source: "/ivr", Subject: "S-1",
		Faults: []callback.Fault{{Field: "ewt", Reason: "must not be negative"}},
	}, refusal)
	require.Equal(t, "INVALID_FIELD: ewt: must not be negative", refusal.Error())
}

func TestFaultsAreBounded(t *testing.T) {
	t.Parallel()
	var data strings.Builder
	for i := range 500 {
		fmt.Fprintf(&data, `,"x%d":1`, i)
	}
	_, refusal := intake.Parse([]byte(offered("{"+data.String()[1:]+"}")), now)
	require.Len(t, refusal.Faults, 101)
	require.Equal(t, callback.Fault{Field: "event", Reason: "has 400 faults more"}, refusal.Faults[100])

	// Attributes beyond any sense cost no more than these either.
	_, refusal = intake.Parse([]byte(strings.ReplaceAll(event(map[string]string{"data": "{}"})[:1]+data.String()[1:]+"}", `"x`, `"e`)), now)
	require.LessOrEqual(t, len(refusal.Faults), 101)
}

// Invariant 10: no reason repeats a number of the caller, wherever it was put.
func TestRefusalShowsNothingPersonal(t *testing.T) {
	t.Parallel()
	const number = "00493012345678"
	for _, raw := range []string{
		offered(`{"customer_ani":"` + number + `\u0000"}`),
		offered(`{"customer_ani":` + number[2:] + `}`),
		offered(`{"ewt":"` + number + `"}`),
		offered(`{"ewt":` + number[2:] + `}`),
		offered(`{"` + number + `":1}`),
		offered(`"` + number + `"`),
		requested(`{"callback_type":"X","customer_number":["` + number + `"],"desired_time":"` + number + `"}`),
		requested(`{"callback_type":"X","parameters":{"_cb_customer_ani":"` + number + `\u0000","_cb_t_callback_offered":"` + number + `"}}`),
		requested(`{"callback_type":"X","parameters":{"` + number + `":"` + number + `"}}`),
		event(map[string]string{number: `{}`}),
		event(map[string]string{"time": `"` + number + `"`}),
		event(map[string]string{"source": `":` + number + `"`}),
		event(map[string]string{"tenantdbid": `"` + number + `"`}),
		`{"customer_number":"` + number,
		number,
	} {
		_, refusal := intake.Parse([]byte(raw), now)
		require.NotNil(t, refusal, raw)
		require.NotContains(t, refusal.Error(), number[2:], raw)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(requestedJSON))
	f.Add([]byte(offered(`{"ewt":1e2,"virtual_queue":{"name":"q","dbid":1},"channel":"\ud83d\ude00"}`)))
	f.Add([]byte(requested(`{"callback_type":"X","parameters":{"_cb_x":1.5}}`)))
	f.Add([]byte(`{"a":[{"b":-1.5e-3},null,true,false,"\u0000"]}`))
	f.Add([]byte("{\"id\":\"\xff\"}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, refusal := intake.Parse(raw, now)
		require.True(t, (e == nil) != (refusal == nil), "one of event and refusal")
		if refusal != nil {
			require.NotEmpty(t, refusal.Faults)
			require.NotEmpty(t, refusal.Code)
			if strings.Contains(refusal.Detail(), "not valid JSON") && !strings.Contains(refusal.Detail(), "too deep") {
				require.False(t, json.Valid(raw), "%s: %s", refusal, raw)
			}
			return
		}
		require.True(t, json.Valid(raw), "what is accepted is JSON")
		require.Empty(t, e.Validate())
		require.Empty(t, e.ValidateParameters())
	})
}
