package producer_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzBatchBody(f *testing.F) {
	f.Add([]byte("["+event("e1", "")+",7]"), true)
	f.Add([]byte(event("e1", `,"data":{"ewt":1}`)), false)
	f.Add([]byte("[]"), true)
	f.Fuzz(func(t *testing.T, body []byte, many bool) {
		b := setup(t, nil)
		r := httptest.NewRequest(http.MethodPost, "/v1/events", bytes.NewReader(body))
		r.Header.Set("Content-Type", map[bool]string{true: batch, false: structured}[many])
		res, a := b.ask(t, r) // the answer is as documented, whatever the body is
		require.Len(t, b.publisher.ids(), a.Accepted, "what is accepted is written, and no more")
		require.Less(t, res.StatusCode, 500)
	})
}

func FuzzBinaryHeaders(f *testing.F) {
	f.Add("Ce-Partner", "p", "{}")
	f.Add("Ce-", "%", `{"ewt":1}`)
	f.Add("Ce-Id", `"\"`, "")
	f.Add("Content-Type", "a/b;c", "x")
	f.Fuzz(func(t *testing.T, name, value, body string) {
		b := setup(t, nil)
		r := binary("e1", body)
		r.Header[http.CanonicalHeaderKey(name)] = []string{value}
		res, a := b.ask(t, r)
		require.Len(t, b.publisher.ids(), a.Accepted)
		require.Less(t, res.StatusCode, 500)
	})
}
