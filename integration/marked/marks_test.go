package marked

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The search finds a mark in every form that a careless line of code gives a value.
func TestAMarkIsFoundHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	var m Marks
	mark, other := m.New("the place"), m.New("another")
	n, err := strconv.ParseInt(mark, 10, 64)
	require.NoError(t, err)
	object, err := json.Marshal(map[string]any{"customer_number": mark})
	require.NoError(t, err)
	var decoded any
	require.NoError(t, json.Unmarshal([]byte(mark), &decoded))
	for how, text := range map[string]string{
		"as it is":         "number " + mark + " refused",
		"quoted":           fmt.Sprintf("%q", mark),
		"in JSON":          string(object),
		"in a URL":         "https://host/path?number=" + mark + "&x=1",
		"behind a +":       "+" + mark,
		"cut behind":       mark[:11] + "…",
		"cut in front":     "…" + mark[2:],
		"bytes":            fmt.Sprint([]byte("x" + mark + "y")),
		"bytes, by %#v":    fmt.Sprintf("%#v", []byte("x"+mark+"y")),
		"hexadecimal":      fmt.Sprintf("%x", "ab"+mark),
		"float":            fmt.Sprint(decoded),
		"an integer's hex": fmt.Sprintf("%#x", n),
	} {
		leaks := m.In([]byte("first line\n" + text + "\nlast line"))
		require.Len(t, leaks, 1, how)
		require.Equal(t, "the place", leaks[0].Place, how)
		require.NotContains(t, leaks[0].Line, "line", how)
	}
	for before := range 6 {
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("a", before) + mark + strings.Repeat("z", before%4)))
		require.Len(t, m.In([]byte(text)), 1, "base64 after %d bytes", before)
	}
	require.Len(t, m.In([]byte(mark+" "+mark+" "+other)), 2)
	require.Equal(t, 2, m.Made())
}

func TestNothingElseIsFound(t *testing.T) {
	t.Parallel()
	var m Marks
	mark := m.New("the place")
	m.Know("a password", "admin-0011223344556677")
	require.Len(t, m.In([]byte("password admin-0011223344556677")), 1)
	for _, text := range []string{"", "1772357400123 is no time", mark[:8], strings.Repeat("0123456789", 100), "900"} {
		require.Empty(t, m.In([]byte(text)), text)
	}
}
