package producer

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

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
