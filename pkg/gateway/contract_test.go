package gateway_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/gateway"
	"github.com/ringback/ringback/pkg/kvlist"
	"github.com/ringback/ringback/schemas/openapi"
)

func contract(t *testing.T) routers.Router {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openapi.TServerGateway)
	require.NoError(t, err)
	require.NoError(t, doc.Validate(context.Background()))
	doc.Servers = openapi3.Servers{{URL: "http://gateway"}}
	router, err := legacy.NewRouter(doc)
	require.NoError(t, err)
	return router
}

// Whatever the client sends is as the OpenAPI document says; and what its limits let through, the document does too.
func TestClientKeepsTheContract(t *testing.T) {
	t.Parallel()
	router := contract(t)
	var sent int
	c, err := gateway.New(gateway.Config{URL: "http://gateway", TokenFile: tokenFile(t, "secret")}, gateway.WithTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
		sent++
		route, params, err := router.FindRoute(r)
		require.NoError(t, err)
		require.NoError(t, openapi3filter.ValidateRequest(t.Context(), &openapi3filter.RequestValidationInput{
			Request: r, PathParams: params, Route: route,
			Options: &openapi3filter.Options{MultiError: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
		}))
		body := ack
		if r.Method == http.MethodGet {
			body = `{"status":"ok"}`
		}
		return &http.Response{
			StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}},
			Body: io.NopCloser(bytes.NewReader([]byte(body))),
		}, nil
	})))
	require.NoError(t, err)

	var u callback.UserEvent
	for k := range callback.KVP(callback.NumKVPs) {
		if k.Info().Kind == callback.String {
			u.KVPs.SetStr(k, "Zoë \"東京\"\n\x00", -1)
		} else {
			u.KVPs.SetInt(k, 1<<31+int64(k), -1)
		}
	}
	u.KVPs.SetInt(callback.KeyFinalRecord, 1, -1)
	for name, e := range map[string]gateway.UserEvent{
		"least": {Switch: "s", DN: "d", UserData: []kvlist.Pair{kvlist.Str("k", "")}},
		"every KVP": {
			Switch: "SIP_Switch", DN: "REPORTING", ReferenceID: 431, UserData: gateway.UserData(&u),
			ANI: "777", DNIS: "333", CustomerID: "Environment", IdempotencyKey: "S-1/2", MediaType: 5,
		},
		"limits": {
			Switch: strings.Repeat("ä", 255), DN: strings.Repeat("d", 255), ReferenceID: 1<<31 - 1,
			UserData: []kvlist.Pair{kvlist.Str(strings.Repeat("k", 65535), strings.Repeat("v", 65535)), kvlist.Int("min", -1<<31), kvlist.Int("max", 1<<31-1)},
			ANI:      strings.Repeat("1", 255), IdempotencyKey: strings.Repeat("x", 1024),
		},
	} {
		// Only the first has the reference id of the answer; what matters here is what was sent.
		_, err := c.Distribute(t.Context(), e)
		if e.ReferenceID == 431 {
			require.NoError(t, err, name)
		}
	}
	for _, id := range []string{"02A7-01", "a b"} {
		d := callData()
		d.IxnID, d.IdempotencyKey = id, "S-1/accepted"
		_, err = c.UpdateUserData(t.Context(), d)
		require.NoError(t, err)
	}
	require.NoError(t, c.Health(t.Context()))
	require.Equal(t, 6, sent)
}

// An answer is an acknowledgement only if it says so itself, whatever else it holds.
func FuzzAnswer(f *testing.F) {
	f.Add(200, "application/json", []byte(ack))
	f.Add(422, "application/json", []byte(eventError))
	f.Add(410, "application/json", []byte(eventError))
	f.Add(400, "application/problem+json", []byte(`{"title":"t","errors":[{"pointer":"/a","detail":"d"}]}`))
	f.Fuzz(func(t *testing.T, status int, contentType string, body []byte) {
		c, err := gateway.New(gateway.Config{URL: "http://gateway"}, gateway.WithTransport(roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(bytes.NewReader(body))}, nil
		})))
		require.NoError(t, err)
		_, err = c.UpdateUserData(context.Background(), callData())
		if err == nil {
			require.Equal(t, 200, status)
			require.Contains(t, string(body), "431")
			return
		}
		require.Less(t, len(err.Error()), 3000)
		require.NotContains(t, err.Error(), "\n")
	})
}
