package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/wire"
)

// fullUserEvent has 40 KVPs and eight events, as the FINAL of an answered callback has.
func fullUserEvent() *callback.UserEvent {
	u := userEvent()
	u.Events = nil
	for i := range 8 {
		u.Events = append(u.Events, callback.SourceEvent{
			Source: "/gms/eu-1", ID: "3f1c9a52-9a51-4a0e-8a57-0d6d3c1b7a1" + string(rune('0'+i)), Type: callback.Types[i*2],
			Time: 1_772_000_000_000_000, Partition: 3, Offset: int64(1_000_000 + i),
		})
	}
	for k := range callback.KVP(callback.NumKVPs) {
		if k%7 > 3 && k != callback.KeyServiceID {
			continue
		}
		by := int(k) % 9
		if by == 8 {
			by = -1
		} else {
			u.Events[by].Sets = append(u.Events[by].Sets, k.String())
		}
		switch k.Info().Kind {
		case callback.String:
			u.KVPs.SetStr(k, "CUSTOMER_TERMINATED", by)
		case callback.Timestamp:
			u.KVPs.SetInt(k, 1_772_000_000+int64(k), by)
		default:
			u.KVPs.SetInt(k, int64(k), by)
		}
	}
	u.KVPs.SetStr(callback.KeyServiceID, "3f1c9a52-9a51-4a0e-8a57-0d6d3c1b7a10", -1)
	return u
}

func BenchmarkLifecycleEncode(b *testing.B) {
	codec, _, _ := newCodec(b)
	e := requested()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := codec.Lifecycle(e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLifecycleDecode(b *testing.B) {
	codec, _, _ := newCodec(b)
	r, err := codec.Lifecycle(requested())
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := codec.ParseLifecycle(b.Context(), &r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDataDecode(b *testing.B) {
	e := requested()
	raw, err := wire.EncodeData(&e.Data)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.DecodeData(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDataEncode(b *testing.B) {
	e := requested()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.EncodeData(&e.Data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUserEventEncode(b *testing.B) {
	codec, _, _ := newCodec(b)
	u := fullUserEvent()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := codec.UserEvent(u); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUserEventDecode(b *testing.B) {
	codec, _, _ := newCodec(b)
	r, err := codec.UserEvent(fullUserEvent())
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := codec.ParseUserEvent(b.Context(), &r); err != nil {
			b.Fatal(err)
		}
	}
}
