package wire_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/session"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
)

func TestAttachedDataRoundTrip(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]*callback.AttachedData{
		"accepted": {IxnID: "ixn-1", Occasion: callback.OnAccepted, ServiceName: ptr("billing"), LogicVersion: 1, LastEventTime: 1_772_000_000_000_000,
			ServiceID: "svc-1", ServiceStart: ptr(int64(1)), CallbackAccepted: ptr(int64(2))},
		"connected": {IxnID: "ixn-2", Occasion: callback.OnConnected, LogicVersion: 1, ServiceID: "svc-1", CustomerConnected: ptr(int64(3)), EventID: "7", EventSource: "/s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := codec.AttachedData(want)
			require.NoError(t, err)
			id, _ := r.Header("ce_id")
			require.Equal(t, want.ID(), string(id))
			got, err := codec.ParseAttachedData(t.Context(), &r)
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

func TestDeadLetterRoundTrip(t *testing.T) {
	t.Parallel()
	want := &callback.DeadLetter{
		Component: "infomart", Topic: topic.UserEvents, Partition: 4, Offset: 1 << 40, Reason: callback.ReasonMissingKVP, Detail: "it lacks a key",
		Missing: []string{"_CB_T_SERVICE_START"}, ServiceID: ptr("svc-1"), RecordTime: time.UnixMilli(1_772_000_000_123).UTC(),
		RecordKey: []byte("svc-1"), RecordValue: []byte{0, 0xff}, RecordHeaders: []callback.Header{{Name: "ce_id", Value: []byte("\xff")}},
	}
	r, err := codec.DeadLetter(want)
	require.NoError(t, err)
	require.Equal(t, "svc-1", string(r.Key))
	id, _ := r.Header("ce_id")
	require.Equal(t, "infomart/callback.userevents.v1/4/1099511627776", string(id))
	got, err := codec.ParseDeadLetter(t.Context(), &r)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// Invariant 2: whatever the bad record holds, its dead letter can be written.
func TestDeadLetterOfAnything(t *testing.T) {
	t.Parallel()
	d := &callback.DeadLetter{Component: "enricher", Topic: "t", Reason: callback.ReasonUndecodable, Detail: "a\xffb", RecordTime: time.UnixMilli(0).UTC(),
		RecordHeaders: []callback.Header{{Name: "\xfe", Value: nil}}}
	r, err := codec.DeadLetter(d)
	require.NoError(t, err)
	require.Nil(t, r.Key)
	got, err := codec.ParseDeadLetter(t.Context(), &r)
	require.NoError(t, err)
	require.Equal(t, "a\uFFFDb", got.Detail)
	require.Equal(t, []callback.Header{{Name: "\uFFFD", Value: []byte{}}}, got.RecordHeaders)
	require.Nil(t, got.RecordKey)
	require.Nil(t, got.RecordValue)
}

// frame is the length of what stands before a value: a zero and the id of its schema.
const frame = 5

// fuzzed is the record with another value of the same schema.
func fuzzed(r kafka.Record, payload []byte) *kafka.Record {
	r.Value = append(r.Value[:frame:frame], payload...)
	return &r
}

// writable tells whether RFC 3339 has a form for it, which ce_time takes.
func writable(t time.Time) bool { year := t.UTC().Year(); return year >= 0 && year <= 9999 }

// Whatever lies in the topic, it is read or refused as bad data, and what is read can be written and read again.
func FuzzParseAttachedData(f *testing.F) {
	r, err := codec.AttachedData(&callback.AttachedData{IxnID: "ixn-1", Occasion: callback.OnAccepted, ServiceName: ptr("billing"), LogicVersion: 1,
		LastEventTime: 1_772_000_000_000_000, ServiceID: "svc-1", ServiceStart: ptr(int64(1)), EventID: "7", EventSource: "/s"})
	require.NoError(f, err)
	f.Add(r.Value[frame:])
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := codec.ParseAttachedData(t.Context(), fuzzed(r, payload))
		if err != nil {
			require.Equal(t, fault.BadData, fault.ClassOf(err), "%v", err)
			return
		}
		if !writable(time.UnixMicro(int64(got.LastEventTime))) {
			return
		}
		again, err := codec.AttachedData(got)
		require.NoError(t, err)
		same, err := codec.ParseAttachedData(t.Context(), &again)
		require.NoError(t, err)
		require.Equal(t, got, same)
	})
}

func FuzzParseDeadLetter(f *testing.F) {
	r, err := codec.DeadLetter(&callback.DeadLetter{Component: "infomart", Topic: topic.UserEvents, Partition: 4, Offset: 1 << 40, Reason: callback.ReasonMissingKVP,
		Detail: "it lacks a key", Missing: []string{"_CB_T_SERVICE_START"}, ServiceID: ptr("svc-1"), RecordTime: time.UnixMilli(1_772_000_000_123).UTC(),
		RecordKey: []byte("svc-1"), RecordValue: []byte{0, 0xff}, RecordHeaders: []callback.Header{{Name: "ce_id", Value: []byte("\xff")}}})
	require.NoError(f, err)
	f.Add(r.Value[frame:])
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := codec.ParseDeadLetter(t.Context(), fuzzed(r, payload))
		if err != nil {
			require.Equal(t, fault.BadData, fault.ClassOf(err), "%v", err)
			return
		}
		if !writable(got.RecordTime) {
			return
		}
		again, err := codec.DeadLetter(got)
		require.NoError(t, err)
		same, err := codec.ParseDeadLetter(t.Context(), &again)
		require.NoError(t, err)
		require.Equal(t, got, same)
	})
}

func TestPositionRoundTrip(t *testing.T) {
	t.Parallel()
	want := session.Position{Next: 1, Clock: 2, Read: 3, Applied: 4, AlreadyApplied: 5, DeadLettered: 6, Ticks: 7, Sessions: 8}
	r, err := codec.Position(want)
	require.NoError(t, err)
	require.True(t, wire.IsPosition(&r))
	require.False(t, wire.IsPosition(&kafka.Record{Key: []byte("position")}))
	got, err := codec.ParsePosition(&r)
	require.NoError(t, err)
	require.Equal(t, want, got)
	_, err = codec.ParsePosition(&kafka.Record{Key: []byte("svc")})
	require.Error(t, err)
}

func TestStateFraming(t *testing.T) {
	t.Parallel()
	codec, _, client := newCodec(t)
	s := session.New("svc-1")
	s.Started, s.LastNews = true, 1_772_000_000_000
	encoded := s.Append(nil)
	framed := codec.FrameState(encoded)
	got, err := codec.UnframeState(framed)
	require.NoError(t, err)
	require.Equal(t, encoded, got)

	// The same schema under another id is a writer like any other.
	text, err := client.SchemaByID(t.Context(), int(framed[4]))
	require.NoError(t, err)
	other, err := client.Register(t.Context(), "elsewhere", text[:len(text)-2]+`,"comment":"x"}`)
	require.NoError(t, err)
	require.NotEqual(t, int(framed[4]), other)
	framed[4] = byte(other)
	got, err = codec.UnframeState(framed)
	require.NoError(t, err)
	require.Equal(t, encoded, got)

	_, err = codec.UnframeState([]byte{1, 2})
	require.Error(t, err)
}

func TestTick(t *testing.T) {
	t.Parallel()
	for _, flush := range []bool{false, true} {
		r := wire.Tick(3, flush)
		require.Equal(t, topic.Lifecycle, r.Topic)
		require.EqualValues(t, 3, r.Partition)
		require.Nil(t, r.Value)
		tick, flushes := wire.IsTick(&r)
		require.True(t, tick)
		require.Equal(t, flush, flushes)
	}
	tick, _ := wire.IsTick(&kafka.Record{Headers: []kafka.Header{{Key: "ce_type", Value: []byte("callback.queued")}}})
	require.False(t, tick)
	r := wire.Tick(0, false)
	r.Value = []byte{}
	tick, _ = wire.IsTick(&r)
	require.False(t, tick, "a tick has no value")
}
