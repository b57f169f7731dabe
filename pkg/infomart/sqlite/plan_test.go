package sqlite

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/storetest"
)

func openStore(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "infomart.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// TestNoStatementScans: the cost of a batch must not grow with what is stored. Every
// statement that a writing store has used finds its rows by an index.
func TestNoStatementScans(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	missing := storetest.Minimal("s2", 1)
	missing.KVPs[callback.KeyTCallbackOffered].Set = false
	named := storetest.Minimal("s3", 1)
	named.KVPs.SetStr(callback.KeyDimVQ, "VQ", -1)
	batch := storetest.Batch(nil, storetest.UserEvent("s1", 2, true), storetest.UserEvent("s1", 2, true), missing, named)
	_, err := s.Apply(t.Context(), batch, nil)
	require.NoError(t, err)
	_, err = s.Apply(t.Context(), storetest.Batch(&batch.To, named), nil)
	require.NoError(t, err)
	entries := []infomart.LedgerEntry{{ID: "s1/1", State: infomart.StateSending}}
	require.NoError(t, s.Sending(t.Context(), entries))
	_, err = s.Entries(t.Context(), []string{"s1/1"})
	require.NoError(t, err)
	require.NoError(t, s.Settle(t.Context(), infomart.PositionKey{Group: "t"}, nil, infomart.Position{}, entries))

	require.Greater(t, len(s.session.statements), 20)
	tables := infomart.Tables()
	db := s.Reader.db
	for statement := range s.session.statements {
		if !strings.Contains(statement, " ") || strings.Contains(statement, "facts") || strings.Contains(statement, "dimensions") || strings.HasPrefix(statement, "BEGIN") {
			continue
		}
		rows, err := db.QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+statement, make([]any, strings.Count(statement, "?"))...)
		require.NoError(t, err, statement)
		for rows.Next() {
			var id, parent, unused int
			var detail string
			require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
			for _, table := range tables {
				require.NotContains(t, detail, "SCAN "+table, statement)
			}
			require.NotRegexp(t, `SCAN [a-z]\b`, detail, statement)
		}
		require.NoError(t, rows.Close())
	}
}

// TestFullDiskIsAnOutage: SQLite may roll back by itself; the store goes on once there is room.
func TestFullDiskIsAnOutage(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	first := storetest.Batch(nil, storetest.UserEvent("s1", 1, false))
	_, err := s.Apply(t.Context(), first, nil)
	require.NoError(t, err)
	limit := func(db *session) error {
		pages, err := db.number("PRAGMA page_count")
		require.NoError(t, err)
		_, err = db.query("PRAGMA max_page_count = " + strconv.FormatInt(pages+1, 10))
		return err
	}
	require.NoError(t, s.transaction(t.Context(), "limit", limit))
	var events []*callback.UserEvent
	for i := range 200 {
		events = append(events, storetest.UserEvent("full"+strconv.FormatInt(int64(i), 10), 1, false))
	}
	batch := storetest.Batch(&first.To, events...)
	_, err = s.Apply(t.Context(), batch, nil)
	require.Equal(t, fault.Outage, fault.ClassOf(err), "%v", err)
	counts, err := s.Counts(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, counts.Facts)

	require.NoError(t, s.transaction(t.Context(), "unlimit", func(db *session) error {
		_, err := db.query("PRAGMA max_page_count = 1000000")
		return err
	}))
	result, err := s.Apply(t.Context(), batch, nil)
	require.NoError(t, err)
	require.Equal(t, 200, result.Applied)
}

// TestManySetsOfKVPs: a UserEvent's rows are the same whether its set of KVPs has a
// statement of its own or is one too many.
func TestManySetsOfKVPs(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	var events []*callback.UserEvent
	optional := []callback.KVP{
		callback.KeyTDial1, callback.KeyTDial2, callback.KeyTDial3, callback.KeyTDial4, callback.KeyTDial5,
		callback.KeyTenantDBID, callback.KeyNIsSnoozed, callback.KeyDLastCallbackOffer, callback.KeyTServiceEnd,
	}
	for i := range maxCustomStatements + 50 {
		u := storetest.Minimal(strconv.Itoa(i), 1)
		for bit, k := range optional {
			if i>>bit&1 == 1 {
				u.KVPs.SetInt(k, int64(i), -1)
			}
		}
		events = append(events, u)
	}
	_, err := s.Apply(t.Context(), storetest.Batch(nil, events...), nil)
	require.NoError(t, err)
	require.Equal(t, maxCustomStatements, len(s.customs))                       //nolint:testifylint // Len prints the map
	for _, u := range append(events[:20], events[maxCustomStatements-20:]...) { // kept statements, and those past the limit
		want := make(map[string]string)
		for k := range callback.KVP(callback.NumKVPs) {
			if u.KVPs[k].Set {
				want[k.String()] = u.KVPs.Text(k)
			}
		}
		have, err := s.CustomData(t.Context(), u.ServiceID(), 1)
		require.NoError(t, err)
		require.Equal(t, want, have, u.ServiceID())
	}
}
