//go:build realpostgres

package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/postgres"
	"github.com/ringback/ringback/pkg/infomart/storetest"
)

// TestReal runs the conformance suite on a real PostgreSQL. It fails where none is
// given: a tier that was asked for is never skipped.
func TestReal(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Database { return newDatabase(t) })
}

func databaseURL(t testing.TB) string {
	url := os.Getenv("RINGBACK_POSTGRES_URL")
	require.NotEmpty(t, url, "RINGBACK_POSTGRES_URL is not set; scripts/postgres-up prints one")
	return url
}

// database is a schema of its own.
type database struct {
	url, schema string
	application string // application_name of the stores; empty: their own
}

var schemas atomic.Int64

func newDatabase(t testing.TB) *database {
	d := &database{url: databaseURL(t), schema: fmt.Sprintf("Test %d-%d", os.Getpid(), schemas.Add(1))} // a name that must be quoted
	t.Cleanup(func() {
		require.NoError(t, d.Exec("DROP SCHEMA IF EXISTS "+pgx.Identifier{d.schema}.Sanitize()+" CASCADE"))
	})
	return d
}

func (d *database) config() postgres.Config {
	source := d.url
	if d.application != "" {
		source += "&application_name=" + d.application
	}
	// A slow machine is no outage: longer than the default.
	return postgres.Config{URL: postgres.Secret(source), Schema: d.schema, MaxConns: 4, Timeout: 2 * time.Minute}
}

func (d *database) Open(ctx context.Context, keep infomart.EventData, now func() time.Time) (storetest.Store, error) {
	cfg := d.config()
	cfg.EventData, cfg.Now = keep, now
	s, err := postgres.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (d *database) Refuse(t testing.TB, serviceID string) {
	require.NoError(t, d.Exec(fmt.Sprintf("ALTER TABLE CALLBACK_FACT ADD CONSTRAINT refuse_%s CHECK (SERVICE_ID <> '%s')", serviceID, serviceID)))
}

func (d *database) Exec(statement string) (err error) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, d.url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	if _, err := conn.Exec(ctx, "SET search_path = "+pgx.Identifier{d.schema}.Sanitize()); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return err
}

func (d *database) Rows(t testing.TB, statement string) []infomart.Row {
	reader, err := postgres.OpenReader(context.Background(), d.config())
	require.NoError(t, err)
	defer func() { require.NoError(t, reader.Close()) }()
	var found []infomart.Row
	for row, err := range reader.Rows(context.Background(), strings.TrimSpace(statement)) {
		require.NoError(t, err)
		found = append(found, row)
	}
	return found
}
