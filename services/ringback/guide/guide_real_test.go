//go:build realpostgres

package guide

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/infomart/postgres"
)

// The guide's queries on a real PostgreSQL, in a database of their own: the tables are in the schema dbo there.
func TestRealQueriesOnPostgreSQL(t *testing.T) {
	t.Parallel()
	given := os.Getenv("RINGBACK_POSTGRES_URL")
	require.NotEmpty(t, given, "RINGBACK_POSTGRES_URL is not set; scripts/postgres-up prints one")
	server, err := sql.Open("pgx", given)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	name := fmt.Sprintf("guide_%d", os.Getpid())
	_, err = server.ExecContext(t.Context(), "CREATE DATABASE "+name)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := server.Exec("DROP DATABASE " + name + " WITH (FORCE)")
		require.NoError(t, err)
	})
	u, err := url.Parse(given)
	require.NoError(t, err)
	u.Path = "/" + name

	store, err := postgres.Open(t.Context(), postgres.Config{URL: postgres.Secret(u.String())})
	require.NoError(t, err)
	fill(t, store)
	require.NoError(t, store.Close())
	db, err := sql.Open("pgx", u.String())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	tryQueries(t, db, "postgresql")
}
