package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/ringback/ringback/pkg/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrationLock is the advisory lock that one migrating store holds: "ringback" in ASCII.
const migrationLock = 0x72696e676261636b

// Migrate brings the store to the newest version that the program knows, which it returns with the
// version that it found; 0 is a store that was not there.
func Migrate(ctx context.Context, cfg Config) (from, to int64, err error) {
	cfg = cfg.withDefaults()
	config, err := cfg.pool(nil)
	if err != nil {
		return 0, 0, err
	}
	return migrate(ctx, config.ConnConfig, cfg.Schema)
}

// migrate brings the schema to the newest version that the program knows, one store at a time.
func migrate(ctx context.Context, config *pgx.ConnConfig, schema string) (from, to int64, err error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return 0, 0, classify(ctx, "connect", err)
	}
	// Closing the session gives the lock back, also where the context has ended.
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(migrationLock)); err != nil {
		return 0, 0, classify(ctx, "lock for migration", err)
	}
	var encoding string
	if err := conn.QueryRow(ctx, "SHOW server_encoding").Scan(&encoding); err != nil {
		return 0, 0, classify(ctx, "read the encoding", err)
	}
	if encoding != "UTF8" {
		return 0, 0, fault.Misconfigf("postgres: the database has the encoding %s; it must be UTF8", encoding)
	}
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)", schema).Scan(&exists); err != nil {
		return 0, 0, classify(ctx, "look for the schema", err)
	}
	if !exists { // asked for only where needed: the right to make schemas may be missing
		if _, err := conn.Exec(ctx, "CREATE SCHEMA "+pgx.Identifier{schema}.Sanitize()); err != nil {
			return 0, 0, classify(ctx, "make the schema", err)
		}
	}
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	return up(ctx, db)
}

func up(ctx context.Context, db *sql.DB) (from, to int64, err error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return 0, 0, fmt.Errorf("postgres: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files)
	if err != nil {
		return 0, 0, fmt.Errorf("postgres: migrations: %w", err)
	}
	have, newest, err := provider.GetVersions(ctx)
	if err != nil {
		return 0, 0, classify(ctx, "read the store's version", err)
	}
	if have > newest {
		return 0, 0, newerStore(have, newest)
	}
	if have == newest {
		return have, newest, nil
	}
	if _, err := provider.Up(ctx); err != nil {
		return 0, 0, classify(ctx, "migrate", err)
	}
	return have, newest, nil
}

func newerStore(have, newest int64) error {
	return fault.Misconfigf("postgres: the store has version %d, this program knows up to %d: a newer release has migrated it", have, newest)
}

// requireMigrated returns nil where the store has the version that the program knows. It changes
// nothing, and asks for no right to. A store that has yet to be migrated is waited for (invariant 7):
// whoever migrates it may start at the same time.
func requireMigrated(ctx context.Context, config *pgx.ConnConfig, schema string) (err error) {
	newest, err := newestVersion()
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return classify(ctx, "connect", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	table := pgx.Identifier{schema, goose.DefaultTablename}.Sanitize()
	var have int64
	err = conn.QueryRow(ctx, "SELECT COALESCE(MAX(version_id), 0) FROM "+table+" WHERE is_applied").Scan(&have)
	var absent *pgconn.PgError
	switch {
	case errors.As(err, &absent) && (absent.Code == "42P01" || absent.Code == "3F000"): // no such table, no such schema
		return fault.Outagef("postgres: there is no store in the schema %s yet; `sink migrate` makes it", schema)
	case err != nil:
		return classify(ctx, "read the store's version", err)
	case have > newest:
		return newerStore(have, newest)
	case have < newest:
		return fault.Outagef("postgres: the store has version %d, this program needs %d; `sink migrate` brings it there", have, newest)
	}
	return nil
}

// newestVersion is the version that the last migration leads to.
func newestVersion() (int64, error) {
	files, err := fs.ReadDir(migrations, "migrations")
	if err != nil {
		return 0, fmt.Errorf("postgres: %w", err)
	}
	newest := int64(0)
	for _, f := range files {
		version, err := goose.NumericComponent(f.Name())
		if err != nil {
			return 0, fmt.Errorf("postgres: migrations: %w", err)
		}
		newest = max(newest, version)
	}
	return newest, nil
}
