package intake

import (
	"encoding/json"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A number is whole where its exact value is, and its value is that.
func TestIntegerIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		literal := rapid.StringMatching(`-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,6})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "literal")
		exact, ok := new(big.Rat).SetString(literal)
		require.True(t, ok)
		n, reason := integer(literal)
		switch {
		case !exact.IsInt():
			require.Equal(t, "must be an integer, has a fraction", reason)
		case new(big.Int).Abs(exact.Num()).Cmp(big.NewInt(1e18)) >= 0:
			require.Equal(t, "is too large a number", reason)
		default:
			require.Empty(t, reason)
			require.Equal(t, exact.Num().Int64(), n)
		}
	})
}

func FuzzInteger(f *testing.F) {
	for _, s := range []string{"0", "-0", "1.0", "1e3", "10e-1", "9223372036854775807", "1e99999999999", "0.000e-5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !json.Valid([]byte(s)) || strings.Trim(s, "-+.eE0123456789") != "" {
			return // the scanner lets nothing else through
		}
		n, reason := integer(s)
		if reason == "" && len(s) < 40 && !strings.ContainsAny(s, "eE") {
			exact, ok := new(big.Rat).SetString(s)
			require.True(t, ok)
			require.Zero(t, exact.Cmp(new(big.Rat).SetInt64(n)))
		}
	})
}

var rfc3339 = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`)

// What is read has RFC 3339's form, and all that has it and is a time is read.
func FuzzInstant(f *testing.F) {
	for _, s := range []string{
		"2026-03-01T09:30:00Z", "2026-03-01T09:30:00.123456789+02:00", "1969-12-31T23:59:59.9999999-00:30", "2026-03-01T9:30:00Z",
		"2026-03-01T09:30:00,5Z", "2026-03-01T09:30:00+24:00", "2026-03-01T09:30:00+23:60", "2026-02-29T09:30:00Z", "2024-02-29T24:00:00Z",
		"2026-03-01T23:59:60Z", "2026-03-01t09:30:00z", "1772357400", "", "2026-03-01T09:30:00.Z", "2026-03-01T09:30:00+2:00", "2026-03-01T09:30:00",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := time.Parse(time.RFC3339, s)
		got, ok := instant(s)
		require.Equal(t, err == nil && rfc3339.MatchString(s), ok, s)
		if ok {
			require.Equal(t, want.UnixMicro(), int64(got), s)
		}
	})
}
