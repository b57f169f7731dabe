package wire_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/kafka"
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
	e := requested()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := codec.Lifecycle(e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLifecycleDecode(b *testing.B) {
	r, err := codec.Lifecycle(requested())
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := codec.ParseLifecycle(b.Context(), &r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUserEventEncode(b *testing.B) {
	u := fullUserEvent()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := codec.UserEvent(u); err != nil {
			b.Fatal(err)
		}
	}
}

// The ids differ from record to record, as they do in a topic.
func BenchmarkUserEventDecode(b *testing.B) {
	records := make([]kafka.Record, 256)
	for i := range records {
		u := fullUserEvent()
		u.KVPs.SetStr(callback.KeyServiceID, fmt.Sprintf("3f1c9a52-9a51-4a0e-8a57-0d6d3c1b7%03x", i), -1)
		for j := range u.Events {
			u.Events[j].ID = fmt.Sprintf("7b0fad5a-f1eb-5ee7-be3d-e5a88ff8%04x", i*len(u.Events)+j)
		}
		var err error
		records[i], err = codec.UserEvent(u)
		require.NoError(b, err)
	}
	for name, parse := range map[string]func(context.Context, *kafka.Record) (*callback.UserEvent, error){
		"all": codec.ParseUserEvent, "values": codec.ParseUserEventValues,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := parse(b.Context(), &records[i%len(records)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The code that knows the schemas, beside that which is led by them.
func BenchmarkBySchema(b *testing.B) {
	codec, _, _ := newCodec(b)
	r, err := codec.Lifecycle(requested())
	require.NoError(b, err)
	u := fullUserEvent()
	for _, of := range []struct {
		name string
		do   func() error
	}{
		{"read/plain", func() error { _, err := codec.ReadData(b.Context(), r.Value); return err }},
		{"read/schema", func() error { _, err := codec.ReadDataBySchema(b.Context(), r.Value); return err }},
		{"write/plain", func() error { _, err := codec.UserEvent(u); return err }},
		{"write/schema", func() error { _, err := codec.EncodeUserEventBySchema(u); return err }},
	} {
		b.Run(of.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := of.do(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
