package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/gateway"
	"github.com/ringback/ringback/pkg/kvlist"
)

func userEvent() gateway.UserEvent {
	return gateway.UserEvent{
		Switch: "SIP_Switch", DN: "REPORTING", ReferenceID: 431, IdempotencyKey: "S-1/2",
		UserData: []kvlist.Pair{kvlist.Str("_CB_SERVICE_ID", "S-1"), kvlist.Int("_CB_FINAL_RECORD", 1)},
	}
}

func callData() gateway.CallData {
	return gateway.CallData{Switch: "SIP_Switch", IxnID: "02A7/01", ReferenceID: 431, UserData: userEvent().UserData}
}

func client(t *testing.T, handler http.HandlerFunc) *gateway.Client {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	c, err := gateway.New(gateway.Config{URL: s.URL})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

const (
	ack        = `{"message":"EventACK","referenceId":431,"eventSequenceNumber":"0000000000000ef8"}`
	eventError = `{"message":"EventError","referenceId":431,"errorCode":71,"errorMessage":"no such DN"}`
)

func TestAck(t *testing.T) {
	t.Parallel()
	c := client(t, answer(200, "application/json", ack))
	want := gateway.Ack{ReferenceID: 431, EventSequenceNumber: "0000000000000ef8"}
	got, err := c.Distribute(t.Context(), userEvent())
	require.NoError(t, err)
	require.Equal(t, want, got)
	got, err = c.UpdateUserData(t.Context(), callData())
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestEventErrorIsToldFromAFailureOfHTTP(t *testing.T) {
	t.Parallel()
	c := client(t, answer(422, "application/json", eventError))
	var refused *gateway.EventError
	_, err := c.Distribute(t.Context(), userEvent())
	require.ErrorAs(t, err, &refused)
	require.Equal(t, gateway.EventError{Code: 71, Message: "no such DN"}, *refused)
	require.EqualError(t, err, "gateway: distribute user event: EventError 71: no such DN")
	_, err = c.UpdateUserData(t.Context(), callData())
	require.ErrorAs(t, err, &refused)

	c = client(t, answer(410, "application/json", eventError))
	_, err = c.UpdateUserData(t.Context(), callData())
	require.ErrorIs(t, err, gateway.ErrCallGone)
}

// Invariant 7: what is not T-Server's answer is never taken for bad data. Invariant 8: and never for an
// acknowledgement.
func TestErrorClasses(t *testing.T) {
	t.Parallel()
	problem := `{"type":"about:blank","title":"Bad Request","status":400,"errors":[{"pointer":"/dn","detail":"is missing"}]}`
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		class   fault.Class
		text    string
	}{
		"500":                {answer(500, "text/plain", "oops"), fault.Outage, "HTTP 500 Internal Server Error"},
		"502 of a proxy":     {answer(502, "text/html", "<html>"), fault.Outage, "HTTP 502"},
		"503":                {answer(503, "application/problem+json", `{"title":"away"}`), fault.Outage, "HTTP 503 Service Unavailable: away"},
		"408":                {answer(408, "text/plain", ""), fault.Outage, "HTTP 408"},
		"429":                {answer(429, "text/plain", ""), fault.Outage, "HTTP 429"},
		"200 with a page":    {answer(200, "text/html", "<html>welcome</html>"), fault.Outage, "HTTP 200 without an EventACK"},
		"200 with nothing":   {answer(200, "application/json", ""), fault.Outage, "HTTP 200 without an EventACK"},
		"200 EventError":     {answer(200, "application/json", eventError), fault.Outage, "HTTP 200 without an EventACK"},
		"200 no reference":   {answer(200, "application/json", `{"message":"EventACK"}`), fault.Outage, "HTTP 200 without an EventACK"},
		"another reference":  {answer(200, "application/json", strings.Replace(ack, "431", "430", 1)), fault.Outage, "EventACK of another reference id"},
		"error of another":   {answer(422, "application/json", strings.Replace(eventError, "431", "430", 1)), fault.Outage, "EventError of another reference id"},
		"202":                {answer(202, "application/json", ack), fault.Outage, "HTTP 202"},
		"cut answer":         {cut, fault.Outage, "no answer"},
		"closed connection":  {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, fault.Outage, "no answer"},
		"302":                {redirect, fault.Misconfiguration, "the gateway's URL is another one"},
		"400":                {answer(400, "application/problem+json", problem), fault.Misconfiguration, "does not keep the contract: Bad Request; /dn: is missing"},
		"401":                {answer(401, "text/plain", ""), fault.Misconfiguration, "refuses the token"},
		"403":                {answer(403, "text/plain", ""), fault.Misconfiguration, "refuses the token"},
		"404":                {answer(404, "text/plain", ""), fault.Misconfiguration, "no gateway at this URL"},
		"404 EventError":     {answer(404, "application/json", eventError), fault.Misconfiguration, "no gateway at this URL"},
		"405":                {answer(405, "text/plain", ""), fault.Misconfiguration, "does not keep the contract"},
		"422 of a proxy":     {answer(422, "text/plain", "no"), fault.Misconfiguration, "does not keep the contract"},
		"422 without a code": {answer(422, "application/json", `{"message":"EventError","referenceId":431}`), fault.Misconfiguration, "does not keep the contract"},
		"410 on no call":     {answer(410, "application/json", eventError), fault.Misconfiguration, "does not keep the contract"},
		"413":                {answer(413, "text/plain", ""), fault.BadData, "REFUSED: the gateway takes no request of this size"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := client(t, c.handler).Distribute(t.Context(), userEvent())
			require.ErrorContains(t, err, c.text)
			require.Equal(t, c.class, fault.ClassOf(err), err)
			var refused *gateway.EventError
			require.False(t, errors.As(err, &refused))
			require.NotErrorIs(t, err, gateway.ErrCallGone)
		})
	}
}

func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, ack)
}

func redirect(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
}

func TestRefusedConnectionIsAnOutage(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	c, err := gateway.New(gateway.Config{URL: "http://" + l.Addr().String()})
	require.NoError(t, err)
	_, err = c.Distribute(t.Context(), userEvent())
	require.Equal(t, fault.Outage, fault.ClassOf(err))
	require.Equal(t, fault.Outage, fault.ClassOf(c.Health(t.Context())))
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTimeoutIsAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		silent := gateway.WithTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}))
		c, err := gateway.New(gateway.Config{URL: "http://gateway", Timeout: 3 * time.Second}, silent)
		require.NoError(t, err)
		began := time.Now()
		_, err = c.Distribute(t.Context(), userEvent())
		require.Equal(t, 3*time.Second, time.Since(began))
		require.Equal(t, fault.Outage, fault.ClassOf(err))
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestCancelledSendSaysSo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := client(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	})
	_, err := c.Distribute(ctx, userEvent())
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, fault.Outage, fault.ClassOf(err))
}

// Invariant 10: neither an error's text nor EventError's shows what was sent, or a number that the other end repeats.
func TestErrorTextsShowNoPersonalData(t *testing.T) {
	t.Parallel()
	const number = "+49 (40) 123-4567"
	e := userEvent()
	e.ANI, e.UserData = number, []kvlist.Pair{kvlist.Str("_CB_CUSTOMER_PHONE_NUMBER", number)}
	for name, body := range map[string]struct {
		status int
		body   string
		text   string
	}{
		"EventError": {422, `{"message":"EventError","referenceId":431,"errorCode":71,"errorMessage":"DN ` + number + ` is\nnot known at node 12"}`,
			"gateway: distribute user event: EventError 71: DN +# is not known at node 12"},
		"problem": {400, `{"title":"Bad Request","errors":[{"pointer":"/ani","detail":"` + number + ` is wrong"}]}`,
			"gateway: distribute user event: HTTP 400 Bad Request: the gateway does not keep the contract: Bad Request; /ani: +# is wrong"},
		"long": {422, `{"message":"EventError","referenceId":431,"errorCode":71,"errorMessage":"` + strings.Repeat("x", 900) + `"}`,
			"gateway: distribute user event: EventError 71: " + strings.Repeat("x", 200)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			contentType := "application/json"
			if body.status == 400 {
				contentType = "application/problem+json"
			}
			_, err := client(t, answer(body.status, contentType, body.body)).Distribute(t.Context(), e)
			require.EqualError(t, err, body.text)
		})
	}
}

// What the contract cannot carry is bad data before it is sent: the gateway would refuse it for ever, and its
// neighbours would wait behind it (invariant 7).
func TestWhatTheContractCannotCarryIsBadData(t *testing.T) {
	t.Parallel()
	c := client(t, func(http.ResponseWriter, *http.Request) { t.Error("was sent") })
	for name, change := range map[string]func(*gateway.UserEvent){
		"no switch":            func(e *gateway.UserEvent) { e.Switch = "" },
		"no DN":                func(e *gateway.UserEvent) { e.DN = "" },
		"long ANI":             func(e *gateway.UserEvent) { e.ANI = strings.Repeat("ä", 256) },
		"long DNIS":            func(e *gateway.UserEvent) { e.DNIS = strings.Repeat("1", 256) },
		"long idempotency key": func(e *gateway.UserEvent) { e.IdempotencyKey = strings.Repeat("1", 1025) },
		"negative reference":   func(e *gateway.UserEvent) { e.ReferenceID = -1 },
		"no user data":         func(e *gateway.UserEvent) { e.UserData = nil },
		"too many pairs":       func(e *gateway.UserEvent) { e.UserData = make([]kvlist.Pair, 65536) },
		"no key":               func(e *gateway.UserEvent) { e.UserData = []kvlist.Pair{kvlist.Str("", "v")} },
		"long value":           func(e *gateway.UserEvent) { e.UserData = []kvlist.Pair{kvlist.Str("k", strings.Repeat("x", 65536))} },
		"33 bits":              func(e *gateway.UserEvent) { e.UserData = []kvlist.Pair{kvlist.Int("k", 1<<31)} },
		"a list":               func(e *gateway.UserEvent) { e.UserData = []kvlist.Pair{{Key: "k", Kind: kvlist.List}} },
	} {
		e := userEvent()
		change(&e)
		_, err := c.Distribute(t.Context(), e)
		var bad *callback.BadRecord
		require.ErrorAs(t, err, &bad, name)
		require.Equal(t, callback.ReasonRefused, bad.Reason, name)
		require.Equal(t, fault.BadData, fault.ClassOf(err), name)
	}
	for name, id := range map[string]string{"no call": "", "long call": strings.Repeat("x", 1025)} {
		d := callData()
		d.IxnID = id
		_, err := c.UpdateUserData(t.Context(), d)
		require.Equal(t, fault.BadData, fault.ClassOf(err), name)
	}
}

func TestCallIsEscapedInThePath(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"02A7-01", "a/b", "..", ".", "a b?c#d", "50%", "ü", "a\x00b"} {
		var got, path string
		mux := http.NewServeMux()
		mux.HandleFunc("POST /base/v1/calls/{id}/user-data", func(w http.ResponseWriter, r *http.Request) {
			got, path = r.PathValue("id"), r.URL.EscapedPath()
			answer(200, "application/json", ack)(w, r)
		})
		s := httptest.NewServer(mux)
		c, err := gateway.New(gateway.Config{URL: s.URL + "/base/"})
		require.NoError(t, err)
		d := callData()
		d.IxnID = id
		_, err = c.UpdateUserData(t.Context(), d)
		require.NoError(t, err, "%q: %s", id, path)
		require.Equal(t, id, got)
		c.Close()
		s.Close()
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg  gateway.Config
		text string
	}{
		"no URL":           {gateway.Config{}, "gateway: TSERVER_GATEWAY_URL: must be http://host:port or https://host:port"},
		"no scheme":        {gateway.Config{URL: "localhost:8090"}, "TSERVER_GATEWAY_URL: must be http"},
		"credentials":      {gateway.Config{URL: "http://user:secret@host"}, "must not hold credentials"},
		"query":            {gateway.Config{URL: "http://host?token=secret"}, "must not have a query"},
		"several":          {gateway.Config{URL: "x", Timeout: -1, MaxConnections: -1}, "TSERVER_GATEWAY_TIMEOUT: must not be negative\nTSERVER_GATEWAY_MAX_CONNECTIONS: must not be negative"},
		"no token file":    {gateway.Config{URL: "http://host", TokenFile: filepath.Join(t.TempDir(), "none")}, "gateway: token file: "},
		"empty token":      {gateway.Config{URL: "http://host", TokenFile: tokenFile(t, " \n")}, "is empty"},
		"two-line token":   {gateway.Config{URL: "http://host", TokenFile: tokenFile(t, "a\nb\n")}, "holds more than one line"},
		"token with blank": {gateway.Config{URL: "http://host", TokenFile: tokenFile(t, "a b")}, "holds more than one line"},
	} {
		_, err := gateway.New(c.cfg)
		require.ErrorContains(t, err, c.text, name)
		require.Equal(t, fault.Misconfiguration, fault.ClassOf(err), name)
		require.NotContains(t, err.Error(), "secret", name)
	}
}

func tokenFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// A token that was replaced while the client runs is taken up with the first answer that refuses the old one.
func TestTokenIsReadAgainWhenItIsRefused(t *testing.T) {
	t.Parallel()
	var (
		mu    sync.Mutex
		seen  []string
		valid = "one"
	)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		seen = append(seen, fmt.Sprintf("%s %d", r.Header.Get("Authorization"), len(body)))
		if r.Header.Get("Authorization") != "Bearer "+valid {
			answer(401, "text/plain", "")(w, r)
			return
		}
		answer(200, "application/json", ack)(w, r)
	}))
	defer s.Close()
	file := tokenFile(t, "one\n")
	c, err := gateway.New(gateway.Config{URL: s.URL, TokenFile: file})
	require.NoError(t, err)
	_, err = c.Distribute(t.Context(), userEvent())
	require.NoError(t, err)

	mu.Lock()
	valid = "two"
	mu.Unlock()
	_, err = c.Distribute(t.Context(), userEvent())
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	require.NotContains(t, err.Error(), "one")

	require.NoError(t, os.WriteFile(file, []byte("two"), 0o600))
	_, err = c.Distribute(t.Context(), userEvent())
	require.NoError(t, err)
	size := seen[0][len("Bearer one"):]
	require.Equal(t, []string{"Bearer one" + size, "Bearer one" + size, "Bearer one" + size, "Bearer two" + size}, seen)
}

// Connections are kept: 50 times 8 sends at once open 8, and few more, since the transport gives one up whose answer
// outruns the end of its request.
func TestConnectionsAreUsedAgain(t *testing.T) {
	t.Parallel()
	const senders, rounds = 8, 50
	var (
		conns  atomic.Int32
		inside = make(chan struct{}, senders)
		leave  = make(chan struct{})
	)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inside <- struct{}{}
		<-leave
		answer(200, "application/json", ack)(w, r)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	c, err := gateway.New(gateway.Config{URL: s.URL})
	require.NoError(t, err)
	for range rounds {
		var sending sync.WaitGroup
		for range senders {
			sending.Go(func() {
				if _, err := c.Distribute(context.Background(), userEvent()); err != nil {
					t.Error(err)
				}
			})
		}
		for range senders {
			<-inside
		}
		for range senders {
			leave <- struct{}{}
		}
		sending.Wait()
	}
	require.Less(t, conns.Load(), int32(senders*5))
}

func TestHealth(t *testing.T) {
	t.Parallel()
	require.NoError(t, client(t, answer(200, "application/json", `{"status":"ok"}`)).Health(t.Context()))
	require.Equal(t, fault.Outage, fault.ClassOf(client(t, answer(503, "text/plain", "")).Health(t.Context())))
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(client(t, answer(404, "text/plain", "")).Health(t.Context())))
}
