package wire_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ringback/ringback/pkg/callback"
	embedded "github.com/ringback/ringback/pkg/embedded/registry"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/session"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
)

func newCodec(t testing.TB) (*wire.Codec, *embedded.Server, *registry.Client) {
	t.Helper()
	server, err := embedded.Start(embedded.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	client, err := registry.New(registry.Config{URL: server.URL()})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	codec, err := wire.New(t.Context(), client)
	require.NoError(t, err)
	return codec, server, client
}

func ptr[T any](v T) *T { return &v }

// requested is an event with every kind of attribute.
func requested() *callback.Event {
	return &callback.Event{
		Source: "/gms/eu-1", ID: "e-1", Type: callback.Requested, Subject: "svc-1", Time: 1_772_000_000_123_456,
		TenantDBID: ptr(int64(101)), ORSSessionID: ptr("00FAVG4F2G5SB7QJ"),
		Extensions: map[string]string{"region": "eu", "batch": "7"},
		Data: callback.Data{
			CallbackType: ptr("SCHEDULED"), ServiceName: ptr("billing"), CustomerNumber: ptr("5550100"),
			DesiredTime:  ptr(callback.Micros(1_772_003_600_000_000)),
			VirtualQueue: &callback.VirtualQueue{Name: "VQ_Billing", DBID: ptr(int64(500))},
			MediaType:    ptr("voice"), MaxAttempts: ptr(int64(3)),
			Parameters: map[string]string{"_cb_dim_channel": "WEB", "_cb_ewt_when_callback_was_offered": "120", "_cb_d_callback_offer": "8"},
		},
	}
}

func TestLifecycleRoundTrip(t *testing.T) {
	t.Parallel()
	codec, _, _ := newCodec(t)
	want := requested()
	r, err := codec.Lifecycle(want)
	require.NoError(t, err)
	require.Equal(t, topic.Lifecycle, r.Topic)
	require.Equal(t, kafka.AnyPartition, r.Partition)
	require.Equal(t, "svc-1", string(r.Key))
	require.Zero(t, r.Time)
	require.Equal(t, []string{
		"ce_specversion=1.0", "ce_id=e-1", "ce_source=/gms/eu-1", "ce_type=callback.requested", "ce_subject=svc-1",
		"ce_time=2026-02-25T06:13:20.123456Z", "ce_tenantdbid=101", "ce_orssessionid=00FAVG4F2G5SB7QJ",
		"ce_batch=7", "ce_region=eu", "content-type=application/avro",
	}, headerTexts(r))

	got, err := codec.ParseLifecycle(t.Context(), &r)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func headerTexts(r kafka.Record) []string {
	var out []string
	for _, h := range r.Headers {
		out = append(out, h.Key+"="+string(h.Value))
	}
	return out
}

// Invariant 3: the same event gives the same bytes, although Go's maps have no order.
func TestEncodingIsCanonical(t *testing.T) {
	t.Parallel()
	codec, _, _ := newCodec(t)
	e := requested()
	for i := range 20 {
		e.Data.Parameters[fmt.Sprintf("_cb_p%d", i)] = "v"
		e.Extensions[fmt.Sprintf("x%d", i)] = "v"
	}
	first, err := codec.Lifecycle(e)
	require.NoError(t, err)
	plain, err := wire.EncodeData(&e.Data)
	require.NoError(t, err)
	for range 100 {
		again, err := codec.Lifecycle(e)
		require.NoError(t, err)
		require.Equal(t, first, again)
		data, err := codec.EncodeData(&e.Data)
		require.NoError(t, err)
		require.Equal(t, plain, data)
	}
}

func TestDataRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawData(t)
		b, err := wire.EncodeData(&want)
		require.NoError(t, err)
		got, err := wire.DecodeData(b)
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

// drawData fills any of the fields.
func drawData(t *rapid.T) callback.Data {
	text := func(name string) *string { return rapid.Ptr(rapid.String(), true).Draw(t, name) }
	number := func(name string) *int64 { return rapid.Ptr(rapid.Int64(), true).Draw(t, name) }
	d := callback.Data{
		Channel: text("channel"), OfferType: text("offer_type"), OfferTiming: text("offer_timing"), EWT: number("ewt"),
		Position: number("position"), EWTThreshold: number("threshold"), InboundVQEWT: number("inbound"),
		WaitedBeforeOffer: number("waited"), CustomerANI: text("ani"), OriginationIxnID: text("origination"),
		Priority: number("priority"), CallbackType: text("type"), ServiceName: text("service"), CustomerNumber: text("number"),
		DesiredTime: (*callback.Micros)(number("desired")), CallDirection: text("direction"), MediaType: text("media"),
		MaxAttempts: number("attempts"), IgnoringAvailability: rapid.Ptr(rapid.Bool(), true).Draw(t, "ignoring"), Kind: text("kind"),
		IxnID: text("ixn"), Result: text("result"), Attempt: number("attempt"), NextAttemptAt: (*callback.Micros)(number("next")),
		Target: text("target"), ConnectOrder: text("order"), Disposition: text("disposition"),
	}
	if rapid.Bool().Draw(t, "has parameters") {
		d.Parameters = rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "parameters")
	}
	if rapid.Bool().Draw(t, "has queue") {
		d.VirtualQueue = &callback.VirtualQueue{
			Name: rapid.String().Draw(t, "queue"), DBID: number("dbid"), CfgTypeID: number("cfg type id"), CfgType: text("cfg type"),
		}
	}
	return d
}

func TestParseLifecycleRefuses(t *testing.T) {
	t.Parallel()
	codec, _, _ := newCodec(t)
	set := func(key, value string) func(*kafka.Record) {
		return func(r *kafka.Record) {
			for i := range r.Headers {
				if r.Headers[i].Key == key {
					r.Headers[i].Value = []byte(value)
					return
				}
			}
			r.Headers = append(r.Headers, kafka.Header{Key: key, Value: []byte(value)})
		}
	}
	drop := func(key string) func(*kafka.Record) {
		return func(r *kafka.Record) {
			for i := range r.Headers {
				if r.Headers[i].Key == key {
					r.Headers = append(r.Headers[:i:i], r.Headers[i+1:]...)
					return
				}
			}
		}
	}
	userEvent, err := codec.UserEvent(userEvent())
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		change func(*kafka.Record)
		reason callback.Reason
		detail string
	}{
		"no attributes": {func(r *kafka.Record) { r.Headers = nil }, callback.ReasonNotCloudEvent, "ce_specversion"},
		"structured mode": {func(r *kafka.Record) {
			r.Headers = []kafka.Header{{Key: "content-type", Value: []byte("application/cloudevents+json")}}
		}, callback.ReasonNotCloudEvent, "structured"},
		"another spec":               {set("ce_specversion", "0.3"), callback.ReasonNotCloudEvent, "ce_specversion"},
		"no id":                      {drop("ce_id"), callback.ReasonNotCloudEvent, "ce_id"},
		"empty source":               {set("ce_source", ""), callback.ReasonNotCloudEvent, "ce_source"},
		"no type":                    {drop("ce_type"), callback.ReasonNotCloudEvent, "ce_type"},
		"no subject":                 {drop("ce_subject"), callback.ReasonNotCloudEvent, "ce_subject"},
		"no time":                    {drop("ce_time"), callback.ReasonNotCloudEvent, "ce_time"},
		"time without zone":          {set("ce_time", "2026-02-25T06:13:20"), callback.ReasonNotCloudEvent, "ce_time"},
		"13-digit time":              {set("ce_time", "1772000000123"), callback.ReasonNotCloudEvent, "ce_time"},
		"time with a comma":          {set("ce_time", "2026-02-25T06:13:20,5Z"), callback.ReasonNotCloudEvent, "ce_time"},
		"hour of one digit":          {set("ce_time", "2026-02-25T6:13:20Z"), callback.ReasonNotCloudEvent, "ce_time"},
		"offset of a day":            {set("ce_time", "2026-02-25T06:13:20+24:00"), callback.ReasonNotCloudEvent, "ce_time"},
		"leap second":                {set("ce_time", "2026-02-25T23:59:60Z"), callback.ReasonNotCloudEvent, "ce_time"},
		"before 1970":                {set("ce_time", "1969-12-31T23:59:59.9999999Z"), callback.ReasonNotCloudEvent, "time"},
		"NUL in the id":              {set("ce_id", "a\x00b"), callback.ReasonNotCloudEvent, "id"},
		"id is not UTF-8":            {set("ce_id", "a\xffb"), callback.ReasonNotCloudEvent, "id"},
		"tenant is no integer":       {set("ce_tenantdbid", "one"), callback.ReasonNotCloudEvent, "ce_tenantdbid"},
		"tenant is empty":            {set("ce_tenantdbid", ""), callback.ReasonNotCloudEvent, "ce_tenantdbid"},
		"session id is empty":        {set("ce_orssessionid", ""), callback.ReasonNotCloudEvent, "orssessionid"},
		"unknown type":               {set("ce_type", "callback.exploded"), callback.ReasonUnknownType, "callback.exploded"},
		"a tick with a value":        {set("ce_type", string(callback.Tick)), callback.ReasonUnknownType, "ringback.tick"},
		"another key":                {func(r *kafka.Record) { r.Key = []byte("svc-2") }, callback.ReasonMiskeyed, "key"},
		"no key":                     {func(r *kafka.Record) { r.Key = nil }, callback.ReasonMiskeyed, "key"},
		"null value":                 {func(r *kafka.Record) { r.Value = nil }, callback.ReasonUndecodable, "null"},
		"empty value":                {func(r *kafka.Record) { r.Value = []byte{} }, callback.ReasonUndecodable, "Confluent"},
		"garbage":                    {func(r *kafka.Record) { r.Value = []byte("\xde\xad\xbe\xef\x00\x01") }, callback.ReasonUndecodable, "Confluent"},
		"JSON":                       {func(r *kafka.Record) { r.Value = []byte(`{"channel":"IVR"}`) }, callback.ReasonUndecodable, "Confluent"},
		"cut short":                  {func(r *kafka.Record) { r.Value = r.Value[:len(r.Value)-1] }, callback.ReasonUndecodable, "ends early"},
		"bytes at the end":           {func(r *kafka.Record) { r.Value = append(r.Value, 0) }, callback.ReasonUndecodable, "bytes follow"},
		"a record of another schema": {func(r *kafka.Record) { r.Value = userEvent.Value }, callback.ReasonUndecodable, "cannot be read as"},
		"a field of another type":    {set("ce_type", string(callback.Queued)), callback.ReasonInvalidField, "callback_type: is no field"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := codec.Lifecycle(requested())
			require.NoError(t, err)
			tc.change(&r)
			_, err = codec.ParseLifecycle(t.Context(), &r)
			var bad *callback.BadRecord
			require.ErrorAs(t, err, &bad)
			require.Equal(t, tc.reason, bad.Reason, bad.Detail)
			require.Contains(t, bad.Detail, tc.detail)
			require.Equal(t, fault.BadData, fault.ClassOf(err))
		})
	}
}

func TestParseLifecycleTakes(t *testing.T) {
	t.Parallel()
	codec, _, _ := newCodec(t)
	r, err := codec.Lifecycle(requested())
	require.NoError(t, err)
	for i := range r.Headers {
		if r.Headers[i].Key == "ce_time" {
			r.Headers[i].Value = []byte("2026-02-25T08:13:20.1234569+02:00")
		}
	}
	r.Headers = append(r.Headers,
		kafka.Header{Key: "ce_traceparent", Value: []byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")},
		kafka.Header{Key: "ce_tracestate", Value: []byte("a=b")},
		kafka.Header{Key: "ce_dataschema", Value: []byte("http://registry/schemas/ids/1")},
		kafka.Header{Key: "unrelated", Value: []byte("\xff")},
	)
	got, err := codec.ParseLifecycle(t.Context(), &r)
	require.NoError(t, err)
	require.Equal(t, requested(), got, "another zone, digits below the microsecond and tracing make no other event")
}

// Invariant 10: what is said of a bad record quotes nothing of it that could be a person's.
func TestDetailQuotesNothingPersonal(t *testing.T) {
	t.Parallel()
	codec, _, _ := newCodec(t)
	const number = "+495551234567"
	for name, change := range map[string]func(*callback.Event){
		"type":      func(e *callback.Event) { e.Type = callback.Type("callback." + number) },
		"parameter": func(e *callback.Event) { e.Data.Parameters = map[string]string{number: number} },
		"number":    func(e *callback.Event) { e.Data.CustomerNumber = ptr(number + "\x00") },
		"subject":   func(e *callback.Event) { e.Subject = number + "\x01" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := requested()
			change(e)
			r, err := codec.Lifecycle(e)
			require.NoError(t, err)
			for _, bad := range []*kafka.Record{&r, {Key: []byte("x"), Value: r.Value, Headers: r.Headers}} {
				if _, err = codec.ParseLifecycle(t.Context(), bad); err != nil {
					require.NotContains(t, err.Error(), "5551234567")
				}
			}
		})
	}
}

func TestUnknownSchema(t *testing.T) {
	t.Parallel()
	codec, _, _ := newCodec(t)
	r, err := codec.Lifecycle(requested())
	require.NoError(t, err)
	r.Value = append([]byte{0, 0, 0, 0x30, 0x39}, r.Value[5:]...)
	_, err = codec.ParseLifecycle(t.Context(), &r)
	require.ErrorIs(t, err, registry.ErrUnknownSchema)
	var bad *callback.BadRecord
	require.NotErrorAs(t, err, &bad)
}

// Invariant 7: a registry that is away is an outage, not bad data.
func TestRegistryAway(t *testing.T) {
	t.Parallel()
	server, err := embedded.Start(embedded.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	front := httptest.NewServer(server.Handler())
	client, err := registry.New(registry.Config{URL: front.URL, Timeout: time.Second})
	require.NoError(t, err)
	codec, err := wire.New(t.Context(), client)
	require.NoError(t, err)
	front.Close()
	require.NoError(t, server.Close())

	r, err := codec.Lifecycle(requested())
	require.NoError(t, err, "what is registered needs no registry")
	_, err = codec.ParseLifecycle(t.Context(), &r)
	require.NoError(t, err)
	r.Value = append([]byte{0, 0, 0, 0x30, 0x39}, r.Value[5:]...)
	_, err = codec.ParseLifecycle(t.Context(), &r)
	require.Equal(t, fault.Outage, fault.ClassOf(err), "%v", err)
	_, err = wire.New(t.Context(), client)
	require.Equal(t, fault.Outage, fault.ClassOf(err), "%v", err)
}

// A producer of a newer release writes with a schema that this one does not know.
func TestNewerWriter(t *testing.T) {
	t.Parallel()
	codec, _, client := newCodec(t)
	id, err := client.Register(t.Context(), "elsewhere", `{"type":"record","name":"LifecycleEvent","namespace":"ringback.callback.v1","fields":[
		{"name":"mood","type":["null","string"],"default":null},
		{"name":"priority","type":["null","int"],"default":null}]}`)
	require.NoError(t, err)
	e := &callback.Event{Source: "/s", ID: "1", Type: callback.OfferAccepted, Subject: "svc", Time: 1_772_000_000_000_000}
	r, err := codec.Lifecycle(e)
	require.NoError(t, err)
	r.Value = []byte{0, 0, 0, 0, byte(id), 2, 6, 's', 'a', 'd', 2, 14}
	got, err := codec.ParseLifecycle(t.Context(), &r)
	require.NoError(t, err)
	e.Data.Priority = ptr(int64(7))
	require.Equal(t, e, got)
}

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
	codec, _, _ := newCodec(t)
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
	codec, _, _ := newCodec(t)
	rapid.Check(t, func(rt *rapid.T) {
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
		r, err := codec.UserEvent(want)
		require.NoError(rt, err)
		again, err := codec.UserEvent(want)
		require.NoError(rt, err)
		require.Equal(rt, r, again)
		got, err := codec.ParseUserEvent(context.Background(), &r)
		require.NoError(rt, err)
		require.Equal(rt, want, got)
	})
}

// Invariant 9 is the store's: a UserEvent that lacks the mandatory KVPs is decoded all the same.
func TestUserEventWithoutKVPs(t *testing.T) {
	t.Parallel()
	codec, _, _ := newCodec(t)
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
	codec, _, _ := newCodec(t)
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

func requireReason(t *testing.T, err error, reason callback.Reason) {
	t.Helper()
	var bad *callback.BadRecord
	require.ErrorAs(t, err, &bad)
	require.Equal(t, reason, bad.Reason, bad.Detail)
}

func TestAttachedDataRoundTrip(t *testing.T) {
	t.Parallel()
	codec, _, _ := newCodec(t)
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
	codec, _, _ := newCodec(t)
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
	codec, _, _ := newCodec(t)
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

func TestPositionRoundTrip(t *testing.T) {
	t.Parallel()
	codec, _, _ := newCodec(t)
	want := session.Position{Next: 1, Clock: 2, Read: 3, Applied: 4, AlreadyApplied: 5, DeadLettered: 6, Ticks: 7}
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

func FuzzParseLifecycle(f *testing.F) {
	codec, _, _ := newCodec(f)
	r, err := codec.Lifecycle(requested())
	require.NoError(f, err)
	f.Add([]byte("svc-1"), r.Value, "callback.requested", "2026-02-25T06:13:20Z", "101")
	f.Add([]byte(nil), []byte{0, 0, 0, 0, 1, 2, 0xff, 0xff, 0xff, 0xff, 0x0f}, "callback.queued", "", "")
	f.Fuzz(func(t *testing.T, key, value []byte, typ, when, tenant string) {
		rec := kafka.Record{Key: key, Value: value, Headers: []kafka.Header{
			{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "ce_id", Value: []byte("1")}, {Key: "ce_source", Value: []byte("/s")},
			{Key: "ce_type", Value: []byte(typ)}, {Key: "ce_subject", Value: key}, {Key: "ce_time", Value: []byte(when)}, {Key: "ce_tenantdbid", Value: []byte(tenant)},
		}}
		e, err := codec.ParseLifecycle(context.Background(), &rec)
		if err != nil {
			require.NotEqual(t, fault.Bug, classOf(err), "%v", err)
			return
		}
		// What is taken can be written, and is read as the same.
		again, err := codec.Lifecycle(e)
		require.NoError(t, err)
		back, err := codec.ParseLifecycle(context.Background(), &again)
		require.NoError(t, err)
		require.Equal(t, e, back)
	})
}

func classOf(err error) fault.Class {
	if c := fault.ClassOf(err); c != fault.Bug {
		return c
	}
	if isUnknown(err) {
		return fault.BadData
	}
	return fault.Bug
}

func isUnknown(err error) bool { return errors.Is(err, registry.ErrUnknownSchema) }
