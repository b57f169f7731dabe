package ddl_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/infomart/ddl"
)

func TestMigrationsAreWhatTheSchemaSays(t *testing.T) {
	t.Parallel()
	for path, dialect := range map[string]ddl.Dialect{
		"../postgres/migrations/00002_callback.sql": ddl.PostgreSQL, "../sqlite/migrations/00002_callback.sql": ddl.SQLite,
	} {
		have, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, ddl.Migration(dialect), string(have), "stale: run go generate in pkg/infomart")
	}
}
