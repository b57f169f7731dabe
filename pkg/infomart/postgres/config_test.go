package postgres

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
)

func TestConfigMakesTheURL(t *testing.T) {
	t.Parallel()
	pool, err := Config{Host: "db.example", Port: 5433, User: "me", Password: "p@ss/word", Database: "mart", SSLMode: "disable"}.withDefaults().pool(map[string]string{"jit": "off"})
	require.NoError(t, err)
	c := pool.ConnConfig
	require.Equal(t, []any{"db.example", uint16(5433), "me", "p@ss/word", "mart"}, []any{c.Host, c.Port, c.User, c.Password, c.Database})
	require.Equal(t, map[string]string{"search_path": `"dbo"`, "timezone": "UTC", "application_name": "ringback", "jit": "off"}, c.RuntimeParams)
	require.Equal(t, connectTimeout, c.ConnectTimeout)
	require.EqualValues(t, 8, pool.MaxConns)
	require.Less(t, Config{}.withDefaults().Timeout, time.Minute, "an outage of a minute is to be seen") // invariant 7

	pool, err = Config{URL: "postgres://u@h/d?sslmode=disable&application_name=mine&connect_timeout=3", Host: "ignored", Schema: `o"dd`}.withDefaults().pool(nil)
	require.NoError(t, err)
	require.Equal(t, "h", pool.ConnConfig.Host)
	require.Equal(t, "mine", pool.ConnConfig.RuntimeParams["application_name"])
	require.Equal(t, `"o""dd"`, pool.ConnConfig.RuntimeParams["search_path"])
}

// TestConfigNeverShowsThePassword: invariant 10.
func TestConfigNeverShowsThePassword(t *testing.T) {
	t.Parallel()
	c := Config{URL: "postgres://me:hidden-word@h:port/d", Password: "hidden-word"}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("configuration", "store", c, "password", c.Password)
	written, err := json.Marshal(struct{ URL, Password Secret }{c.URL, c.Password})
	require.NoError(t, err)
	_, bad := Open(t.Context(), c)
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(bad))
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%+v %#v %s %d %x %q", c, c, c.URL, c.URL, c.URL, c.URL), logged.String(), string(written), bad.Error()} {
		require.NotContains(t, text, "hidden-word")
	}
}

// TestAFaultyURLIsNamedWithoutItsPassword: invariant 10, whatever is wrong with it.
func TestAFaultyURLIsNamedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	for _, url := range []Secret{
		"postgres://me:hidden-word@h:port/d", "postgres://me:hidden-word@h:1/d?sslmode=perhaps", "postgres://me:hidden-word@h%zz/d", "postgres://me:hidden-word@[::1/d",
		"postgres://me:hidden-word %@h/d", "postgres://me:hidden-word@h/d?connect_timeout=x", "host=h password=hidden-word port=x", "host=h password='hidden-word sslmode=disable",
		"host=h password = hidden-word sslmode=perhaps", "postgres://h/d?password=hidden-word&sslmode=perhaps", "postgres://h/d?password=hidden-word&port=x", "hidden-word", "postgres//me:hidden-word@h/d", "postgres://me:hidden-word/x@h/d", "postgres://h:hidden-word/d",
	} {
		c := Config{URL: url}
		faults := c.Validate()
		require.NotEmpty(t, faults, "%s", string(url))
		for _, err := range faults {
			require.True(t, strings.HasPrefix(err.Error(), "STORE_URL: "), err)
			require.NotContains(t, err.Error(), "hidden-word")
		}
		_, err := Open(t.Context(), c)
		require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
		require.NotContains(t, err.Error(), "hidden-word")
	}
}

func TestOpenWithoutADatabase(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), Config{})
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	_, err = Open(t.Context(), Config{URL: "postgres://u@127.0.0.1:1/d?sslmode=disable"})
	require.Equal(t, fault.Outage, fault.ClassOf(err), "nobody listens: %v", err)
	_, err = Open(t.Context(), Config{URL: "postgres://u@127.0.0.1:1/d", EventData: infomart.EventData{Store: "x"}})
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
}

func TestPasses(t *testing.T) {
	t.Parallel()
	fact := func(service string, sequence int32, offset int64) *infomart.Fact {
		return &infomart.Fact{ServiceID: service, Sequence: sequence, Offset: offset}
	}
	a, b, c, d := fact("s", 1, 0), fact("s", 2, 1), fact("s", 1, 2), fact("s", 1, 3)
	require.Equal(t, [][]*infomart.Fact{{a, b}, {c}, {d}}, passes([]*infomart.Fact{a, b, c, d}))
	require.Empty(t, passes(nil))
}
