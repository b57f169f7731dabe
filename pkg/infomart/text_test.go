package infomart_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/infomart"
)

func FuzzEncodeID(f *testing.F) {
	for _, s := range []string{"", "a/1", "50%", "a\x00b", "\xff", "%41", "ä/ü"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		encoded := infomart.EncodeID(s)
		require.Equal(t, s, infomart.DecodeID(encoded))
		require.True(t, utf8.ValidString(encoded))
		require.NotContains(t, encoded, "\x00")

		key := infomart.LedgerKey(s)
		require.True(t, utf8.ValidString(key))
		require.NotContains(t, key, "\x00")
		require.LessOrEqual(t, len(key), infomart.MaxText)

		text := infomart.Printable(s, 5)
		require.True(t, utf8.ValidString(text))
		require.NotContains(t, text, "\x00")
		require.LessOrEqual(t, utf8.RuneCountInString(text), 5)
	})
}

func TestEncodeIDLeavesOrdinaryIDs(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "445-8a1b/2", "ä b+c", "urn:x?y=z&a"} {
		require.Equal(t, s, infomart.EncodeID(s))
		require.Equal(t, s, infomart.DecodeID(s))
	}
}

func TestLedgerKeyTellsLongIDsApart(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 500)
	require.NotEqual(t, infomart.LedgerKey(long+"/1"), infomart.LedgerKey(long+"/2"))
	require.Equal(t, "s/1", infomart.LedgerKey("s/1"))
}
