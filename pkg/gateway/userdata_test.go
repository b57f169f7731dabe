package gateway_test

import (
	"encoding/json"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/gateway"
	"github.com/ringback/ringback/pkg/kvlist"
)

func keys(pairs []kvlist.Pair) []string {
	names := make([]string, len(pairs))
	for i, p := range pairs {
		names[i] = p.Key
	}
	return names
}

func TestUserDataHasWhatIsPresentInASCIIOrder(t *testing.T) {
	t.Parallel()
	var u callback.UserEvent
	u.KVPs.SetStr(callback.KeyVQCfgType, "CFGVirtualQueue", 0)
	u.KVPs.SetInt(callback.KeyFinalRecord, 0, -1)
	u.KVPs.SetStr(callback.KeyServiceID, "S-1", -1)
	u.KVPs.SetStr(callback.KeyCustomerANI, "", 0)
	u.KVPs.SetInt(callback.KeyTServiceStart, 1700000000, 0)
	require.Equal(t, []kvlist.Pair{
		kvlist.Str("VQ_CFG_TYPE", "CFGVirtualQueue"),
		kvlist.Str("_CB_CUSTOMER_ANI", ""),
		kvlist.Int("_CB_FINAL_RECORD", 0),
		kvlist.Str("_CB_SERVICE_ID", "S-1"),
		kvlist.Int("_CB_T_SERVICE_START", 1700000000),
	}, gateway.UserData(&u))
}

func TestUserDataCarriesEveryKVP(t *testing.T) {
	t.Parallel()
	var u callback.UserEvent
	for k := range callback.KVP(callback.NumKVPs) {
		if k.Info().Kind == callback.String {
			u.KVPs.SetStr(k, "v", -1)
		} else {
			u.KVPs.SetInt(k, int64(k), -1)
		}
	}
	pairs := gateway.UserData(&u)
	require.Len(t, pairs, callback.NumKVPs)
	require.True(t, slices.IsSorted(keys(pairs)), "keys must be in ASCII order")
	for _, p := range pairs {
		k, ok := callback.KVPByName(p.Key)
		require.True(t, ok)
		require.Equal(t, u.KVPs.Text(k), p.Text())
		require.Equal(t, k.Info().Kind == callback.String, p.Kind == kvlist.String, p.Key)
	}
}

func TestIntegersOfMoreThan32BitsGoAsText(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]kvlist.Pair{
		math.MaxInt32:     kvlist.Int("_CB_T_SERVICE_START", math.MaxInt32),
		math.MaxInt32 + 1: kvlist.Str("_CB_T_SERVICE_START", "2147483648"),
		math.MinInt32:     kvlist.Int("_CB_T_SERVICE_START", math.MinInt32),
		math.MinInt32 - 1: kvlist.Str("_CB_T_SERVICE_START", "-2147483649"),
	} {
		var u callback.UserEvent
		u.KVPs.SetInt(callback.KeyTServiceStart, n, 0)
		require.Equal(t, []kvlist.Pair{want}, gateway.UserData(&u))
	}
}

func TestAttachedData(t *testing.T) {
	t.Parallel()
	start, accepted, connected := int64(100), int64(200), int64(300)
	a := callback.AttachedData{ServiceID: "S-1", ServiceStart: &start, CallbackAccepted: &accepted}
	require.Equal(t, []kvlist.Pair{
		kvlist.Str("_CB_SERVICE_ID", "S-1"),
		kvlist.Int("_CB_T_CALLBACK_ACCEPTED", 200),
		kvlist.Int("_CB_T_SERVICE_START", 100),
	}, gateway.AttachedData(&a))
	a.CustomerConnected = &connected
	require.Equal(t, []kvlist.Pair{
		kvlist.Str("_CB_SERVICE_ID", "S-1"),
		kvlist.Int("_CB_T_CALLBACK_ACCEPTED", 200),
		kvlist.Int("_CB_T_CUSTOMER_CONNECTED", 300),
		kvlist.Int("_CB_T_SERVICE_START", 100),
	}, gateway.AttachedData(&a))
	require.True(t, slices.IsSorted(keys(gateway.AttachedData(&a))))
}

// The body that is put together by hand is what encoding/json makes of the same request.
func TestBodyIsTheJSONOfTheRequest(t *testing.T) {
	t.Parallel()
	var body []byte
	record := gateway.WithTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
		body, _ = io.ReadAll(r.Body)
		return &http.Response{StatusCode: 500, Body: http.NoBody}, nil
	}))
	c, err := gateway.New(gateway.Config{URL: "http://gateway"}, record)
	require.NoError(t, err)
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~\x00-\x1f]{0,40}`),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	short := text.Filter(func(s string) bool { return len(s) <= 255 })
	rapid.Check(t, func(t *rapid.T) {
		e := gateway.UserEvent{
			Switch: "s" + short.Filter(func(s string) bool { return len(s) < 255 }).Draw(t, "switch"), DN: "REPORTING",
			ReferenceID: rapid.Int32Min(0).Draw(t, "reference"),
			ANI:         short.Draw(t, "ani"), DNIS: short.Draw(t, "dnis"), CustomerID: short.Draw(t, "customer"), IdempotencyKey: short.Draw(t, "key"),
		}
		want := map[string]any{"switch": valid(e.Switch), "dn": "REPORTING", "referenceId": float64(e.ReferenceID)}
		if e.MediaType = rapid.Int32Range(0, 9).Draw(t, "media type"); e.MediaType != 0 {
			want["mediaType"] = float64(e.MediaType)
		}
		for name, value := range map[string]string{"ani": e.ANI, "dnis": e.DNIS, "customerId": e.CustomerID, "idempotencyKey": e.IdempotencyKey} {
			if value != "" {
				want[name] = valid(value)
			}
		}
		var pairs []any
		for range rapid.IntRange(1, 5).Draw(t, "pairs") {
			key := "k" + text.Draw(t, "k")
			if rapid.Bool().Draw(t, "integer") {
				n := rapid.Int32().Draw(t, "int")
				e.UserData = append(e.UserData, kvlist.Int(key, int64(n)))
				pairs = append(pairs, map[string]any{"key": valid(key), "type": "int", "value": float64(n)})
			} else {
				v := text.Draw(t, "str")
				e.UserData = append(e.UserData, kvlist.Str(key, v))
				pairs = append(pairs, map[string]any{"key": valid(key), "type": "str", "value": valid(v)})
			}
		}
		want["userData"] = pairs
		_, err := c.Distribute(t.Context(), e)
		require.ErrorContains(t, err, "HTTP 500")
		var got map[string]any
		require.NoError(t, json.Unmarshal(body, &got), "%s", body)
		require.Equal(t, want, got)
	})
}

// valid replaces each byte that is no UTF-8, as encoding/json does.
func valid(s string) string {
	var b strings.Builder
	for _, r := range s {
		b.WriteRune(r)
	}
	return b.String()
}
