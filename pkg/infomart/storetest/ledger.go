package storetest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/infomart"
)

func entry(id string, state infomart.SendState) infomart.LedgerEntry {
	return infomart.LedgerEntry{ID: id, ServiceID: "s", Sequence: 1, State: state}
}

func (b *bundle) entries(t *testing.T, ids ...string) map[string]infomart.LedgerEntry {
	t.Helper()
	found, err := b.Entries(t.Context(), ids)
	require.NoError(t, err)
	return found
}

func testLedger(t *testing.T, b *bundle) {
	require.Empty(t, b.entries(t, "s/1", "s/2"))
	require.Empty(t, b.entries(t))

	sending := entry("s/1", infomart.StateSending)
	sending.ReferenceID = 7
	require.NoError(t, b.Sending(t.Context(), []infomart.LedgerEntry{sending, entry("s/2", infomart.StateSending)}))
	sending.Attempts = 1
	require.Equal(t, map[string]infomart.LedgerEntry{"s/1": sending}, b.entries(t, "s/1", "s/9"))

	sending.ReferenceID = 8 // sent again after a crash: the second attempt
	require.NoError(t, b.Sending(t.Context(), []infomart.LedgerEntry{sending}))
	sending.Attempts = 2
	require.Equal(t, sending, b.entries(t, "s/1")["s/1"])

	acked := sending
	acked.State = infomart.StateAcked
	refused := entry("s/2", infomart.StateRefused)
	refused.ErrorCode = 415
	to := infomart.Position{Next: 4, LastOffset: 3, LastID: "s/4", LastTime: at(Start)}
	require.NoError(t, b.Settle(t.Context(), Key, nil, to, []infomart.LedgerEntry{
		acked, refused, entry("s/3", infomart.StateSkippedOld), entry("s/4", infomart.StateDisabled), entry("s/5", infomart.StateCallGone),
	}))
	found := b.entries(t, "s/1", "s/2", "s/3", "s/4", "s/5")
	require.Equal(t, acked, found["s/1"])
	refused.Attempts = 1
	require.Equal(t, refused, found["s/2"])
	require.Equal(t, entry("s/3", infomart.StateSkippedOld), found["s/3"], "never sent")
	require.Equal(t, infomart.StateDisabled, found["s/4"].State)
	require.Equal(t, infomart.StateCallGone, found["s/5"].State)
	position, ok, err := b.Position(t.Context(), Key)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, to, position)
	require.EqualValues(t, 5, b.counts(t).Tables["RINGBACK_TSERVER_LEDGER"])
}

// testLedgerSettled: invariant 8. What has ended is not sent again.
func testLedgerSettled(t *testing.T, b *bundle) {
	to := infomart.Position{Next: 1, LastTime: at(Start)}
	require.NoError(t, b.Sending(t.Context(), []infomart.LedgerEntry{entry("s/1", infomart.StateSending)}))
	require.NoError(t, b.Settle(t.Context(), Key, nil, to, []infomart.LedgerEntry{entry("s/1", infomart.StateAcked)}))
	err := b.Sending(t.Context(), []infomart.LedgerEntry{entry("s/2", infomart.StateSending), entry("s/1", infomart.StateSending)})
	require.ErrorIs(t, err, infomart.ErrPositionMoved)
	require.Empty(t, b.entries(t, "s/2"), "all or nothing")

	after := infomart.Position{Next: 2, LastTime: at(Start)}
	require.NoError(t, b.Settle(t.Context(), Key, &to, after, []infomart.LedgerEntry{entry("s/1", infomart.StateSkippedOld)}))
	require.Equal(t, infomart.StateAcked, b.entries(t, "s/1")["s/1"].State, "it stays as it ended")
}

func testLedgerPosition(t *testing.T, b *bundle) {
	first := infomart.Position{Next: 1, LastTime: at(Start)}
	require.NoError(t, b.Settle(t.Context(), Key, nil, first, nil))
	for _, expected := range []*infomart.Position{nil, {Next: 9}} {
		err := b.Settle(t.Context(), Key, expected, infomart.Position{Next: 2, LastTime: at(Start)}, []infomart.LedgerEntry{entry("s/1", infomart.StateAcked)})
		require.ErrorIs(t, err, infomart.ErrPositionMoved)
	}
	require.Empty(t, b.entries(t, "s/1"))
}

func testLedgerHostileIDs(t *testing.T, b *bundle) {
	ids := []string{"", "a\x00b/1", "\xff/1", strings.Repeat("x", 5000) + "/1", strings.Repeat("x", 5000) + "/2", strings.Repeat("ä", 200), "50%/1"}
	var entries []infomart.LedgerEntry
	for _, id := range ids {
		e := entry(id, infomart.StateSending)
		e.ServiceID = id
		entries = append(entries, e)
	}
	require.NoError(t, b.Sending(t.Context(), entries))
	found := b.entries(t, ids...)
	require.Len(t, found, len(ids))
	for _, id := range ids {
		require.Equal(t, id, found[id].ID)
		require.Equal(t, id, found[id].ServiceID)
	}
}
