//go:build realpostgres

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/fault"
)

func TestRealMigrate(t *testing.T) {
	t.Parallel()
	url := os.Getenv("RINGBACK_POSTGRES_URL")
	require.NotEmpty(t, url, "RINGBACK_POSTGRES_URL is unset: run scripts/postgres-up")
	schema := fmt.Sprintf("migrate%d", os.Getpid())
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := conn.Exec(context.Background(), "DROP SCHEMA IF EXISTS "+schema+" CASCADE")
		require.NoError(t, err)
		require.NoError(t, conn.Close(context.Background()))
	})
	env := config.Environment{"STORE_URL": url, "STORE_SCHEMA": schema, "STORE_NO_MIGRATION": "true"}
	for _, says := range []string{": brought from version 0 to ", ": at version "} {
		var out bytes.Buffer
		require.NoError(t, migrate(t.Context(), env, &out))
		require.Contains(t, out.String(), "the store in schema "+schema+says)
	}
	_, err = conn.Exec(t.Context(), "INSERT INTO "+schema+".goose_db_version (version_id, is_applied) VALUES (1000, true)")
	require.NoError(t, err)
	err = migrate(t.Context(), env, new(bytes.Buffer))
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	require.ErrorContains(t, err, "a newer release has migrated it")
}
