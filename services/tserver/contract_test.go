package tserver_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/schemas/openapi"
	"github.com/ringback/ringback/services/tserver"
)

const userEvent = `{"switch":"SIP_Switch","dn":"REPORTING","referenceId":431,"userData":[{"key":"_CB_SERVICE_ID","type":"str","value":"S-1"},{"key":"_CB_FINAL_RECORD","type":"int","value":1}]}`

// The OpenAPI document is held against the handlers: each answer is one that the document has for that request, and a
// request that is answered 200 is one that the document takes.
func TestServerKeepsTheContract(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData(openapi.TServerGateway)
	require.NoError(t, err)
	require.NoError(t, doc.Validate(context.Background()))
	doc.Servers = openapi3.Servers{{URL: "http://gateway"}}
	router, err := legacy.NewRouter(doc)
	require.NoError(t, err)

	dir := t.TempDir()
	tokens := filepath.Join(dir, "tokens")
	require.NoError(t, os.WriteFile(tokens, []byte("# of the sink\nsecret\n\nsecond\n"), 0o600))
	s, err := tserver.New(tserver.Config{
		Addr: "127.0.0.1:0", Log: filepath.Join(dir, "tserver.log"), TokenFile: tokens, MaxBody: 4096,
		GoneCalls: []string{"gone", "old-*"}, EventErrors: tserver.EventErrors{"NOWHERE": {Code: 71, Message: `no "such" DN`}, "call-7": {Code: 5, Message: "x"}},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })

	large := strings.Replace(userEvent, "S-1", strings.Repeat("x", 5000), 1)
	of := func(path, body string) *http.Request {
		r, err := http.NewRequest(http.MethodPost, "http://gateway"+path, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer secret")
		return r
	}
	call := strings.Replace(userEvent, `"dn":"REPORTING",`, "", 1)
	with := func(r *http.Request, name, value string) *http.Request {
		r.Header.Set(name, value)
		return r
	}
	health, err := http.NewRequest(http.MethodGet, "http://gateway/v1/health", nil)
	require.NoError(t, err)
	for _, c := range []struct {
		name    string
		request *http.Request
		outage  bool
		status  int
		body    string
	}{
		{"event", of("/v1/user-events", userEvent), false, 200, `{"message":"EventACK","referenceId":431,"thisDn":"REPORTING","eventSequenceNumber":"0000000000000001"}`},
		{"event of a refused DN", of("/v1/user-events", strings.Replace(userEvent, "REPORTING", "NOWHERE", 1)), false, 422,
			`{"message":"EventError","errorCode":71,"errorMessage":"no \"such\" DN","referenceId":431,"eventSequenceNumber":"0000000000000003"}`},
		{"call", of("/v1/calls/02A7-01/user-data", call), false, 200, `{"message":"EventACK","referenceId":431,"eventSequenceNumber":"0000000000000004"}`},
		{"call that has ended", of("/v1/calls/gone/user-data", call), false, 410,
			`{"message":"EventError","errorCode":9404,"errorMessage":"no such call (simulated)","referenceId":431,"eventSequenceNumber":"0000000000000006"}`},
		{"call of a prefix that has ended", of("/v1/calls/old-12/user-data", call), false, 410, ""},
		{"call that is refused", of("/v1/calls/call-7/user-data", call), false, 422, ""},
		{"second token", with(of("/v1/user-events", userEvent), "Authorization", "bearer second"), false, 200, ""},
		{"outage", of("/v1/user-events", userEvent), true, 503, ""},
		{"outage of a call", of("/v1/calls/02A7-01/user-data", call), true, 503, ""},
		{"no token", with(of("/v1/user-events", userEvent), "Authorization", ""), false, 401, ""},
		{"another token", with(of("/v1/user-events", userEvent), "Authorization", "Bearer other"), false, 401, ""},
		{"token of another scheme", with(of("/v1/user-events", userEvent), "Authorization", "Basic secret"), false, 401, ""},
		{"no JSON", of("/v1/user-events", "<xml>"), false, 400, ""},
		{"no DN", of("/v1/user-events", call), false, 400, ""},
		{"DN of a call", of("/v1/calls/02A7-01/user-data", userEvent), false, 400, ""},
		{"too large", of("/v1/user-events", large), false, 413, ""},
		{"other content", with(of("/v1/user-events", userEvent), "Content-Type", "text/plain"), false, 415, ""},
		{"health", health, false, 200, `{"status":"ok"}`},
		{"health in an outage", health, true, 503, ""},
	} {
		s.SetFaults(tserver.Faults{
			Outage: c.outage, GoneCalls: []string{"gone", "old-*"},
			EventErrors: tserver.EventErrors{"NOWHERE": {Code: 71, Message: `no "such" DN`}, "call-7": {Code: 5, Message: "x"}},
		})
		var sent []byte
		if c.request.Body != nil {
			sent, err = io.ReadAll(c.request.Body)
			require.NoError(t, err)
			c.request.Body = io.NopCloser(bytes.NewReader(sent))
		}
		resp, err := s.Transport().RoundTrip(c.request)
		require.NoError(t, err, c.name)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, c.status, resp.StatusCode, "%s: %s", c.name, body)
		if c.body != "" {
			require.JSONEq(t, c.body, string(body), c.name)
		}

		again := c.request.Clone(t.Context())
		again.Body = io.NopCloser(bytes.NewReader(sent))
		route, params, err := router.FindRoute(again)
		require.NoError(t, err, c.name)
		in := &openapi3filter.RequestValidationInput{
			Request: again, PathParams: params, Route: route,
			Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
		}
		taken := openapi3filter.ValidateRequest(t.Context(), in)
		switch c.status {
		case 400, 415:
			require.Error(t, taken, c.name)
		default:
			require.NoError(t, taken, c.name)
		}
		require.NoError(t, openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: in, Status: resp.StatusCode, Header: resp.Header, Body: io.NopCloser(bytes.NewReader(body)),
			Options: in.Options,
		}), c.name)
	}
}

func TestMalformedRequestsAreToldEveryFault(t *testing.T) {
	t.Parallel()
	s := start(t, tserver.Config{Addr: "127.0.0.1:0", Log: filepath.Join(t.TempDir(), "tserver.log")})
	pairs := func(list string) string {
		return `{"switch":"s","dn":"d","referenceId":1,"userData":[` + list + `]}`
	}
	for _, c := range []struct {
		name, body string
		faults     []string
	}{
		{"empty", "", []string{": is no JSON: byte 0: a value is missing"}},
		{"no object", `[1]`, []string{": must be an object"}},
		{"two values", `{} {}`, []string{": is no JSON: byte 3: something follows the body's one value"}},
		{"cut", userEvent[:40], []string{": is no JSON: byte 40: the name of a member is missing"}},
		{"no UTF-8", "{\"switch\":\"\xff\"}", []string{": is no JSON: byte 11: not UTF-8"}},
		{"deep", strings.Repeat("[", 40), []string{": is no JSON: byte 32: nested more than 32 deep"}},
		{"nothing given", `{}`, []string{"/switch: is missing", "/referenceId: is missing", "/userData: is missing", "/dn: is missing"}},
		{"wrong types", `{"switch":1,"dn":null,"referenceId":"1","userData":{},"ani":[],"dnis":{"a":[1]},"customerId":true,"idempotencyKey":1.5}`, []string{
			"/switch: must be a string", "/dn: must be a string", "/referenceId: must be an integer", "/userData: must be an array",
			"/ani: must be a string", "/dnis: must be a string", "/customerId: must be a string", "/idempotencyKey: must be a string",
		}},
		{"empty and long", `{"switch":"","dn":"` + strings.Repeat("ä", 256) + `","referenceId":-1,"userData":[]}`, []string{
			"/switch: must not be empty", "/dn: has more than 255 characters", "/referenceId: must be from 0 to 2147483647", "/userData: must have at least one pair",
		}},
		{"numbers", `{"switch":"s","dn":"d","referenceId":1.0,"userData":[{"key":"a","type":"int","value":1e3},{"key":"b","type":"int","value":2147483648},{"key":"c","type":"int","value":99999999999999999999}]}`, []string{
			"/referenceId: must be an integer of at most 32 bits, written without fraction and exponent",
			"/userData/0/value: must be an integer of at most 32 bits, written without fraction and exponent",
			"/userData/1/value: must be an integer of at most 32 bits",
			"/userData/2/value: must be an integer of at most 32 bits, written without fraction and exponent",
		}},
		{"unknown and twice", `{"switch":"s","switch":"t","dn":"d","referenceId":1,"+49401234567":1,"userData":[{"key":"a","type":"str","value":"v","key":"b","more":1}]}`, []string{
			"/switch: is given twice",
			": has a member that the contract does not have; it has switch, referenceId, userData, idempotencyKey, dn, ani, dnis, customerId, mediaType",
			"/userData/0/key: is given twice", "/userData/0: has a member that the contract does not have; it has key, type, value",
		}},
		{"pairs", pairs(`1,{},{"key":"","type":"str","value":1},{"key":1,"type":2,"value":3},{"value":"x","type":"int","key":"k"},{"key":"k","type":"kvlist","value":[]},{"value":2147483648,"key":"k","type":"int"}`), []string{
			"/userData/0: must be an object",
			"/userData/1/key: is missing", "/userData/1/type: is missing", "/userData/1/value: is missing",
			"/userData/2/key: must not be empty", "/userData/2/value: must be a string",
			"/userData/3/key: must be a string", "/userData/3/type: must be str or int",
			"/userData/4/value: must be an integer",
			"/userData/5/type: must be str or int",
			"/userData/6/value: must be an integer of at most 32 bits",
		}},
		{"long value", pairs(`{"key":"k","type":"str","value":"` + strings.Repeat("ä", 32768) + `"}`), []string{"/userData/0/value: has 65536 bytes, more than 65535"}},
		{"many faults", pairs(strings.Repeat("1,", 29) + "1"), append(func() (l []string) {
			for i := range 20 {
				l = append(l, fmt.Sprintf("/userData/%d: must be an object", i))
			}
			return l
		}(), "10 more")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			resp, err := http.Post(s.URL()+"/v1/user-events", "application/json; charset=utf-8", strings.NewReader(c.body))
			require.NoError(t, err)
			defer resp.Body.Close()
			require.Equal(t, 400, resp.StatusCode)
			require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
			require.Equal(t, c.faults, faultsOf(t, resp.Body))
		})
	}
}

func TestWrongPathsAndMethods(t *testing.T) {
	t.Parallel()
	s := start(t, tserver.Config{Addr: "127.0.0.1:0", Log: filepath.Join(t.TempDir(), "tserver.log")})
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/v1/user-events", 405, "POST"},
		{"PUT", "/v1/calls/x/user-data", 405, "POST"},
		{"POST", "/v1/health", 405, "GET"},
		{"POST", "/v1/calls//user-data", 307, ""}, // to the clean path, which is none
		{"POST", "/v2/user-events", 404, ""},
		{"GET", "/", 404, ""},
	} {
		r, err := http.NewRequest(c.method, s.URL()+c.path, nil)
		require.NoError(t, err)
		resp, err := http.DefaultTransport.RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, c.status, resp.StatusCode, "%s %s", c.method, c.path)
		require.Equal(t, c.allow, resp.Header.Get("Allow"), "%s %s", c.method, c.path)
	}
}
