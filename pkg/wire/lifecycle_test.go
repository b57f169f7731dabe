package wire_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/topic"
)

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

func TestDataRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		want := drawData(rt)
		r, err := codec.Lifecycle(&callback.Event{Data: want})
		require.NoError(rt, err)
		got, err := codec.ReadData(t.Context(), r.Value)
		require.NoError(rt, err)
		require.Equal(rt, want, got)
	})
}

// Whatever the bytes are, the code that knows the schema says what the schema says.
func TestDataIsReadAsItsSchemaSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		r, err := codec.Lifecycle(&callback.Event{Data: drawData(rt)})
		require.NoError(rt, err)
		value := spoil(rt, r.Value)
		want, wantErr := codec.ReadDataBySchema(t.Context(), value)
		got, err := codec.ReadData(t.Context(), value)
		if wantErr != nil {
			require.EqualError(rt, err, wantErr.Error())
			return
		}
		require.NoError(rt, err)
		require.Equal(rt, want, got)
	})
}

// spoil changes a few bytes behind the header, or none.
func spoil(t *rapid.T, value []byte) []byte {
	for range rapid.IntRange(0, 3).Draw(t, "changes") {
		at := rapid.IntRange(5, len(value)-1).Draw(t, "at")
		switch rapid.IntRange(0, 2).Draw(t, "change") {
		case 0:
			value[at] = rapid.Byte().Draw(t, "byte")
		case 1:
			value = append(value[:at:at], value[at+1:]...)
		default:
			value = append(value[:at:at], append([]byte{rapid.SampledFrom([]byte{0, 1, 2, 0x80, 0xff}).Draw(t, "more")}, value[at:]...)...)
		}
		if len(value) <= 6 {
			break
		}
	}
	return value
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

func FuzzParseLifecycle(f *testing.F) {
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
