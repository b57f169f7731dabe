package sqlite_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/sqlite"
	"github.com/ringback/ringback/pkg/infomart/storetest"
)

func TestOpenRefusesWhatIsNoStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage")
	require.NoError(t, os.WriteFile(garbage, []byte("this is no database, but long enough to be looked at"), 0o600))
	for name, path := range map[string]string{"no path": "", "a directory": dir, "no directory": filepath.Join(dir, "a", "b.db"), "garbage": garbage} {
		_, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
		require.Equal(t, fault.Misconfiguration, fault.ClassOf(err), "%s: %v", name, err)
	}
}

func TestOpenReader(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "odd ?name%.db")
	_, err := sqlite.OpenReader(t.Context(), sqlite.Config{Path: path})
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	require.NoFileExists(t, path, "a reader makes no store")

	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	require.NoError(t, err)
	require.FileExists(t, path)
	reader, err := sqlite.OpenReader(t.Context(), sqlite.Config{Path: path})
	require.NoError(t, err)
	defer func() { require.NoError(t, reader.Close()) }()
	_, err = s.Apply(t.Context(), storetest.Batch(nil, storetest.UserEvent("s1", 1, true)), nil)
	require.NoError(t, err)
	counts, err := reader.Counts(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, counts.Finals)
	for _, err := range reader.Rows(t.Context(), "DELETE FROM CALLBACK_FACT RETURNING 1") {
		require.ErrorContains(t, err, "readonly")
	}
	require.NoError(t, s.Close())
	counts, err = reader.Counts(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, counts.Facts)
}

func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "infomart.db")
	var group errgroup.Group
	for range 4 {
		group.Go(func() error {
			s, err := sqlite.Open(context.Background(), sqlite.Config{Path: path, BusyTimeout: 30 * time.Second})
			if err != nil {
				return err
			}
			return s.Close()
		})
	}
	require.NoError(t, group.Wait())
}

// TestLockedDatabaseIsAnOutage: invariant 7. Another process writes for too long.
func TestLockedDatabaseIsAnOutage(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: db.path, BusyTimeout: time.Millisecond})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	conn, err := db.side.Conn(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)

	batch := storetest.Batch(nil, storetest.UserEvent("s1", 1, true))
	_, err = s.Apply(t.Context(), batch, nil)
	require.Equal(t, fault.Outage, fault.ClassOf(err), "%v", err)
	_, err = conn.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, err)
	result, err := s.Apply(t.Context(), batch, nil)
	require.NoError(t, err)
	require.Equal(t, infomart.Result{Applied: 1}, result)
}
