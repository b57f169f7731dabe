package postgres

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
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

// A store is not written to in the clear, or to who passes himself off as the server, unless somebody says so.
func TestConfigVerifiesTheServer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		config           Config
		tls, serverKnown bool
	}{
		"parts":                       {Config{Host: "db.example"}, true, true},
		"a URL":                       {Config{URL: "postgres://u:p%40ss@db.example/d?connect_timeout=3"}, true, true},
		"another name of its scheme":  {Config{URL: "postgresql://u@db.example/d"}, true, true},
		"several hosts":               {Config{URL: "postgres://u@db.example:1,other.example:2/d?target_session_attrs=read-write"}, true, true},
		"keys and values":             {Config{URL: "host=db.example user=u"}, true, true},
		"a URL, said as nothing":      {Config{URL: "postgres://u@db.example/d?sslmode="}, true, true},
		"keys, said as nothing":       {Config{URL: "host=db.example sslmode='' user=u"}, true, true},
		"parts, said otherwise":       {Config{Host: "db.example", SSLMode: "require"}, true, false},
		"a URL, said otherwise":       {Config{URL: "postgres://u@db.example/d?sslmode=disable"}, false, false},
		"a URL without it, otherwise": {Config{URL: "postgres://u@db.example/d", SSLMode: "disable"}, false, false},
		"keys and values, otherwise":  {Config{URL: "host=db.example user=u sslmode = disable"}, false, false},
		"its own goes before":         {Config{URL: "postgres://u@db.example/d?sslmode=verify-full", SSLMode: "disable"}, true, true},
	} {
		pool, err := tc.config.withDefaults().pool(nil)
		require.NoError(t, err, name)
		c := pool.ConnConfig
		require.Equal(t, tc.tls, c.TLSConfig != nil, name)
		if tc.tls {
			require.Equal(t, tc.serverKnown, !c.TLSConfig.InsecureSkipVerify, name)
			require.Equal(t, "db.example", c.TLSConfig.ServerName, name)
		}
		for _, f := range c.Fallbacks {
			require.Equal(t, tc.tls, f.TLSConfig != nil, "%s: it falls back", name)
		}
	}
}

// docs/configuration.md lists what the driver reads by itself.
func TestTheDriversOwnVariables(t *testing.T) {
	dir := t.TempDir()
	roots, passwords := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "passwords")
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	authority := server.Certificate()
	require.NoError(t, os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Raw}), 0o600))
	require.NoError(t, os.WriteFile(passwords, []byte("db.example:5432:ringback:ringback:of-the-file\n"), 0o600))
	t.Setenv("PGSSLROOTCERT", roots)
	t.Setenv("PGPASSFILE", passwords)
	t.Setenv("PGSSLMODE", "disable")
	pool, err := Config{Host: "db.example"}.withDefaults().pool(nil)
	require.NoError(t, err)
	want := x509.NewCertPool()
	want.AddCert(authority)
	require.True(t, want.Equal(pool.ConnConfig.TLSConfig.RootCAs))
	require.Equal(t, "of-the-file", pool.ConnConfig.Password)
	pool, err = Config{URL: "postgres://db.example/d"}.withDefaults().pool(nil)
	require.NoError(t, err)
	require.NotNil(t, pool.ConnConfig.TLSConfig, "PGSSLMODE is not heeded")
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
