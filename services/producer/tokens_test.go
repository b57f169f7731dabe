package producer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fault"
)

func TestParseTokens(t *testing.T) {
	t.Parallel()
	grants, err := parseTokens([]byte("\xef\xbb\xbf# who may write\n\nalpha\nbeta 101\r\n  gamma\t102  sales desk # until May\ndelta the IVR\nepsilon 7 8\n"))
	require.NoError(t, err)
	type row struct {
		tenant int64
		name   string
	}
	var rows []row
	for _, g := range grants {
		rows = append(rows, row{g.tenant, g.name})
	}
	require.Equal(t, []row{{0, ""}, {101, ""}, {102, "sales desk"}, {0, "the IVR"}, {7, "8"}}, rows)
}

// Every bad line is named; no token is (invariant 10).
func TestParseTokensNamesEveryBadLine(t *testing.T) {
	t.Parallel()
	_, err := parseTokens([]byte("alpha 0\nbeta 99999999999\ngamma\ngamma 7\nd\xc3\xa9lta\n"))
	require.EqualError(t, err, strings.Join([]string{
		"line 1: the tenantdbid must be 1 to 2147483647",
		"line 2: the tenantdbid must be 1 to 2147483647",
		"line 4: the same token as in line 3",
		"line 5: the token holds a character that no HTTP header can carry",
	}, "\n"))
}

func TestTokensReload(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	_, err := openTokens(path)
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	write("# nobody\n")
	_, err = openTokens(path)
	require.ErrorContains(t, err, "holds no token")

	write("alpha 101\n")
	tokens, err := openTokens(path)
	require.NoError(t, err)
	g, ok := tokens.find("alpha")
	require.True(t, ok)
	require.Equal(t, int64(101), g.tenant)
	_, ok = tokens.find("beta")
	require.False(t, ok)

	changed, err := tokens.reload()
	require.NoError(t, err)
	require.False(t, changed)

	write("beta\n")
	changed, err = tokens.reload()
	require.NoError(t, err)
	require.True(t, changed)
	_, ok = tokens.find("alpha")
	require.False(t, ok, "a token that is taken out is out")
	_, ok = tokens.find("beta")
	require.True(t, ok)

	for _, bad := range []string{"gamma 0\n", ""} {
		write(bad)
		_, err = tokens.reload()
		require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
		_, ok = tokens.find("beta")
		require.True(t, ok, "the former tokens stay")
		_, err = tokens.reload()
		require.NoError(t, err, "the same bad content is told once")
	}
	require.NoError(t, os.Remove(path))
	_, err = tokens.reload()
	require.Error(t, err)
	_, ok = tokens.find("beta")
	require.True(t, ok)
}

func FuzzParseTokens(f *testing.F) {
	f.Add([]byte("alpha 101 name\n# x\nbeta"))
	f.Add([]byte("\xef\xbb\xbf\x00 0"))
	f.Fuzz(func(t *testing.T, file []byte) {
		grants, err := parseTokens(file)
		seen := map[[32]byte]bool{}
		for _, g := range grants {
			require.False(t, seen[g.digest])
			seen[g.digest] = true
			require.GreaterOrEqual(t, g.tenant, int64(0))
		}
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				require.Regexp(t, `^line \d+: `, line)
			}
		}
	})
}

func FuzzUnescape(f *testing.F) {
	for _, s := range []string{"a%20b", `"a\"b"`, "%", "%4", "%zz", `"`, `""`, "100%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := unescape(s)
		require.LessOrEqual(t, len(out), len(s))
		if !strings.ContainsAny(s, `%"`) {
			require.Equal(t, s, out)
		}
	})
}
