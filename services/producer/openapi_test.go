package producer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/schemas/openapi"
	"github.com/ringback/ringback/services/producer"
)

var document = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(openapi.Producer)
	if err != nil {
		return nil, err
	}
	doc.Servers = nil // the tests' server has another address
	openapi3filter.RegisterBodyDecoder("application/cloudevents+json", openapi3filter.JSONBodyDecoder)
	openapi3filter.RegisterBodyDecoder("application/cloudevents-batch+json", openapi3filter.JSONBodyDecoder)
	return doc, doc.Validate(context.Background())
})

var router = sync.OnceValues(func() (routers.Router, error) {
	doc, err := document()
	if err != nil {
		return nil, err
	}
	return gorillamux.NewRouter(doc)
})

// checkAnswer holds an answer against the document. A path or method that the
// document does not have must be answered 404 or 405 with problem details.
func checkAnswer(t *testing.T, r *http.Request, res *http.Response, body []byte) {
	t.Helper()
	routes, err := router()
	require.NoError(t, err)
	asked := r
	if res.StatusCode == http.StatusMethodNotAllowed { // documented with the method that is allowed
		asked = r.Clone(r.Context())
		asked.Method = strings.Split(res.Header.Get("Allow"), ",")[0]
	}
	route, params, err := routes.FindRoute(asked)
	if err != nil {
		require.Equal(t, http.StatusNotFound, res.StatusCode)
		require.Equal(t, "application/problem+json", res.Header.Get("Content-Type"))
		return
	}
	if route.Path != "/v1/events" && res.StatusCode != http.StatusOK {
		return
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: asked, PathParams: params, Route: route},
		Status:                 res.StatusCode,
		Header:                 res.Header,
		Options:                &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: strings.HasPrefix(route.Path, "/openapi")},
	}
	input.SetBodyBytes(body)
	require.NoError(t, openapi3filter.ValidateResponse(context.Background(), input), "%s", body)
}

func TestDocumentIsValid(t *testing.T) {
	t.Parallel()
	_, err := document()
	require.NoError(t, err)
}

func TestDocumentIsServed(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	ask := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		b.server.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		require.Equal(t, http.StatusOK, w.Code)
		return w
	}
	yaml := ask("/openapi.yaml")
	require.Equal(t, "application/yaml", yaml.Header().Get("Content-Type"))
	require.Equal(t, string(openapi.Producer), yaml.Body.String())
	doc, err := openapi3.NewLoader().LoadFromData(ask("/openapi.json").Body.Bytes())
	require.NoError(t, err)
	require.NoError(t, doc.Validate(context.Background()))
	require.NotNil(t, doc.Paths.Find("/v1/events"))

	w := httptest.NewRecorder()
	b.server.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodDelete, "/openapi.yaml", nil))
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
	require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
}

// Every status that the document promises is given by some request, and the answer is as documented.
func TestEveryDocumentedStatusIsGiven(t *testing.T) {
	t.Parallel()
	failing := func(err error) func(*producer.Config, *producer.Deps) {
		return func(_ *producer.Config, d *producer.Deps) {
			d.Publisher = &publisher{produce: each(map[string]error{"e1": err})}
		}
	}
	tokens := tokenFile(t, "secret 101 test\n")
	bound := func(c *producer.Config, _ *producer.Deps) { c.Auth, c.TokensFile = producer.AuthToken, tokens }
	admins := tokenFile(t, "secret the operator scopes=admin:accept\n")
	scopeless := func(c *producer.Config, _ *producer.Deps) { c.Auth, c.TokensFile = producer.AuthToken, admins }
	given := map[string]bool{}
	for _, c := range []struct {
		status int
		code   string
		change func(*producer.Config, *producer.Deps)
		req    *http.Request
	}{
		{202, "", nil, post(structured, event("e1", ""))},
		{202, "", nil, binary("e1", "")},
		{202, "", nil, post(batch, "["+event("e1", "")+"]")},
		{202, "", nil, post(batch, "[]")},
		{207, "", nil, post(batch, "["+event("e1", "")+",7]")},
		{400, "NOT_A_CLOUDEVENT", nil, post(structured, "x")},
		{400, "NOT_A_CLOUDEVENT", nil, post(batch, "[7]")},
		{400, "BODY_UNREADABLE", nil, httptest.NewRequest(http.MethodPost, "/v1/events", brokenBody{})},
		{401, "UNAUTHENTICATED", bound, post(structured, event("e1", ""))},
		{403, "OTHER_TENANT", bound, with(post(structured, event("e1", `,"tenantdbid":1`)), "Authorization", "Bearer secret")},
		{403, "INSUFFICIENT_SCOPE", scopeless, with(post(structured, event("e1", "")), "Authorization", "Bearer secret")},
		{405, "METHOD_NOT_ALLOWED", nil, httptest.NewRequest(http.MethodGet, "/v1/events", nil)},
		{413, "TOO_LARGE", func(c *producer.Config, _ *producer.Deps) { c.MaxBody = 10 }, post(structured, event("e1", ""))},
		{413, "TOO_LARGE", failing(fault.Misconfigf("kafka: %w", kafka.ErrRecordTooLarge)), post(structured, event("e1", ""))},
		{415, "UNSUPPORTED_MEDIA_TYPE", nil, post("application/json", event("e1", ""))},
		{422, "INVALID_FIELD", nil, post(structured, event("e1", `,"data":{"ewt":"1"}`))},
		{422, "UNKNOWN_TYPE", nil, post(structured, strings.Replace(event("e1", ""), "offered", "exploded", 1))},
		{422, "FUTURE_TIME", nil, post(structured, strings.Replace(event("e1", ""), "2026", "2030", 1))},
		{429, "QUEUE_FULL", failing(fault.Outagef("kafka: %w", kafka.ErrQueueFull)), post(structured, event("e1", ""))},
		{500, "INTERNAL", failing(fault.Misconfigf("kafka: not authorized")), post(structured, event("e1", ""))},
		{503, "UNAVAILABLE", failing(fault.Outagef("kafka: no route")), post(structured, event("e1", ""))},
		{503, "OUTCOME_UNKNOWN", failing(fault.Outagef("kafka: %w", kafka.ErrOutcomeUnknown)), post(structured, event("e1", ""))},
	} {
		if c.code == "BODY_UNREADABLE" {
			c.req.Header.Set("Content-Type", structured)
		}
		res, a := setup(t, c.change).ask(t, c.req)
		require.Equal(t, c.status, res.StatusCode, c.code)
		require.Equal(t, c.code, a.Code)
		if c.code != "" {
			require.Equal(t, c.status, a.Status)
			require.NotEmpty(t, a.Title)
			require.NotEmpty(t, a.Detail)
		}
		given[fmt.Sprint(c.status)] = true
	}
	doc, err := document()
	require.NoError(t, err)
	for status := range doc.Paths.Find("/v1/events").Post.Responses.Map() {
		require.True(t, given[status], "no request is answered %s", status)
	}
}

type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// The document's schema of each type and the intake agree on every field: what the
// one allows the other takes, and what it lacks is refused.
func TestDocumentHasTheFieldsOfEveryType(t *testing.T) {
	t.Parallel()
	doc, err := document()
	require.NoError(t, err)
	samples := map[string]string{
		"virtual_queue": `{"name":"VQ","dbid":1}`, "desired_time": `"2026-03-01T10:00:00Z"`, "next_attempt_at": `"2026-03-01T10:00:00Z"`,
		"media_type": `"chat"`, "kind": `"PUSH"`, "parameters": `{"_cb_dim_channel":"IVR","_cb_d_callback_offer":3}`, "ignoring_availability": `true`,
	}
	fields := map[string]bool{}
	schemas := map[string]*openapi3.Schema{}
	mapping := doc.Components.Schemas["Event"].Value.Discriminator.Mapping
	require.Len(t, mapping, len(callback.Types))
	for _, typ := range callback.Types {
		name := strings.TrimPrefix(mapping[string(typ)].Ref, "#/components/schemas/")
		schemas[string(typ)] = doc.Components.Schemas[name+"Data"].Value
		for field, schema := range schemas[string(typ)].Properties {
			fields[field] = true
			if samples[field] == "" {
				samples[field] = map[bool]string{true: "3", false: `"x"`}[schema.Value.Type.Is("integer")]
			}
		}
	}
	b := setup(t, nil)
	for typ, schema := range schemas {
		needed := ""
		for _, field := range schema.Required {
			needed += fmt.Sprintf(",%q:%s", field, samples[field])
		}
		for field := range fields {
			data := needed
			if !strings.Contains(data, `"`+field+`":`) {
				data += fmt.Sprintf(",%q:%s", field, samples[field])
			}
			raw := strings.Replace(event("e1", `,"data":{`+data[1:]+`}`), "callback.offered", typ, 1)
			var value any
			require.NoError(t, json.Unmarshal([]byte(raw), &value))
			documented := doc.Components.Schemas["Event"].Value.VisitJSON(value)
			res, a := b.ask(t, post(structured, raw))
			if schema.Properties[field] != nil {
				require.Equal(t, http.StatusAccepted, res.StatusCode, "%s %v", raw, a.Errors)
				require.NoError(t, documented, raw)
				continue
			}
			require.Equal(t, http.StatusUnprocessableEntity, res.StatusCode, raw)
			require.Equal(t, field, a.Errors[0].Field)
			require.Error(t, documented, raw)
		}
		for _, field := range schema.Required {
			res, a := b.ask(t, post(structured, strings.Replace(event("e1", `,"data":{}`), "callback.offered", typ, 1)))
			require.Equal(t, http.StatusUnprocessableEntity, res.StatusCode)
			require.Equal(t, field, a.Errors[0].Field)
		}
	}
}
