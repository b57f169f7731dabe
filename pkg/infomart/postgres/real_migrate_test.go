//go:build realpostgres

package postgres_test

import (
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/postgres"
	"github.com/ringback/ringback/pkg/infomart/storetest"
)

// A store that is migrated apart is written by a user who may change no table, and until it is there, and
// when it is behind, it is waited for (invariant 7), nothing being made.
func TestRealMigratedApart(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	role := fmt.Sprintf("writer%d", os.Getpid())
	schema := pgx.Identifier{d.schema}.Sanitize()
	require.NoError(t, d.Exec("CREATE ROLE "+role+" LOGIN"))
	t.Cleanup(func() { require.NoError(t, d.Exec("DROP OWNED BY "+role+"; DROP ROLE "+role)) })
	u, err := url.Parse(d.url)
	require.NoError(t, err)
	u.User = url.User(role)
	writer := d.config()
	writer.URL, writer.NoMigration = postgres.Secret(u.String()), true

	requireOutage := func(says string) {
		t.Helper()
		_, err := postgres.Open(t.Context(), writer)
		require.Equal(t, fault.Outage, fault.ClassOf(err), "%v", err)
		require.ErrorContains(t, err, says)
	}
	requireOutage("there is no store in the schema " + d.schema)

	from, to, err := postgres.Migrate(t.Context(), d.config())
	require.NoError(t, err)
	require.Zero(t, from)
	require.Positive(t, to)
	again, same, err := postgres.Migrate(t.Context(), d.config())
	require.NoError(t, err)
	require.Equal(t, []int64{to, to}, []int64{again, same})

	_, err = postgres.Open(t.Context(), writer)
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err), "without a right it is told so: %v", err)
	for _, grant := range []string{
		"GRANT USAGE ON SCHEMA " + schema + " TO " + role,
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA " + schema + " TO " + role,
		"GRANT USAGE ON ALL SEQUENCES IN SCHEMA " + schema + " TO " + role,
	} {
		require.NoError(t, d.Exec(grant))
	}
	s, err := postgres.Open(t.Context(), writer)
	require.NoError(t, err)
	result, err := s.Apply(t.Context(), storetest.Batch(nil, storetest.UserEvent("s1", 1, false), storetest.UserEvent("s1", 2, true)), nil)
	require.NoError(t, err)
	require.Equal(t, infomart.Result{Applied: 2}, result)
	require.NoError(t, s.Close())
	alter := writer
	alter.NoMigration = false
	require.NoError(t, d.Exec(fmt.Sprintf("DELETE FROM goose_db_version WHERE version_id = %d", to)))
	_, err = postgres.Open(t.Context(), alter)
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err), "it may make no table: %v", err)

	requireOutage(fmt.Sprintf("the store has version %d, this program needs %d", to-1, to))
	require.NoError(t, d.Exec(fmt.Sprintf("INSERT INTO goose_db_version (version_id, is_applied) VALUES (%d, true)", to+1)))
	_, err = postgres.Open(t.Context(), writer)
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	require.ErrorContains(t, err, "a newer release has migrated it")
}

// Migrations that start at once take turns under the advisory lock; one does it, the others find it done.
func TestRealMigrateAtOnce(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	var made, found sync.Map
	var group sync.WaitGroup
	for i := range 6 {
		group.Go(func() {
			from, to, err := postgres.Migrate(t.Context(), d.config())
			switch {
			case err != nil:
				t.Errorf("migrate: %v", err)
			case from == 0:
				made.Store(i, to)
			default:
				found.Store(i, to)
			}
		})
	}
	group.Wait()
	count := func(m *sync.Map) (n int) { m.Range(func(any, any) bool { n++; return true }); return n }
	require.Equal(t, []int{1, 5}, []int{count(&made), count(&found)})
}
