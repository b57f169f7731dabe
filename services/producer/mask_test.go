package producer

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/kafka"
)

func keyFile(t *testing.T, key string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path, []byte(key), 0o600))
	return path
}

func TestLastDigits(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]string{
		"6505550133": "***0133", "+1 (650) 555-0133": "***0133", "sip:+16505550133@example.com": "***0133",
		"12345678": "***5678", "1234567": "***", "110": "***", "anonymous": "***", "alice@example.com": "***", "٦٥٠٥٥٥٠١٣٣": "***",
	} {
		require.Equal(t, want, lastDigits(number, 4), number)
	}
}

func TestHashed(t *testing.T) {
	t.Parallel()
	one, other := []byte(strings.Repeat("k", 32)), []byte(strings.Repeat("l", 32))
	require.Equal(t, hashed("6505550133", one), hashed("6505550133", one))
	require.NotEqual(t, hashed("6505550133", one), hashed("6505550134", one))
	require.NotEqual(t, hashed("6505550133", one), hashed("6505550133", other))
	require.Regexp(t, `^hmac:[0-9a-f]{32}$`, hashed("6505550133", one))
}

// recorder keeps the events that are encoded.
type recorder struct{ events []*callback.Event }

func (r *recorder) Lifecycle(e *callback.Event) (kafka.Record, error) {
	r.events = append(r.events, e)
	return kafka.Record{}, nil
}

func (r *recorder) Produce(_ context.Context, records []kafka.Record) []kafka.Delivery {
	return make([]kafka.Delivery, len(records))
}

// Nothing but the policy's text of a number gets to Kafka, and everything else as it came. An event that is sent again
// is the same again (invariant 3).
func TestNumbersAreMasked(t *testing.T) {
	t.Parallel()
	const ani, number = "4420794609580", "6505550133871"
	text := func(s string) *string { return &s }
	event := func() *callback.Event {
		return &callback.Event{ID: "e", Extensions: map[string]string{"partner": "p"}, Data: callback.Data{
			CustomerANI: text(ani), CustomerNumber: text(number), ServiceName: text("sales"),
			Parameters: map[string]string{"_cb_customer_ani": ani, "_cb_customer_number": number, "_cb_customer_phone_number": number, "_cb_dim_channel": "IVR", "_CB_CUSTOMER_ANI": ani},
		}}
	}
	for name, m := range map[string]Mask{
		MaskLast: {Numbers: MaskLast, Digits: 4}, MaskHash: {Numbers: MaskHash, KeyFile: keyFile(t, strings.Repeat("k", 32)+"\n")}, MaskNone: {Numbers: MaskNone},
	} {
		require.Empty(t, m.faults())
		r := &recorder{}
		a := NewAccepter(r, r, time.Now)
		var err error
		a.masker, err = m.masker()
		require.NoError(t, err)
		a.Accept(t.Context(), []Item{{Event: event()}})
		require.Len(t, r.events, 1)
		got, err := json.Marshal(r.events[0])
		require.NoError(t, err)
		require.Contains(t, string(got), "IVR")
		require.Contains(t, string(got), "sales")
		if name == MaskNone {
			require.Equal(t, event(), r.events[0])
			continue
		}
		for _, secret := range []string{ani[:8], number[:8], ani[4:], number[4:]} {
			require.NotContains(t, string(got), secret, name)
		}
		require.Equal(t, *r.events[0].Data.CustomerANI, r.events[0].Data.Parameters["_cb_customer_ani"], "the field and the parameter stay equal")
	}
}

func TestAnEventSentAgainIsMaskedAlike(t *testing.T) {
	t.Parallel()
	m, err := (&Mask{Numbers: MaskHash, KeyFile: keyFile(t, strings.Repeat("k", 40))}).masker()
	require.NoError(t, err)
	make := func() *callback.Event {
		number, empty := "6505550133", ""
		return &callback.Event{Source: "/ivr", ID: "e", Type: callback.Requested, Subject: "S", Data: callback.Data{CustomerNumber: &number, CustomerANI: &empty, Parameters: map[string]string{"_cb_customer_ani": number}}}
	}
	first, again := make(), make()
	m.mask(first)
	m.mask(again)
	require.Equal(t, first, again)
	require.NotEqual(t, make(), first)
	require.Empty(t, *first.Data.CustomerANI, "no ANI was detected, and none is made up")
	other := make()
	*other.Data.CustomerNumber += "0"
	m.mask(other)
	require.NotEqual(t, first.Data, other.Data, "other content stays a CONFLICT")
}

func TestMaskFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mask Mask
		want string
	}{
		{Mask{Numbers: "some"}, "PRODUCER_MASK_NUMBERS: must be none, last or hash"},
		{Mask{Numbers: MaskLast}, "PRODUCER_MASK_DIGITS: must be 1 to 6"},
		{Mask{Numbers: MaskLast, Digits: 7}, "PRODUCER_MASK_DIGITS: must be 1 to 6"},
		{Mask{Numbers: MaskHash}, "PRODUCER_MASK_KEY_FILE: is required with hash"},
		{Mask{Numbers: MaskHash, KeyFile: keyFile(t, "short and secret")}, "has 16 bytes; at least 32 are needed"},
	} {
		faults := c.mask.faults()
		require.Len(t, faults, 1)
		require.ErrorContains(t, faults[0], c.want)
		require.NotContains(t, faults[0].Error(), "short and secret")
	}
}
