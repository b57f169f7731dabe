package tserver

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/kvlist"
)

func TestDecodeReadsARequest(t *testing.T) {
	t.Parallel()
	var r request
	f := decode(` { "userData" : [ {"value":"x\u0000\ud83d\ude42\"\\\/\b\f\n\r\t","type":"str","key":"k"}, { "key":"i", "type":"int", "value":-0 },
		{"type":"int","value":-2147483648,"key":"i"} ],
		"referenceId":2147483647,"dn":"REPORTING","switch":"\u0053IP","ani":"","dnis":"333","customerId":"Ü","idempotencyKey":"S/1" }`, forUserEvent, &r)
	require.Empty(t, f.named)
	require.Equal(t, request{
		Switch: "SIP", DN: "REPORTING", DNIS: "333", CustomerID: "Ü", IdempotencyKey: "S/1", ReferenceID: 2147483647,
		UserData: []kvlist.Pair{kvlist.Str("k", "x\x00🙂\"\\/\b\f\n\r\t"), kvlist.Int("i", 0), kvlist.Int("i", -2147483648)},
	}, r)
}

func TestScannerRefusesWhatIsNoJSON(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"a":1,}`, `{"a" 1}`, `{a:1}`, `{"a":}`, `{,}`, `{"a":1 "b":2}`, `[1 2]`, `{"a":[1,]}`, `{"a":01}`, `{"a":-}`, `{"a":1.}`, `{"a":1e}`, `{"a":+1}`,
		`{"a":.5}`, `{"a":nul}`, `{"a":"\x"}`, `{"a":"\u12"}`, `{"a":"\ud800"}`, `{"a":"\ud800\u0041"}`, `{"a":"\`, "{\"a\":\"\n\"}", `{"a":"x`, `{"a":tru`,
	} {
		require.False(t, json.Valid([]byte(body)) && !strings.Contains(body, "ud800"), body)
		require.Regexp(t, "is no JSON: byte [0-9]+: ", decode(body, forUserEvent, new(request)).named[0].Detail, body)
	}
}

// reference is the same request for encoding/json.
type reference struct {
	Switch         string
	DN             string
	ANI            string
	DNIS           string
	CustomerID     string
	IdempotencyKey string
	ReferenceID    int32
	MediaType      int32
	UserData       []struct {
		Key   string
		Type  string
		Value any
	}
}

// What is taken is JSON, and means what encoding/json says it means.
func FuzzDecode(f *testing.F) {
	f.Add(`{"switch":"s","dn":"d","referenceId":1,"userData":[{"key":"a","type":"str","value":"v\ud83d\ude42"},{"value":2,"key":"b","type":"int"}]}`)
	f.Add(`{"switch":"","dn":1,"referenceId":1.5,"userData":[{"key":"a","type":"str","value":[{}]},null]} x`)
	f.Fuzz(func(t *testing.T, body string) {
		var r request
		faults := decode(body, forUserEvent, &r)
		if !faults.none() {
			for _, fault := range faults.named {
				require.NotEmpty(t, fault.Detail)
			}
			if strings.Contains(faults.named[0].Detail, "is no JSON") && utf8.ValidString(body) && !strings.Contains(faults.named[0].Detail, "nested") &&
				!strings.Contains(faults.named[0].Detail, "surrogate") {
				require.False(t, json.Valid([]byte(body)), "%s: %s", body, faults.named[0].Detail)
			}
			return
		}
		var ref reference
		d := json.NewDecoder(strings.NewReader(body))
		d.UseNumber()
		d.DisallowUnknownFields()
		require.NoError(t, d.Decode(&ref))
		want := request{
			Switch: ref.Switch, DN: ref.DN, ANI: ref.ANI, DNIS: ref.DNIS, CustomerID: ref.CustomerID,
			IdempotencyKey: ref.IdempotencyKey, ReferenceID: ref.ReferenceID, MediaType: ref.MediaType,
		}
		for _, p := range ref.UserData {
			switch v := p.Value.(type) {
			case string:
				want.UserData = append(want.UserData, kvlist.Str(p.Key, v))
			case json.Number:
				n, err := v.Int64()
				require.NoError(t, err)
				want.UserData = append(want.UserData, kvlist.Int(p.Key, n))
			default:
				t.Fatalf("%T", v)
			}
		}
		require.Equal(t, want, r)
	})
}

func BenchmarkDecode(b *testing.B) {
	pairs := make([]string, 45)
	for i := range pairs {
		pairs[i] = fmt.Sprintf(`{"key":"_CB_DIM_SOME_TEXT_%02d","type":"str","value":"COMPLETED.TRANSFERRED_TO_RP"}`, i)
	}
	body := `{"switch":"s","dn":"d","referenceId":1,"userData":[` + strings.Join(pairs, ",") + `]}`
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	var r request
	for b.Loop() {
		r.UserData = slices.Delete(r.UserData, 0, len(r.UserData))
		if !decode(body, forUserEvent, &r).none() {
			b.Fatal("refused")
		}
	}
}
