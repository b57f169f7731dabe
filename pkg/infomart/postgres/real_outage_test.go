//go:build realpostgres

package postgres_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/postgres"
	"github.com/ringback/ringback/pkg/infomart/storetest"
)

func open(t *testing.T, d *database) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), d.config())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// TestRealSessionKilled: invariants 5 and 7. The server ends the session between the
// writing and the commit: nothing is there, and the same batch goes in afterwards.
func TestRealSessionKilled(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.application = "killed-" + strings.ReplaceAll(d.schema, " ", "-")
	s := open(t, d)
	batch := storetest.Batch(nil, storetest.UserEvent("s1", 1, false), storetest.UserEvent("s1", 2, true))
	_, err := s.Apply(t.Context(), batch, func(context.Context, []infomart.Rejection) error {
		return d.Exec(fmt.Sprintf("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '%s'", d.application))
	})
	require.Equal(t, fault.Outage, fault.ClassOf(err), "%v", err)
	counts, err := s.Counts(t.Context())
	if err != nil { // the reading sessions were ended too; database/sql makes new ones
		counts, err = s.Counts(t.Context())
	}
	require.NoError(t, err)
	require.Zero(t, counts.Facts+counts.CustomData)
	_, found, err := s.Position(t.Context(), storetest.Key)
	require.NoError(t, err)
	require.False(t, found)
	result, err := s.Apply(t.Context(), batch, nil)
	require.NoError(t, err)
	require.Equal(t, infomart.Result{Applied: 2}, result)
}

func TestRealMisconfiguration(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	u, err := url.Parse(d.url)
	require.NoError(t, err)
	for name, change := range map[string]func(u *url.URL){
		"database": func(u *url.URL) { u.Path = "/no-such-database" },
		"role":     func(u *url.URL) { u.User = url.User("no-such-role") },
	} {
		other := *u
		change(&other)
		_, err := postgres.Open(t.Context(), postgres.Config{URL: postgres.Secret(other.String())})
		require.Equal(t, fault.Misconfiguration, fault.ClassOf(err), "%s: %v", name, err)
	}

	latin := fmt.Sprintf("latin%d", os.Getpid())
	require.NoError(t, d.Exec("CREATE DATABASE "+latin+" ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"))
	t.Cleanup(func() { require.NoError(t, d.Exec("DROP DATABASE "+latin)) })
	other := *u
	other.Path = "/" + latin
	_, err = postgres.Open(t.Context(), postgres.Config{URL: postgres.Secret(other.String())})
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	require.ErrorContains(t, err, "LATIN1")

	_, err = postgres.OpenReader(t.Context(), d.config())
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err), "a reader makes no store")

	s := open(t, d)
	require.NoError(t, d.Exec("DROP TABLE G_CUSTOM_DATA_S"))
	_, err = s.Apply(t.Context(), storetest.Batch(nil, storetest.UserEvent("s1", 1, false)), nil)
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err), "%v", err)
}

// TestRealReaderWritesNothing: what reads cannot change the store.
func TestRealReaderWritesNothing(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	s := open(t, d)
	for _, err := range s.Rows(t.Context(), "DELETE FROM CALLBACK_FACT RETURNING 1") {
		require.ErrorContains(t, err, "read-only")
	}
}

// TestRealOpenAtOnce: migrations take turns.
func TestRealOpenAtOnce(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	var group errgroup.Group
	for range 4 {
		group.Go(func() error {
			s, err := postgres.Open(context.Background(), d.config())
			if err != nil {
				return err
			}
			return s.Close()
		})
	}
	require.NoError(t, group.Wait())
}

// TestRealGuideQuery: in a schema named dbo the guide's own query runs.
func TestRealGuideQuery(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	s, err := postgres.Open(t.Context(), postgres.Config{URL: postgres.Secret(d.url), MaxConns: 2})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	conn, err := pgx.Connect(t.Context(), d.url)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.Background())) }()
	_, err = conn.Exec(t.Context(), "SELECT * FROM dbo. CALLBACK_FACT")
	require.NoError(t, err)
}

// TestRealNoStatementScans: the cost of a batch must not grow with what is stored. The
// server counts how many rows and index entries were read; walking through a table for
// each batch would make that many times as many as were written.
func TestRealNoStatementScans(t *testing.T) {
	t.Parallel()
	const batches, size = 10, 500
	d := newDatabase(t)
	s := open(t, d)
	for _, group := range []string{"first", "again"} {
		var position *infomart.Position
		for n := range batches {
			var events []*callback.UserEvent
			for i := range size {
				events = append(events, storetest.Ordinary(fmt.Sprintf("s%d-%d", n, i/2), int32(1+i%2), i))
			}
			batch := storetest.Batch(position, events...)
			batch.Group = group
			result, err := s.Apply(t.Context(), batch, nil)
			require.NoError(t, err)
			require.Equal(t, size, result.Applied+result.AlreadyApplied)
			position = &batch.To
		}
	}
	require.NoError(t, s.Close()) // its sessions report what they did when they end
	rows := d.Rows(t, fmt.Sprintf(`SELECT relname, seq_tup_read, idx_tup_fetch, (SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes i WHERE i.relid = t.relid) AS entries
		FROM pg_stat_user_tables t WHERE schemaname = '%s'`, d.schema))
	require.NotEmpty(t, rows)
	for _, row := range rows {
		require.Less(t, row["SEQ_TUP_READ"], int64(10), "%v", row)
		if entries, ok := row["ENTRIES"].(int64); ok {
			require.Less(t, entries, int64(4*batches*size), "%v", row)
		}
	}
}
