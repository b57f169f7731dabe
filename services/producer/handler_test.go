package producer_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/services/producer"
)

func TestEveryModeIsWritten(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*http.Request{
		"structured":                post(structured, event("e1", `,"tenantdbid":101,"data":{"ewt":7}`)),
		"structured with a charset": post(structured+"; charset=utf-8", event("e1", `,"tenantdbid":101,"data":{"ewt":7}`)),
		"batch":                     post(batch, "["+event("e1", `,"tenantdbid":101,"data":{"ewt":7}`)+"]"),
		"binary":                    with(binary("e1", `{"ewt":7}`), "ce-tenantdbid", "101"),
		"binary, quoted":            with(binary("e1", `{"ewt":7}`), "ce-tenantdbid", `"101"`),
		"binary, percent-encoded":   with(with(binary("e1", `{"ewt":7}`), "ce-tenantdbid", "101"), "ce-subject", "%53-1"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, nil)
			res, a := b.ask(t, r)
			require.Equal(t, http.StatusAccepted, res.StatusCode, a.Errors)
			require.Equal(t, 1, a.Accepted)
			partition, offset := int32(2), int64(0)
			require.Equal(t, []fate{{ID: "e1", Source: "/ivr", Status: 202, Partition: &partition, Offset: &offset}}, a.Events)
			tenant, ewt := int64(101), int64(7)
			require.Equal(t, []*callback.Event{{
				Source: "/ivr", ID: "e1", Type: callback.Offered, Subject: "S-1", TenantDBID: &tenant,
				Time: callback.Micros(time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC).UnixMicro()), Data: callback.Data{EWT: &ewt},
			}}, b.encoder.events)
			require.Len(t, b.publisher.records, 1)
			require.Equal(t, "S-1", string(b.publisher.records[0].Key))
			require.Equal(t, now.Truncate(time.Millisecond), b.publisher.records[0].Time, "arrival, to the millisecond")
		})
	}
}

func TestBinaryHeaders(t *testing.T) {
	t.Parallel()
	twice := binary("e1", "")
	twice.Header.Add("ce-id", "e2")
	nameless := binary("e1", "")
	nameless.Header["Ce-"] = []string{"x"}
	without := func(name string) *http.Request {
		r := binary("e1", "")
		r.Header.Del(name)
		return r
	}
	for _, c := range []struct {
		name   string
		r      *http.Request
		status int
		field  string
	}{
		{"umlaut", with(binary("e1", ""), "ce-subject", "%C3%A4 %E2%82%AC"), 202, ""},
		{"percent that is none", with(binary("e1", ""), "ce-subject", "100%"), 202, ""},
		{"twice", twice, 400, "id"},
		{"nameless", nameless, 400, "ce-"},
		{"no version", without("ce-specversion"), 400, "specversion"},
		{"old version", with(binary("e1", ""), "ce-specversion", "0.3"), 400, "specversion"},
		{"new version", with(binary("e1", ""), "ce-specversion", "2.0"), 400, "specversion"},
		{"no subject", without("ce-subject"), 400, "subject"},
		{"encoded NUL", with(binary("e1", ""), "ce-subject", "a%00"), 400, "subject"},
		{"encoded garbage", with(binary("e1", ""), "ce-subject", "%ff%fe"), 400, "subject"},
		{"13-digit time", with(binary("e1", ""), "ce-time", "1772357400123"), 400, "time"},
		{"XML", with(binary("e1", ""), "Content-Type", "text/xml"), 400, "datacontenttype"},
		{"broken data", binary("e1", "{"), 400, "data"},
		{"XML in disguise", binary("e1", "<ewt/>"), 400, "data"},
		{"bad field", binary("e1", `{"ewt":-1}`), 422, "ewt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, nil)
			res, a := b.ask(t, c.r)
			require.Equal(t, c.status, res.StatusCode, a.Errors)
			if c.field == "" {
				return
			}
			require.Len(t, a.Errors, 1, a.Errors)
			require.Equal(t, c.field, a.Errors[0].Field)
			require.Empty(t, b.publisher.ids())
		})
	}
}

// Bad input is answered with what, where and why, and has no effect on its neighbours (invariant 7).
func TestBadInputAmongGood(t *testing.T) {
	t.Parallel()
	unknown := strings.Replace(event("x", ""), "offered", "exploded", 1)
	future := strings.Replace(event("x", ""), "2026", "2027", 1)
	digits := strings.Replace(event("x", ""), `"2026-03-01T09:30:00Z"`, "1772357400123", 1)
	for _, c := range []struct {
		name, bad     string
		status        int
		code          string
		field, reason string
	}{
		{"garbage", `"\u0000\ufffd"`, 400, "NOT_A_CLOUDEVENT", "event", "must be a JSON object"},
		{"wrong type", event("x", `,"data":{"ewt":"soon"}`), 422, "INVALID_FIELD", "ewt", "must be an integer, was a string"},
		{"misspelt field", event("x", `,"data":{"ewtt":1}`), 422, "INVALID_FIELD", "ewtt", "is no field"},
		{"13-digit time", digits, 400, "NOT_A_CLOUDEVENT", "time", "must be a string, was a number"},
		{"time in the future", future, 422, "FUTURE_TIME", "time", "more than 24 h"},
		{"huge string", event("x", `,"data":{"channel":"`+strings.Repeat("x", 300_000)+`"}`), 422, "INVALID_FIELD", "channel", "300000 characters"},
		{"NUL byte", event("x", `,"data":{"channel":"a\u0000b"}`), 422, "INVALID_FIELD", "channel", "NUL"},
		{"lone surrogate", event("x", `,"data":{"channel":"\ud800"}`), 422, "INVALID_FIELD", "channel", "lone surrogate"},
		{"unknown type", unknown, 422, "UNKNOWN_TYPE", "type", `"callback.exploded"`},
		{"deep nesting", event("x", `,"data":{"ewt":`+strings.Repeat("[", 20)+strings.Repeat("]", 20)+`}`), 422, "INVALID_FIELD", "ewt", "was an array"},
		{"missing subject", strings.Replace(event("x", ""), `"subject"`, `"object"`, 1), 400, "NOT_A_CLOUDEVENT", "subject", "is missing"},
		{"base64", event("x", `,"data_base64":"e30="`), 400, "NOT_A_CLOUDEVENT", "data_base64", "not accepted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, nil)
			res, a := b.ask(t, post(batch, "["+event("e1", "")+","+c.bad+","+event("e2", "")+"]"))
			require.Equal(t, http.StatusMultiStatus, res.StatusCode)
			require.Equal(t, 2, a.Accepted)
			require.Equal(t, []string{"e1", "e2"}, b.publisher.ids())
			require.Equal(t, []int{202, c.status, 202}, statuses(a))
			p := a.Events[1].Problem
			require.Equal(t, c.code, p.Code)
			require.Len(t, p.Errors, 1, p.Errors)
			require.Equal(t, 1, p.Errors[0].Index)
			require.Equal(t, c.field, p.Errors[0].Field)
			require.Contains(t, p.Errors[0].Reason, c.reason)

			// Alone it gets the same answer as a problem.
			res, single := b.ask(t, post(structured, c.bad))
			require.Equal(t, c.status, res.StatusCode)
			require.Equal(t, "application/problem+json", res.Header.Get("Content-Type"))
			require.Equal(t, c.code, single.Code)
			require.Equal(t, c.field, single.Errors[0].Field)
		})
	}
}

func statuses(a answer) []int {
	var s []int
	for _, e := range a.Events {
		s = append(s, e.Status)
	}
	return s
}

// Enumerations are open, and the fate of an id that is repeated with other content
// is the enricher's to tell: the producer keeps no ids.
func TestTakenAsItCame(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	res, _ := b.ask(t, post(batch, "["+event("e1", `,"data":{"channel":"PIGEON"}`)+","+event("e1", `,"data":{"channel":"IVR"}`)+"]"))
	require.Equal(t, http.StatusAccepted, res.StatusCode)
	require.Equal(t, "PIGEON", *b.encoder.events[0].Data.Channel)
	require.Equal(t, []string{"e1", "e1"}, b.publisher.ids())
}

func TestBatchesAsAWhole(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"none", "[]", 202, ""},
		{"as many as allowed", "[" + strings.Repeat(event("e", "")+",", 2) + event("e", "") + "]", 202, ""},
		{"one more", "[" + strings.Repeat(event("e", "")+",", 3) + event("e", "") + "]", 413, "TOO_LARGE"},
		{"no array", event("e", ""), 400, "NOT_A_CLOUDEVENT"},
		{"cut off", "[" + event("e", "") + ",", 400, "NOT_A_CLOUDEVENT"},
		{"garbage behind", "[" + event("e", "") + "]x", 400, "NOT_A_CLOUDEVENT"},
		{"empty", "", 400, "NOT_A_CLOUDEVENT"},
		{"all bad alike", `[{},7,"x"]`, 400, "NOT_A_CLOUDEVENT"},
		{"all bad, not alike", "[7," + event("e", `,"data":{"ewt":-1}`) + "]", 207, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(cfg *producer.Config, _ *producer.Deps) { cfg.MaxBatch = 3 })
			res, a := b.ask(t, post(batch, c.body))
			require.Equal(t, c.status, res.StatusCode)
			require.Equal(t, c.code, a.Code)
			if c.status != http.StatusAccepted {
				require.Empty(t, b.publisher.ids(), "all or nothing where the batch as a whole is bad")
			}
			if c.name == "all bad alike" {
				require.Equal(t, []int{400, 400, 400}, statuses(a))
				require.Equal(t, fieldError{"event", "must be a JSON object, was a number", 1}, a.Errors[6])
				require.Equal(t, 2, a.Errors[7].Index)
			}
		})
	}
}

func TestMediaTypes(t *testing.T) {
	t.Parallel()
	for contentType, hint := range map[string]string{
		"": "must be application/cloudevents+json", "application/json": "does not say that the body is a CloudEvent",
		"text/plain": "ce- headers", "application/cloudevents+avro": "must be", "application/x-www-form-urlencoded": "must be",
	} {
		res, a := setup(t, nil).ask(t, post(contentType, event("e1", "")))
		require.Equal(t, http.StatusUnsupportedMediaType, res.StatusCode, contentType)
		require.Contains(t, a.Detail, hint)
	}
	res, a := setup(t, nil).ask(t, with(post(structured, event("e1", "")), "Content-Encoding", "gzip"))
	require.Equal(t, http.StatusUnsupportedMediaType, res.StatusCode)
	require.Contains(t, a.Detail, "Content-Encoding")
}

func TestPathsAndMethods(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		res, a := b.ask(t, httptest.NewRequest(method, "/v1/events", nil))
		require.Equal(t, http.StatusMethodNotAllowed, res.StatusCode)
		require.Equal(t, "POST", res.Header.Get("Allow"))
		require.Equal(t, "METHOD_NOT_ALLOWED", a.Code)
	}
	for _, path := range []string{"/", "/v1/event", "/v1/events/", "/livez"} {
		res, a := b.ask(t, httptest.NewRequest(http.MethodPost, path, nil))
		require.Equal(t, http.StatusNotFound, res.StatusCode)
		require.Equal(t, "NOT_FOUND", a.Code)
	}
}

func TestUnequalFates(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.publisher.produce = each(map[string]error{
		"full":    fault.Outagef("kafka: %w", kafka.ErrQueueFull),
		"unknown": fault.Outagef("kafka: %w", kafka.ErrOutcomeUnknown),
		"away":    fault.Outagef("kafka: away"),
		"bug":     fmt.Errorf("kafka: a bug"),
	})
	b.encoder.fail = func(e *callback.Event) error {
		if e.ID == "schema" {
			return callback.Bad(callback.ReasonInvalidField, "ewt does not fit the schema")
		}
		return nil
	}
	ids := []string{"ok", "full", "unknown", "away", "bug", "schema", "ok"}
	parts := make([]string, len(ids))
	for i, id := range ids {
		parts[i] = event(id, "")
	}
	res, a := b.ask(t, post(batch, "["+strings.Join(parts, ",")+"]"))
	require.Equal(t, http.StatusMultiStatus, res.StatusCode)
	require.Equal(t, []int{202, 429, 503, 503, 500, 422, 202}, statuses(a))
	require.Equal(t, 2, a.Accepted)
	for i, code := range []string{"", "QUEUE_FULL", "OUTCOME_UNKNOWN", "UNAVAILABLE", "INTERNAL", "INVALID_FIELD", ""} {
		require.Equal(t, ids[i], a.Events[i].ID)
		if code == "" {
			require.NotNil(t, a.Events[i].Offset)
			continue
		}
		require.Equal(t, code, a.Events[i].Problem.Code)
		require.Nil(t, a.Events[i].Offset)
	}
	require.Contains(t, a.Events[2].Problem.Detail, "Send it again with the same id")
	require.NotContains(t, a.Events[4].Problem.Detail, "bug", "what goes on inside is the log's matter")
}

func TestOneStatusTwoCodes(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.publisher.produce = each(map[string]error{"away": fault.Outagef("kafka: away"), "unknown": fault.Outagef("kafka: %w", kafka.ErrOutcomeUnknown)})
	res, a := b.ask(t, post(batch, "["+event("away", "")+","+event("unknown", "")+"]"))
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Equal(t, "OUTCOME_UNKNOWN", a.Code)
	require.Equal(t, "2", res.Header.Get("Retry-After"), "1.5 s, rounded up")
	require.Equal(t, "UNAVAILABLE", a.Events[0].Problem.Code)
}

func TestTokens(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *producer.Config, _ *producer.Deps) {
		c.Auth, c.TokensFile = producer.AuthToken, tokenFile(t, "any-tenant\nbound 101 sales desk\n")
	})
	for name, header := range map[string]string{
		"none": "", "unknown": "Bearer nobody", "not bearer": "Basic any-tenant", "no token": "Bearer ", "cut": "Bearer any-tenan", "two": "Bearer any-tenant x",
	} {
		t.Run(name, func(t *testing.T) {
			res, a := b.ask(t, with(post(structured, event("e1", "")), "Authorization", header))
			require.Equal(t, http.StatusUnauthorized, res.StatusCode)
			require.Equal(t, "UNAUTHENTICATED", a.Code)
			require.Contains(t, res.Header.Get("WWW-Authenticate"), "Bearer")
		})
	}
	require.Empty(t, b.publisher.ids())

	res, _ := b.ask(t, with(post(structured, event("e1", `,"tenantdbid":7`)), "Authorization", "bearer any-tenant"))
	require.Equal(t, http.StatusAccepted, res.StatusCode, "the scheme's case does not matter")
	require.Equal(t, int64(7), *b.encoder.events[0].TenantDBID)

	res, a := b.ask(t, with(post(batch, "["+event("e2", "")+","+event("e3", `,"tenantdbid":102`)+","+event("e4", `,"tenantdbid":101`)+"]"), "Authorization", "Bearer bound"))
	require.Equal(t, http.StatusMultiStatus, res.StatusCode)
	require.Equal(t, []int{202, 403, 202}, statuses(a))
	require.Equal(t, []fieldError{{"tenantdbid", "names another tenant than the token is bound to", 1}}, a.Events[1].Problem.Errors)
	require.Equal(t, []string{"e1", "e2", "e4"}, b.publisher.ids())
	require.Equal(t, int64(101), *b.encoder.events[1].TenantDBID, "stamped from the token")
}

func TestTracingGoesOn(t *testing.T) {
	t.Parallel()
	headers := func(r kafka.Record) map[string]string {
		m := map[string]string{}
		for _, h := range r.Headers {
			m[h.Key] = string(h.Value)
		}
		return m
	}
	b := setup(t, nil)
	b.ask(t, post(structured, event("e1", `,"traceparent":"00-event","tracestate":"a=1"`)))
	require.Equal(t, map[string]string{"traceparent": "00-event", "tracestate": "a=1"}, headers(b.publisher.records[0]))
	require.Empty(t, b.encoder.events[0].Extensions)
	b.ask(t, with(post(structured, event("e2", `,"traceparent":"00-event","tracestate":"a=1"`)), "traceparent", "00-request"))
	require.Equal(t, map[string]string{"traceparent": "00-request"}, headers(b.publisher.records[1]), "the request is the later span")
	b.ask(t, post(structured, event("e3", "")))
	require.Empty(t, headers(b.publisher.records[2]))
}
