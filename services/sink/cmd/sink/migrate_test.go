package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart/sqlite"
	"github.com/ringback/ringback/services/sink"
)

func TestMigrateMakesAStore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "infomart.db")
	// It asks for no more than a store: what a sink is told besides is none of its business.
	env := config.Environment{"STORE_PATH": path, "SINK_GROUP": "g", "KAFKA_BROKERS": "no address", "POSTGRES_INITDB_ARGS": "--encoding=UTF8"}
	for range 2 {
		var out bytes.Buffer
		require.NoError(t, migrate(t.Context(), env, &out))
		require.Equal(t, path+" is at the newest version\n", out.String())
	}
	r, err := sqlite.OpenReader(t.Context(), sqlite.Config{Path: path})
	require.NoError(t, err)
	require.NoError(t, r.Close())
}

func TestMigrateSaysWhoMustAct(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		env   config.Environment
		class fault.Class
		says  []string
	}{
		"nothing is set": {config.Environment{}, fault.Misconfiguration, []string{"STORE_URL: is required"}},
		"all at once": {config.Environment{"STORE_PATH": "x", "STORE_CACHE_MIB": "-1", "STORE_NO_MIGRATION": "true", "STORE_PAHT": "y", "INFOMART_STORE_EVENT_DATA": "most"}, fault.Misconfiguration,
			[]string{"STORE_CACHE_MIB: ", "STORE_NO_MIGRATION: is true although", "STORE_PAHT: no such variable; did you mean STORE_PATH?", "INFOMART_STORE_EVENT_DATA: must be none, conf or all"}},
		"away": {config.Environment{"STORE_URL": "postgres://u:marked-word@127.0.0.1:1/d?sslmode=disable"}, fault.Outage, []string{"connect"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := migrate(t.Context(), tc.env, new(bytes.Buffer))
			require.Equal(t, tc.class, fault.ClassOf(err), "%v", err)
			for _, says := range tc.says {
				require.ErrorContains(t, err, says)
			}
			require.NotContains(t, err.Error(), "marked-word") // invariant 10
		})
	}
}

func TestStoreSettingsBelongToTheSinksToo(t *testing.T) {
	t.Parallel()
	_, err := sink.LoadSettings(t.Context(), sink.Infomart, config.Environment{
		"KAFKA_BROKERS": "a:1", "STORE_URL": "postgres://u@h/d", "POSTGRES_HOST": "h", "POSTGRES_PASWORD": "x", "STORE_MAX_CONNS": "-1", "INFOMART_EVENT_DATA_KEYS": "_CB_NO_SUCH_KEY",
	})
	for _, says := range []string{
		"POSTGRES_HOST: is given and so is STORE_URL", "POSTGRES_PASWORD: no such variable; did you mean POSTGRES_PASSWORD?", "STORE_MAX_CONNS: must not be negative", "INFOMART_EVENT_DATA_KEYS: is given although",
	} {
		require.ErrorContains(t, err, says)
	}
}
