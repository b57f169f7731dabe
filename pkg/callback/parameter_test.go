package callback_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
)

func TestParseParameter(t *testing.T) {
	t.Parallel()
	const no = -1 << 63 // stands for a refusal
	tests := []struct {
		name string
		key  callback.KVP
		text string
		want int64
	}{
		{"integer", callback.KeyPosWhenCallbackWasOffered, "4", 4},
		{"negative integer", callback.KeyPosWhenCallbackWasOffered, "-4", -4},
		{"leading zeros", callback.KeyPosWhenCallbackWasOffered, "007", 7},
		{"largest integer", callback.KeyPosWhenCallbackWasOffered, "9223372036854775807", 1<<63 - 1},
		{"too large", callback.KeyPosWhenCallbackWasOffered, "9223372036854775808", no},
		{"empty", callback.KeyPosWhenCallbackWasOffered, "", no},
		{"plus sign", callback.KeyPosWhenCallbackWasOffered, "+4", no},
		{"blank before", callback.KeyPosWhenCallbackWasOffered, " 4", no},
		{"blank after", callback.KeyPosWhenCallbackWasOffered, "4 ", no},
		{"fraction", callback.KeyPosWhenCallbackWasOffered, "4.0", no},
		{"exponent", callback.KeyPosWhenCallbackWasOffered, "4e2", no},
		{"separator", callback.KeyPosWhenCallbackWasOffered, "4_000", no},
		{"hexadecimal", callback.KeyPosWhenCallbackWasOffered, "0x4", no},
		{"word", callback.KeyPosWhenCallbackWasOffered, "four", no},
		{"other digits", callback.KeyPosWhenCallbackWasOffered, "٤", no},
		{"NUL", callback.KeyPosWhenCallbackWasOffered, "4\x00", no},

		{"seconds", callback.KeyDCallbackOffer, "12", 12},
		{"no seconds", callback.KeyDCallbackOffer, "0", 0},
		{"negative seconds", callback.KeyDCallbackOffer, "-1", no},
		{"count", callback.KeyNCallbackOffersPerSession, "2", 2},
		{"negative count", callback.KeyNCallbackOffersPerSession, "-2", no},

		{"flag 0", callback.KeyNIsSnoozed, "0", 0},
		{"flag 1", callback.KeyNIsSnoozed, "1", 1},
		{"flag 2", callback.KeyNIsSnoozed, "2", no},
		{"flag in words", callback.KeyNIsSnoozed, "true", no},

		{"epoch seconds", callback.KeyTCallbackOffered, "1700000000", 1700000000},
		{"13 digits", callback.KeyTCallbackOffered, "1700000000999", 1700000000},
		{"least of 13 digits", callback.KeyTCallbackOffered, "1000000000000", 1000000000},
		{"12 digits are seconds", callback.KeyTCallbackOffered, "999999999999", 999999999999},
		{"14 digits", callback.KeyTCallbackOffered, "17000000009999", no},
		{"microseconds", callback.KeyTCallbackOffered, "1700000000999999", no},
		{"before 1970", callback.KeyTCallbackOffered, "-1", no},
		{"RFC 3339", callback.KeyTCallbackOffered, "2023-11-14T22:13:20Z", no},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v, ok := test.key.ParseParameter(test.text)
			require.Equal(t, test.want != no, ok)
			if !ok {
				require.Zero(t, v)
				return
			}
			require.Equal(t, callback.Value{Set: true, Int: test.want, By: -1}, v)
		})
	}
	for _, text := range []string{"IVR", "", "12", "\x00"} {
		v, ok := callback.KeyDimChannel.ParseParameter(text)
		require.True(t, ok, "%q is a string", text)
		require.Equal(t, callback.Value{Set: true, Str: text, By: -1}, v)
	}
}

// What the producer refuses is what a fold ignores, and nothing else.
func TestAcceptParameterAgreesWithValidation(t *testing.T) {
	t.Parallel()
	texts := []string{"", "0", "1", "-1", "+1", "1.5", "IVR", "1700000000", "1700000000123", "17000000001234",
		"2147483647", "2147483648", "-2147483648", "-2147483649", "2147483647999", "2147483648000",
		"a\x00b", "\xff", strings.Repeat("é", callback.MaxText), strings.Repeat("é", callback.MaxText+1)}
	for k := range callback.KVP(callback.NumKVPs) {
		name := k.Info().Parameter
		if name == "" {
			continue
		}
		for _, text := range texts {
			e := callback.Event{Data: callback.Data{Parameters: map[string]string{name: text}}}
			v, ok := k.AcceptParameter(text)
			require.Equal(t, len(e.ValidateParameters()) == 0, ok, "%s = %q", name, text)
			require.Equal(t, ok, v.Set, "%s = %q", name, text)
		}
	}
}
