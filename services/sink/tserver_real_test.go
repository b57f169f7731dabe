//go:build realkafka && realpostgres

package sink_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/gateway"
	"github.com/ringback/ringback/pkg/infomart"
)

// distributor is a T-Server of which a test answers each send.
type distributor func(id string) error

func (d distributor) Distribute(_ context.Context, e gateway.UserEvent) (gateway.Ack, error) {
	return gateway.Ack{ReferenceID: e.ReferenceID}, d(e.IdempotencyKey)
}

func (d distributor) UpdateUserData(_ context.Context, c gateway.CallData) (gateway.Ack, error) {
	return gateway.Ack{ReferenceID: c.ReferenceID}, d(c.IdempotencyKey)
}

func (w *realWorld) entry(id string) infomart.LedgerEntry {
	w.Helper()
	entries, err := w.facts.Entries(context.Background(), []string{id})
	if err != nil {
		w.Error(err) // the sink's own goroutines come here too
	}
	return entries[id]
}

// Invariant 8: the ledger has a UserEvent as SENDING while it is sent, whose number of attempts explains each
// duplicate, and as ACKED only once it is acknowledged. Invariant 9: one without a mandatory KVP is sent like any
// other, and its dead letter is not this sink's.
func TestRealLedgerBeforeAndAfterTheSend(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	w.write(w.userEvent("a", 1), w.userEvent("b", 1), w.record("short", 1, incomplete))
	var mu sync.Mutex
	sends := map[string]int{}
	var early []string
	m := w.runTServer(distributor(func(id string) error {
		mu.Lock()
		defer mu.Unlock()
		sends[id]++
		if e := w.entry(id); e.State != infomart.StateSending || e.Attempts < sends[id] {
			early = append(early, fmt.Sprintf("send %d of %s: %+v", sends[id], id, e))
		}
		if sends[id] < 3 {
			return fault.Outagef("T-Server is away")
		}
		return nil
	}))
	w.done(m)
	require.Empty(t, early)
	require.Len(t, sends, 3)
	for id, n := range sends {
		require.Equal(t, 3, n, id)
		require.Equal(t, infomart.StateAcked, w.entry(id).State)
		require.GreaterOrEqual(t, w.entry(id).Attempts, n)
	}
	require.Equal(t, int64(3), balanced(t, m).Applied)
	require.Empty(t, w.allLetters())
}

// Invariant 8: while a UserEvent waits for its acknowledgement the next of its session is not sent; other sessions go on.
func TestRealOrderWithinASession(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	w.write(w.userEvent("a", 1), w.userEvent("a", 2), w.userEvent("b", 1))
	var mu sync.Mutex
	var sent []string
	refusals := 3
	m := w.runTServer(distributor(func(id string) error {
		mu.Lock()
		defer mu.Unlock()
		sent = append(sent, id)
		if id == "a/1" && refusals > 0 {
			refusals--
			return &gateway.EventError{Code: 41, Message: "passes"}
		}
		return nil
	}))
	w.done(m)
	mu.Lock()
	defer mu.Unlock()
	var ofA []string
	for _, id := range sent {
		if id != "b/1" {
			ofA = append(ofA, id)
		}
	}
	require.Equal(t, []string{"a/1", "a/1", "a/1", "a/1", "a/2"}, ofA)
	require.Contains(t, sent, "b/1")
}

// Invariant 8: HTTP 200 is no acknowledgement; an EventACK of this request's reference id is.
func TestRealOnlyItsOwnAcknowledgementCounts(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	w.write(w.userEvent("a", 1))
	var sends, early atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var body struct {
			ReferenceID int32 `json:"referenceId"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		n := sends.Add(1)
		if w.entry("a/1").State != infomart.StateSending {
			early.Add(1)
		}
		answer := fmt.Sprintf(`{"message":"EventACK","referenceId":%d,"eventSequenceNumber":"1"}`, body.ReferenceID)
		switch n {
		case 1:
			answer = fmt.Sprintf(`{"message":"EventACK","referenceId":%d,"eventSequenceNumber":"1"}`, body.ReferenceID+1)
		case 2:
			answer = `{}`
		}
		rw.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(rw, answer)
	}))
	defer server.Close()
	gw, err := gateway.New(gateway.Config{URL: server.URL})
	require.NoError(t, err)
	defer gw.Close()
	m := w.runTServer(gw)
	w.done(m)
	require.Equal(t, int64(3), sends.Load())
	require.Zero(t, early.Load())
	require.Equal(t, infomart.StateAcked, w.entry("a/1").State)
}

// Invariant 8: what was acknowledged is not sent again though it is read again; what was left SENDING is.
func TestRealReadAgainSendsOnlyWhatWasNotAcknowledged(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	w.write(w.userEvent("a", 1), w.userEvent("b", 1))
	var mu sync.Mutex
	var sent []string
	gw := distributor(func(id string) error {
		mu.Lock()
		defer mu.Unlock()
		sent = append(sent, id)
		return nil
	})
	m := w.runTServer(gw)
	w.done(m)
	require.NoError(t, m.stop())
	w.exec("DELETE FROM RINGBACK_POSITION; UPDATE RINGBACK_TSERVER_LEDGER SET STATE = 'SENDING' WHERE ID = 'b/1'")
	m = w.runTServer(gw)
	w.done(m)
	slices.Sort(sent)
	require.Equal(t, []string{"a/1", "b/1", "b/1"}, sent)
	c := balanced(t, m)
	require.Equal(t, int64(1), c.Applied)
	require.Equal(t, int64(1), c.AlreadyApplied)
	require.Equal(t, 2, w.entry("b/1").Attempts)
}
