package admin_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/admin"
)

// Where there are no tokens, as in ringback run, it is for the machine's own user alone (invariant 7).
func TestLocal(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		from, origin string
		want         int
	}{
		{"127.0.0.1:5", "", http.StatusNoContent},
		{"[::1]:5", "", http.StatusNoContent},
		{"[::ffff:127.0.0.1]:5", "", http.StatusNoContent},
		{"192.0.2.1:5", "", http.StatusForbidden},
		{"", "", http.StatusForbidden},
		{"127.0.0.1:5", "https://elsewhere.example", http.StatusForbidden},
	} {
		h := admin.Local(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
		r := httptest.NewRequest(http.MethodPost, admin.AcceptPath, nil)
		r.RemoteAddr = tc.from
		if tc.origin != "" {
			r.Header.Set("Origin", tc.origin)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, tc.want, w.Code, "%+v", tc)
	}
}

func TestAcceptHandler(t *testing.T) {
	t.Parallel()
	const good = `{"topic": "t", "partition": 0, "upTo": 4711}`
	for name, tc := range map[string]struct {
		method, body string
		err          error
		code         int
		answer       string
	}{
		"accepted":        {http.MethodPost, good, nil, 200, `{"topic":"t","partition":0,"upTo":4711}`},
		"another method":  {http.MethodGet, "", nil, 405, "only POST"},
		"no JSON":         {http.MethodPost, "upTo=3", nil, 400, "the body must be"},
		"unknown field":   {http.MethodPost, `{"topic": "t", "partition": 0, "offset": 1}`, nil, 400, "offset"},
		"missing fields":  {http.MethodPost, `{}`, nil, 400, "topic is missing\\npartition is missing\\nupTo is missing"},
		"not paused":      {http.MethodPost, good, errors.New("the partition is not paused"), 409, "not paused"},
		"another member":  {http.MethodPost, good, fmt.Errorf("x: %w", admin.ErrNotOwned), 404, "not assigned to this member"},
		"too long a body": {http.MethodPost, `{"topic": "` + strings.Repeat("x", 5000), nil, 400, "the body must be"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			called := 0
			h := admin.AcceptHandler(func(topic string, partition int32, upTo int64) error {
				called++
				require.Equal(t, "t/0/4711", fmt.Sprintf("%s/%d/%d", topic, partition, upTo))
				return tc.err
			})
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(tc.method, admin.AcceptPath, strings.NewReader(tc.body)))
			require.Equal(t, tc.code, w.Code)
			require.Contains(t, w.Body.String(), tc.answer)
			require.Equal(t, tc.code == 200 || tc.err != nil, called == 1)
			if tc.code != 200 {
				require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
			}
		})
	}
}
