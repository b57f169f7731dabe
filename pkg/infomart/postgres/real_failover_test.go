//go:build realpostgres

package postgres_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/postgres"
	"github.com/ringback/ringback/pkg/infomart/storetest"
)

// outlasts applies the batch, over the outages that a server's fall makes.
func outlasts(t *testing.T, s *postgres.Store, b infomart.Batch) infomart.Result {
	t.Helper()
	var err error
	for range 10 {
		var result infomart.Result
		if result, err = s.Apply(t.Context(), b, nil); err == nil {
			return result
		}
		require.Equal(t, fault.Outage, fault.ClassOf(err), "%v", err)
	}
	require.NoError(t, err)
	return infomart.Result{}
}

// TestRealPromotedServerLacksRows: a standby that takes over may lack the last
// transactions, and give the keys of their dimension rows to other rows. The position went
// with them, so they are read again; what is remembered of them must not be used.
func TestRealPromotedServerLacksRows(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.application = "promoted-" + strings.ReplaceAll(d.schema, " ", "-")
	s := open(t, d)
	web := storetest.Batch(nil, storetest.UserEvent("s1", 1, false))
	require.Equal(t, 1, outlasts(t, s, web).Applied)

	// The server falls, and the one in its place never had that batch.
	require.NoError(t, d.Exec("TRUNCATE CALLBACK_FACT, G_CUSTOM_DATA_S, CALLBACK_DIM_1, RINGBACK_POSITION RESTART IDENTITY"))
	require.NoError(t, d.Exec(fmt.Sprintf("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '%s'", d.application)))
	other := storetest.UserEvent("s2", 1, false)
	other.KVPs.SetStr(callback.KeyDimChannel, "IVR", -1)
	elsewhere := storetest.Batch(nil, other)
	elsewhere.Partition = 1
	require.Equal(t, 1, outlasts(t, open(t, d), elsewhere).Applied)

	require.Equal(t, 1, outlasts(t, s, web).Applied)
	rows := d.Rows(t, "SELECT SERVICE_ID, CHANNEL FROM CALLBACK_LATEST ORDER BY SERVICE_ID")
	require.Equal(t, []infomart.Row{{"SERVICE_ID": "s1", "CHANNEL": "WEB"}, {"SERVICE_ID": "s2", "CHANNEL": "IVR"}}, rows)
}

// TestRealStandby: invariant 7. Sessions of a server that takes writes no more are given
// up: new ones find the primary.
func TestRealStandby(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	name := fmt.Sprintf("standby%d", os.Getpid())
	require.NoError(t, d.Exec("CREATE DATABASE "+name))
	t.Cleanup(func() { require.NoError(t, d.Exec("DROP DATABASE "+name+" WITH (FORCE)")) })
	u, err := url.Parse(d.url)
	require.NoError(t, err)
	u.Path = "/" + name
	there := &database{url: u.String(), schema: "dbo"}
	s := open(t, there)
	require.NoError(t, d.Exec("ALTER DATABASE "+name+" SET default_transaction_read_only = on"))
	s.Reset() // every session is now as one of a standby
	batch := storetest.Batch(nil, storetest.UserEvent("s1", 1, false))
	_, err = s.Apply(t.Context(), batch, nil)
	require.Equal(t, fault.Outage, fault.ClassOf(err), "%v", err)
	require.NoError(t, d.Exec("ALTER DATABASE "+name+" SET default_transaction_read_only = off"))
	require.Equal(t, 1, outlasts(t, s, batch).Applied)
}

// TestRealSessionsOfASinkThatVanished: invariant 7. The server itself ends them, and with
// them the lock on the position, in a minute and not in hours.
func TestRealSessionsOfASinkThatVanished(t *testing.T) {
	t.Parallel()
	s := open(t, newDatabase(t))
	for name, want := range map[string]string{
		"tcp_keepalives_idle": "15", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3",
		"idle_in_transaction_session_timeout": "2min", "transaction_isolation": "read committed",
	} {
		got, err := s.Setting(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, want, got, name)
	}
}

// TestRealTimeout: invariant 7. A database that does not answer is away; the batch goes in
// once it does.
func TestRealTimeout(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	cfg := d.config()
	cfg.Timeout = 300 * time.Millisecond
	s, err := postgres.Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	first := storetest.Batch(nil, storetest.UserEvent("s1", 1, false))
	require.Equal(t, 1, outlasts(t, s, first).Applied)

	conn, err := pgx.Connect(t.Context(), d.url)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.Background())) }()
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "LOCK TABLE "+pgx.Identifier{d.schema}.Sanitize()+".ringback_position")
	require.NoError(t, err)
	next := storetest.Batch(&first.To, storetest.UserEvent("s2", 1, false))
	_, err = s.Apply(t.Context(), next, nil)
	require.Equal(t, fault.Outage, fault.ClassOf(err), "%v", err)
	_, _, err = s.Position(t.Context(), storetest.Key)
	require.Equal(t, fault.Outage, fault.ClassOf(err), "%v", err)
	require.NoError(t, tx.Rollback(t.Context()))
	require.Equal(t, 1, outlasts(t, s, next).Applied)
}

// TestRealColumnOfAnotherType: a column that someone has changed is no fault of the data:
// nothing is rejected, and the sink stops, or waits, and says why.
func TestRealColumnOfAnotherType(t *testing.T) {
	t.Parallel()
	for changed, class := range map[string]fault.Class{"smallint": fault.Misconfiguration, "bigint": fault.Outage} {
		d := newDatabase(t)
		s := open(t, d)
		require.NoError(t, d.Exec("DROP VIEW CALLBACK_LATEST"))
		require.NoError(t, d.Exec("ALTER TABLE CALLBACK_FACT ALTER COLUMN EWT_WHEN_OFFERED TYPE "+changed))
		_, err := s.Apply(t.Context(), storetest.Batch(nil, storetest.UserEvent("s1", 1, false)), func(_ context.Context, rejected []infomart.Rejection) error {
			require.Empty(t, rejected)
			return nil
		})
		require.Equal(t, class, fault.ClassOf(err), "%s: %v", changed, err)
	}
}

// TestRealTwoGroupsAtOnce: invariants 2 and 5. What another group's sink commits between
// the look at what is there and the COPY is found, and is no bad data.
func TestRealTwoGroupsAtOnce(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	first, second := open(t, d), open(t, d)
	batch := storetest.Batch(nil, storetest.UserEvent("s1", 1, false))
	other := batch
	other.Group = "other"
	var group errgroup.Group
	var late infomart.Result
	result, err := first.Apply(t.Context(), batch, func(context.Context, []infomart.Rejection) error {
		group.Go(func() (err error) {
			late, err = second.Apply(context.Background(), other, nil)
			return err
		})
		require.Eventually(t, func() bool {
			waiting := d.Rows(t, `SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'COPY%'
				AND EXISTS (SELECT 1 FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
					WHERE l.pid = pg_stat_activity.pid AND n.nspname = '`+d.schema+`')`)
			return waiting[0]["COUNT"] == int64(1)
		}, 20*time.Second, 5*time.Millisecond, "the second waits for the first")
		return nil
	})
	require.NoError(t, err)
	require.NoError(t, group.Wait())
	require.Equal(t, infomart.Result{Applied: 1}, result)
	require.Equal(t, infomart.Result{AlreadyApplied: 1}, late)
}

// TestRealReadAgain: invariant 5. A topic that is read again changes nothing, and its
// batches look for what is there before they copy: only the first one fails to.
func TestRealReadAgain(t *testing.T) {
	t.Parallel()
	const batches, size = 5, 40
	d := newDatabase(t)
	d.application = "again-" + strings.ReplaceAll(d.schema, " ", "-")
	s := open(t, d)
	require.NoError(t, s.Reader.Close()) // its session is not counted
	for _, group := range []string{"first", "again"} {
		var position *infomart.Position
		for n := range batches {
			var events []*callback.UserEvent
			for i := range size {
				events = append(events, storetest.UserEvent(fmt.Sprintf("s%d-%d", n, i), 1, false))
			}
			b := storetest.Batch(position, events...)
			b.Group = group
			result, err := s.Apply(t.Context(), b, nil)
			require.NoError(t, err)
			want := infomart.Result{Applied: size}
			if group == "again" {
				want = infomart.Result{AlreadyApplied: size}
			}
			require.Equal(t, want, result)
			position = &b.To
		}
	}
	// Rows that a COPY wrote and took back are counted as inserted too; a session reports
	// all that it did when it ends.
	s.Reset()
	require.Eventually(t, func() bool {
		return d.Rows(t, fmt.Sprintf("SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = '%s' AND query NOT LIKE '%%pg_stat_activity%%'", d.application))[0]["COUNT"] == int64(0)
	}, 20*time.Second, 20*time.Millisecond)
	rows := d.Rows(t, fmt.Sprintf("SELECT n_tup_ins FROM pg_stat_user_tables WHERE schemaname = '%s' AND relname = 'callback_fact'", d.schema))
	require.GreaterOrEqual(t, rows[0]["N_TUP_INS"], int64(batches*size))
	require.LessOrEqual(t, rows[0]["N_TUP_INS"], int64((batches+1)*size))
}
