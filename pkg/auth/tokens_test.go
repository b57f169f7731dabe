package auth

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fault"
)

func TestParseTokens(t *testing.T) {
	t.Parallel()
	grants, err := parseTokens([]byte("\xef\xbb\xbf# who may write\n\nalpha\nbeta 101\r\n  gamma\t102  sales desk # until May\ndelta the IVR\nepsilon 7 8\nzeta scopes=events:write\neta 9 the IVR scopes=admin:accept,events:write\n"))
	require.NoError(t, err)
	type row struct {
		tenant int64
		name   string
		scopes []string
	}
	write := []string{EventsWrite}
	var rows []row
	for _, g := range grants {
		rows = append(rows, row{g.Tenant, g.Name, g.Scopes})
	}
	require.Equal(t, []row{
		{0, "", write}, {101, "", write}, {102, "sales desk", write}, {0, "the IVR", write}, {7, "8", write},
		{0, "", write}, {9, "the IVR", []string{AdminAccept, EventsWrite}},
	}, rows)
}

// Every bad line is named; no token is (invariant 10).
func TestParseTokensNamesEveryBadLine(t *testing.T) {
	t.Parallel()
	_, err := parseTokens([]byte("alpha 0\nbeta 99999999999\ngamma\ngamma 7\nd\xc3\xa9lta\nepsilon scopes=everything\nzeta scopes=\n"))
	require.EqualError(t, err, strings.Join([]string{
		"line 1: the tenantdbid must be 1 to 2147483647",
		"line 2: the tenantdbid must be 1 to 2147483647",
		"line 4: the same token as in line 3",
		"line 5: the token holds a character that no HTTP header can carry",
		"line 6: a scope is none of events:write, admin:accept, admin:profile",
		"line 7: a scope is none of events:write, admin:accept, admin:profile",
	}, "\n"))
}

func find(t *Tokens, token string) (*Grant, bool) {
	g, err := t.Verify(context.Background(), token)
	return g, err == nil
}

func TestTokensReload(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	_, err := OpenTokens(path)
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	write("# nobody\n")
	_, err = OpenTokens(path)
	require.ErrorContains(t, err, "holds no token")

	write("alpha 101\n")
	tokens, err := OpenTokens(path)
	require.NoError(t, err)
	g, ok := find(tokens, "alpha")
	require.True(t, ok)
	require.Equal(t, int64(101), g.Tenant)
	_, ok = find(tokens, "beta")
	require.False(t, ok)

	changed, err := tokens.Reload()
	require.NoError(t, err)
	require.False(t, changed)

	write("beta\n")
	changed, err = tokens.Reload()
	require.NoError(t, err)
	require.True(t, changed)
	_, ok = find(tokens, "alpha")
	require.False(t, ok, "a token that is taken out is out")
	_, ok = find(tokens, "beta")
	require.True(t, ok)

	for _, bad := range []string{"gamma 0\n", ""} {
		write(bad)
		_, err = tokens.Reload()
		require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
		_, ok = find(tokens, "beta")
		require.True(t, ok, "the former tokens stay")
		_, err = tokens.Reload()
		require.NoError(t, err, "the same bad content is told once")
	}
	require.NoError(t, os.Remove(path))
	_, err = tokens.Reload()
	require.Error(t, err)
	_, ok = find(tokens, "beta")
	require.True(t, ok)
}

func FuzzParseTokens(f *testing.F) {
	f.Add([]byte("alpha 101 name\n# x\nbeta"))
	f.Add([]byte("\xef\xbb\xbf\x00 0"))
	f.Fuzz(func(t *testing.T, file []byte) {
		grants, err := parseTokens(file)
		seen := map[[32]byte]bool{}
		for _, g := range grants {
			require.False(t, seen[g.Key])
			seen[g.Key] = true
			require.GreaterOrEqual(t, g.Tenant, int64(0))
		}
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				require.Regexp(t, `^line \d+: `, line)
			}
		}
	})
}
