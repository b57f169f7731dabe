package wire_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ringback/ringback/pkg/avro"
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
)

func userEvent() *callback.UserEvent {
	u := &callback.UserEvent{
		Sequence: 2, Cause: callback.CauseFinal, LogicVersion: callback.LogicVersion, ServiceName: ptr("billing"),
		LastEventTime: 1_772_000_100_000_001, DesiredTime: ptr(int64(1_772_000_000)),
		Events: []callback.SourceEvent{
			{Source: "/s", ID: "1", Type: callback.Requested, Time: 1_772_000_000_000_000, Partition: 3, Offset: 41,
				Sets: []string{"_CB_T_SERVICE_START", "_CB_N_CALLBACK_OFFERED", "DESIRED_TIME_TS"}},
			{Source: "/s", ID: "2", Type: callback.Queued, Time: 1_772_000_050_000_000, Partition: 3, Offset: 42},
			{Source: "/s", ID: "3", Type: callback.Completed, Time: 1_772_000_100_000_001, Partition: 3, Offset: 47, Sets: []string{"_CB_DISPOSITION"}},
		},
	}
	u.KVPs.SetStr(callback.KeyServiceID, "svc-1", -1)
	u.KVPs.SetInt(callback.KeyTServiceStart, 1_772_000_000, 0)
	u.KVPs.SetInt(callback.KeyNCallbackOffered, 1, 0)
	u.KVPs.SetInt(callback.KeyFinalRecord, 1, -1)
	u.KVPs.SetInt(callback.KeyPriorityWhenCallbackAccepted, -5, -1)
	u.KVPs.SetStr(callback.KeyDisposition, "COMPLETED.AGENT", 2)
	u.KVPs.SetStr(callback.KeyCustomerANI, "", -1) // empty is not absent
	return u
}

func TestUserEventRoundTrip(t *testing.T) {
	t.Parallel()
	want := userEvent()
	r, err := codec.UserEvent(want)
	require.NoError(t, err)
	require.Equal(t, topic.UserEvents, r.Topic)
	require.Equal(t, "svc-1", string(r.Key))
	require.Equal(t, []string{
		"ce_specversion=1.0", "ce_id=svc-1/2", "ce_source=/ringback/enricher", "ce_type=callback.userevent", "ce_subject=svc-1",
		"ce_time=2026-02-25T06:15:00.000001Z", "content-type=application/avro",
	}, headerTexts(r))
	got, err := codec.ParseUserEvent(t.Context(), &r)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestUserEventRoundTripOfAnyKVPs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		want := drawUserEvent(rt)
		r, err := codec.UserEvent(want)
		require.NoError(rt, err)
		again, err := codec.UserEvent(want)
		require.NoError(rt, err)
		require.Equal(rt, r, again)
		bySchema, err := codec.EncodeUserEventBySchema(want)
		require.NoError(rt, err)
		require.Equal(rt, bySchema, r.Value, "the code that knows the schema writes what the schema says")
		got, err := codec.ParseUserEvent(context.Background(), &r)
		require.NoError(rt, err)
		require.Equal(rt, want, got)
	})
}

func TestAUserEventThatTheSchemaRefusesIsRefused(t *testing.T) {
	t.Parallel()
	bad := userEvent()
	bad.Events[0].ID = "\xff"
	_, err := codec.UserEvent(bad)
	require.ErrorContains(t, err, "UTF-8")
	bad = userEvent()
	bad.Cause = "WHIM"
	_, err = codec.UserEvent(bad)
	require.Error(t, err)
}

// Invariant 9 is the store's: a UserEvent that lacks the mandatory KVPs is decoded all the same.
func TestUserEventWithoutKVPs(t *testing.T) {
	t.Parallel()
	r, err := codec.UserEvent(&callback.UserEvent{Sequence: 1, Cause: callback.CauseStart})
	require.NoError(t, err)
	r.Key = []byte("svc")
	r.Headers = append(r.Headers, kafka.Header{Key: "ce_subject", Value: []byte("svc")})
	got, err := codec.ParseUserEvent(t.Context(), &r)
	require.NoError(t, err)
	require.Len(t, got.KVPs.Missing(), 5)
}

func TestParseOwnRefuses(t *testing.T) {
	t.Parallel()
	u := userEvent()
	u.Sequence = 0
	r, err := codec.UserEvent(u)
	require.NoError(t, err)
	_, err = codec.ParseUserEvent(t.Context(), &r)
	requireReason(t, err, callback.ReasonInvalidField)

	r, err = codec.UserEvent(userEvent())
	require.NoError(t, err)
	_, err = codec.ParseAttachedData(t.Context(), &r)
	requireReason(t, err, callback.ReasonUnknownType)
	_, err = codec.ParseDeadLetter(t.Context(), &r)
	requireReason(t, err, callback.ReasonUnknownType)

	r.Key = []byte("svc-2")
	_, err = codec.ParseUserEvent(t.Context(), &r)
	requireReason(t, err, callback.ReasonMiskeyed)
	r.Headers = append(r.Headers, kafka.Header{Key: "ce_subject", Value: []byte("svc-2")})
	_, err = codec.ParseUserEvent(t.Context(), &r)
	requireReason(t, err, callback.ReasonMiskeyed)
}

// drawUserEvent fills any of the KVPs, of up to four events.
func drawUserEvent(rt *rapid.T) *callback.UserEvent {
	want := &callback.UserEvent{Sequence: int32(rapid.IntRange(1, 1<<31-1).Draw(rt, "sequence")), Cause: callback.CauseCorrection, Events: []callback.SourceEvent{}}
	for i := range rapid.IntRange(0, 4).Draw(rt, "events") {
		want.Events = append(want.Events, callback.SourceEvent{ID: fmt.Sprint(i), Offset: int64(i)})
	}
	for k := range callback.KVP(callback.NumKVPs) {
		if k != callback.KeyServiceID && !rapid.Bool().Draw(rt, "set") {
			continue
		}
		v := callback.Value{Set: true, By: int32(rapid.IntRange(-1, len(want.Events)-1).Draw(rt, "by"))}
		switch {
		case k == callback.KeyServiceID:
			v.Str = "svc"
		case k.Info().Kind == callback.String:
			v.Str = rapid.String().Draw(rt, "text")
		default:
			v.Int = rapid.Int64().Draw(rt, "number")
		}
		want.KVPs[k] = v
		if v.By >= 0 {
			want.Events[v.By].Sets = append(want.Events[v.By].Sets, k.String())
		}
	}
	return want
}

// withoutEvents is what is left of a UserEvent where the events that it was made of are not asked for.
func withoutEvents(u *callback.UserEvent) *callback.UserEvent {
	u.Events = nil
	for k := range u.KVPs {
		if u.KVPs[k].Set {
			u.KVPs[k].By = -1
		}
	}
	return u
}

func TestUserEventValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		want := drawUserEvent(rt)
		r, err := codec.UserEvent(want)
		require.NoError(rt, err)
		got, err := codec.ParseUserEventValues(context.Background(), &r)
		require.NoError(rt, err)
		require.Equal(rt, withoutEvents(want), got)
	})
	for _, u := range []*callback.UserEvent{userEvent(), fullUserEvent(), {Sequence: 1, Cause: callback.CauseStart}} {
		r, err := codec.UserEvent(u)
		require.NoError(t, err)
		require.True(t, codec.TakesUserEventValues(r.Value), "what the enricher writes needs no schema")
	}
	r, err := codec.UserEvent(userEvent())
	require.NoError(t, err)
	r.Value[5] = 0 // event_sequence
	_, err = codec.ParseUserEventValues(t.Context(), &r)
	requireReason(t, err, callback.ReasonInvalidField)
	r.Key = []byte("svc-2")
	_, err = codec.ParseUserEventValues(t.Context(), &r)
	requireReason(t, err, callback.ReasonMiskeyed)
}

// checkValues holds what is read without the events against what the schema says of all the
// bytes: a fault among those that are passed over is a fault all the same.
func checkValues(t require.TestingT, value []byte) {
	want, wantErr := codec.ReadUserEvent(context.Background(), value)
	got, err := codec.ReadUserEventValues(context.Background(), value)
	if wantErr != nil {
		require.EqualError(t, err, wantErr.Error())
		return
	}
	require.NoError(t, err)
	require.Equal(t, withoutEvents(want), got)
}

// Whatever the bytes are, a UserEvent is taken and refused as the schema says, events and all.
func TestUserEventValuesAreReadAsTheSchemaSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		r, err := codec.UserEvent(drawUserEvent(rt))
		require.NoError(rt, err)
		checkValues(rt, spoil(rt, r.Value))
	})
}

// Each byte of the events is looked at: changed, it is refused or it is another value of its type.
func TestEventsThatArePassedOverAreChecked(t *testing.T) {
	t.Parallel()
	r, err := codec.UserEvent(userEvent())
	require.NoError(t, err)
	refused := 0
	for at := 5; at < len(r.Value); at++ {
		for _, c := range []byte{0, 1, 0x7f, 0x80, 0xff} {
			value := append([]byte(nil), r.Value...)
			value[at] = c
			checkValues(t, value)
			if _, err := codec.ReadUserEventValues(t.Context(), value); err != nil && at > len(r.Value)-100 {
				refused++
			}
		}
		checkValues(t, r.Value[:at])
	}
	require.Greater(t, refused, 100, "among the last hundred bytes, which are of the events")
}

func FuzzUserEventValues(f *testing.F) {
	r, err := codec.UserEvent(userEvent())
	require.NoError(f, err)
	f.Add(r.Value)
	f.Fuzz(func(t *testing.T, value []byte) {
		if id, _, err := avro.SplitHeader(value); err != nil || id != int(r.Value[4]) {
			return // of no schema, or another's
		}
		checkValues(t, value)
	})
}
