package main

import (
	"context"
	"fmt"
	"io"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/infomart/postgres"
	"github.com/ringback/ringback/pkg/infomart/sqlite"
	"github.com/ringback/ringback/services/sink"
)

// migrate brings the store to the newest version that this program knows. It waits for whoever migrates
// it just now, and not for a database that is away: what runs it runs it again.
func migrate(ctx context.Context, env config.Environment, out io.Writer) error {
	s, err := sink.LoadStoreSettings(ctx, env)
	if err != nil {
		return err
	}
	if s.SQLite.Path != "" {
		db, err := sqlite.Open(ctx, s.SQLite)
		if err != nil {
			return err
		}
		if err := db.Close(); err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "%s is at the newest version\n", s.SQLite.Path)
		return err
	}
	from, to, err := postgres.Migrate(ctx, s.Postgres)
	if err != nil {
		return err
	}
	said := fmt.Sprintf("brought from version %d to %d", from, to)
	if from == to {
		said = fmt.Sprintf("at version %d already", to)
	}
	_, err = fmt.Fprintf(out, "the store in schema %s: %s\n", s.Postgres.Schema, said)
	return err
}
