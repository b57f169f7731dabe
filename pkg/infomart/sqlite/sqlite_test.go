package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/query"
	"github.com/ringback/ringback/pkg/infomart/sqlite"
	"github.com/ringback/ringback/pkg/infomart/storetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Database { return newDatabase(t) })
}

// database is a file that stores are opened on, with a connection on the side.
type database struct {
	path string
	side *sql.DB
}

func newDatabase(t testing.TB) *database {
	path := filepath.Join(t.TempDir(), "infomart.db")
	side, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, side.Close()) })
	return &database{path: path, side: side}
}

func (d *database) Open(ctx context.Context, keep infomart.EventData, now func() time.Time) (storetest.Store, error) {
	s, err := sqlite.Open(ctx, sqlite.Config{Path: d.path, EventData: keep, Now: now, BusyTimeout: 30 * time.Second})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (d *database) Refuse(t testing.TB, serviceID string) {
	require.NoError(t, d.Exec(fmt.Sprintf("CREATE TRIGGER refuse_%s BEFORE INSERT ON CALLBACK_FACT WHEN NEW.SERVICE_ID = '%s' BEGIN SELECT RAISE(ABORT, 'refused'); END", serviceID, serviceID)))
}

func (d *database) Exec(statement string) error {
	_, err := d.side.Exec(statement)
	return err
}

func (d *database) Rows(t testing.TB, statement string) []infomart.Row {
	var rows []infomart.Row
	reader := query.New(d.side, query.Dialect{Parameter: func(int) string { return "?" }, Classify: func(_ context.Context, _ string, err error) error { return err }})
	for row, err := range reader.Rows(context.Background(), statement) {
		require.NoError(t, err)
		rows = append(rows, row)
	}
	return rows
}
