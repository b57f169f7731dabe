package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/ringback/ringback/pkg/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrationLock is the advisory lock that one migrating store holds: "ringback" in ASCII.
const migrationLock = 0x72696e676261636b

// migrate brings the schema to the newest version that the program knows, one store at a time.
func migrate(ctx context.Context, config *pgx.ConnConfig, schema string) (err error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return classify(ctx, "connect", err)
	}
	// Closing the session gives the lock back, also where the context has ended.
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(migrationLock)); err != nil {
		return classify(ctx, "lock for migration", err)
	}
	var encoding string
	if err := conn.QueryRow(ctx, "SHOW server_encoding").Scan(&encoding); err != nil {
		return classify(ctx, "read the encoding", err)
	}
	if encoding != "UTF8" {
		return fault.Misconfigf("postgres: the database has the encoding %s; it must be UTF8", encoding)
	}
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)", schema).Scan(&exists); err != nil {
		return classify(ctx, "look for the schema", err)
	}
	if !exists { // asked for only where needed: the right to make schemas may be missing
		if _, err := conn.Exec(ctx, "CREATE SCHEMA "+pgx.Identifier{schema}.Sanitize()); err != nil {
			return classify(ctx, "make the schema", err)
		}
	}
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	return up(ctx, db)
}

func up(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files)
	if err != nil {
		return fmt.Errorf("postgres: migrations: %w", err)
	}
	have, newest, err := provider.GetVersions(ctx)
	if err != nil {
		return classify(ctx, "read the store's version", err)
	}
	if have > newest {
		return fault.Misconfigf("postgres: the store has version %d, this program knows up to %d: a newer release has migrated it", have, newest)
	}
	if have == newest {
		return nil
	}
	if _, err := provider.Up(ctx); err != nil {
		return classify(ctx, "migrate", err)
	}
	return nil
}
