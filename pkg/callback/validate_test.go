package callback_test

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ringback/ringback/pkg/callback"
)

func ptr[T any](v T) *T { return &v }

var when = callback.Micros(time.Date(2026, 3, 1, 9, 30, 0, 123456000, time.UTC).UnixMicro())

// valid is an event of the type with nothing but what the type needs.
func valid(t callback.Type) *callback.Event {
	e := &callback.Event{Source: "/ivr", ID: "e1", Type: t, Subject: "S-1", Time: when}
	switch t {
	case callback.Requested:
		e.Data.CallbackType = ptr("IMMEDIATE")
	case callback.Scheduled, callback.Rescheduled:
		e.Data.DesiredTime = ptr(when)
	case callback.AttemptStarted:
		e.Data.Kind = ptr("CALL")
	case callback.AttemptEnded, callback.DialogEnded:
		e.Data.Result = ptr("BUSY")
	case callback.Snoozed:
		e.Data.NextAttemptAt = ptr(when)
	}
	return e
}

func TestEveryTypeIsValidWithWhatItNeedsAlone(t *testing.T) {
	t.Parallel()
	for _, typ := range callback.Types {
		require.Empty(t, valid(typ).Validate(), typ)
	}
}

// fieldsByType repeats the table of the contract, each required field first and marked.
var fieldsByType = map[callback.Type]string{
	callback.Offered:             "channel offer_type offer_timing ewt position ewt_threshold inbound_vq_ewt waited_before_offer customer_ani origination_ixn_id virtual_queue",
	callback.OfferAccepted:       "priority",
	callback.Requested:           "callback_type! service_name customer_number desired_time virtual_queue origination_ixn_id call_direction media_type max_attempts parameters",
	callback.Scheduled:           "desired_time!",
	callback.Rescheduled:         "desired_time!",
	callback.Queued:              "virtual_queue",
	callback.ReadyToStartMedia:   "ewt position ignoring_availability",
	callback.AttemptStarted:      "kind! ixn_id ewt position",
	callback.AttemptEnded:        "result! attempt ixn_id",
	callback.Snoozed:             "next_attempt_at!",
	callback.CustomerConnected:   "call_direction ixn_id priority",
	callback.DialogEnded:         "result!",
	callback.AgentRequested:      "target virtual_queue",
	callback.AgentConnected:      "target connect_order priority",
	callback.AgentTransferFailed: "target",
	callback.CustomerAbandoned:   "priority",
	callback.Completed:           "disposition",
}

// values sets each field of the data to a value that is right.
var values = map[string]func(*callback.Data){
	"channel":               func(d *callback.Data) { d.Channel = ptr("FAX") },
	"offer_type":            func(d *callback.Data) { d.OfferType = ptr("x") },
	"offer_timing":          func(d *callback.Data) { d.OfferTiming = ptr("x") },
	"ewt":                   func(d *callback.Data) { d.EWT = ptr(int64(0)) },
	"position":              func(d *callback.Data) { d.Position = ptr(int64(math.MaxInt32)) },
	"ewt_threshold":         func(d *callback.Data) { d.EWTThreshold = ptr(int64(1)) },
	"inbound_vq_ewt":        func(d *callback.Data) { d.InboundVQEWT = ptr(int64(1)) },
	"waited_before_offer":   func(d *callback.Data) { d.WaitedBeforeOffer = ptr(int64(1)) },
	"customer_ani":          func(d *callback.Data) { d.CustomerANI = ptr("") },
	"origination_ixn_id":    func(d *callback.Data) { d.OriginationIxnID = ptr("x") },
	"virtual_queue":         func(d *callback.Data) { d.VirtualQueue = &callback.VirtualQueue{Name: "VQ", DBID: ptr(int64(1))} },
	"priority":              func(d *callback.Data) { d.Priority = ptr(int64(math.MinInt32)) },
	"callback_type":         func(d *callback.Data) { d.CallbackType = ptr("x") },
	"service_name":          func(d *callback.Data) { d.ServiceName = ptr("x") },
	"customer_number":       func(d *callback.Data) { d.CustomerNumber = ptr("x") },
	"desired_time":          func(d *callback.Data) { d.DesiredTime = ptr(callback.Micros(0)) },
	"call_direction":        func(d *callback.Data) { d.CallDirection = ptr("SIDEWAYS") },
	"media_type":            func(d *callback.Data) { d.MediaType = ptr("chat") },
	"max_attempts":          func(d *callback.Data) { d.MaxAttempts = ptr(int64(3)) },
	"parameters":            func(d *callback.Data) { d.Parameters = map[string]string{"_cb_x": "1"} },
	"ignoring_availability": func(d *callback.Data) { d.IgnoringAvailability = ptr(false) },
	"kind":                  func(d *callback.Data) { d.Kind = ptr("PUSH") },
	"ixn_id":                func(d *callback.Data) { d.IxnID = ptr("x") },
	"result":                func(d *callback.Data) { d.Result = ptr("x") },
	"attempt":               func(d *callback.Data) { d.Attempt = ptr(int64(1)) },
	"next_attempt_at":       func(d *callback.Data) { d.NextAttemptAt = ptr(when) },
	"target":                func(d *callback.Data) { d.Target = ptr("x") },
	"connect_order":         func(d *callback.Data) { d.ConnectOrder = ptr("x") },
	"disposition":           func(d *callback.Data) { d.Disposition = ptr("x") },
}

func TestFieldsBelongToTheirTypes(t *testing.T) {
	t.Parallel()
	require.Equal(t, reflect.TypeFor[callback.Data]().NumField(), len(values), "a field of Data that this test does not know")
	for _, typ := range callback.Types {
		table := " " + fieldsByType[typ] + " "
		for field, set := range values {
			e := valid(typ)
			set(&e.Data)
			switch {
			case strings.Contains(table, " "+field+" "), strings.Contains(table, " "+field+"! "):
				require.Empty(t, e.Validate(), "%s %s", typ, field)
			default:
				require.Equal(t, []callback.Fault{{Field: field, Reason: "is no field of the data of " + string(typ)}}, e.Validate())
			}
			if strings.Contains(table, " "+field+"! ") {
				e.Data = callback.Data{}
				require.Equal(t, []callback.Fault{{Field: field, Reason: "is missing: " + string(typ) + " needs it"}}, e.Validate())
			}
		}
	}
}

func TestValidateNamesFieldAndReason(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 256)
	offered := func(set func(*callback.Data)) func(*callback.Event) {
		return func(e *callback.Event) { set(&e.Data) }
	}
	for _, c := range []struct {
		name   string
		typ    callback.Type
		change func(*callback.Event)
		field  string
		reason string
		code   callback.Reason
	}{
		{"no id", callback.Offered, func(e *callback.Event) { e.ID = "" }, "id", "must not be empty", callback.ReasonNotCloudEvent},
		{"no source", callback.Offered, func(e *callback.Event) { e.Source = "" }, "source", "must not be empty", callback.ReasonNotCloudEvent},
		{"no subject", callback.Offered, func(e *callback.Event) { e.Subject = "" }, "subject", "must not be empty", callback.ReasonNotCloudEvent},
		{"long subject", callback.Offered, func(e *callback.Event) { e.Subject = long }, "subject", "256 characters", callback.ReasonNotCloudEvent},
		{"control character", callback.Offered, func(e *callback.Event) { e.ID = "a\nb" }, "id", "control character", callback.ReasonNotCloudEvent},
		{"unknown type", callback.Offered, func(e *callback.Event) { e.Type = "callback.offerred" }, "type", `"callback.offerred"`, callback.ReasonUnknownType},
		{"tick", callback.Offered, func(e *callback.Event) { e.Type = callback.Tick }, "type", "no lifecycle event type", callback.ReasonUnknownType},
		{"before 1970", callback.Offered, func(e *callback.Event) { e.Time = -1 }, "time", "before 1970", callback.ReasonNotCloudEvent},
		{"after 2038", callback.Offered, func(e *callback.Event) { e.Time = (1 << 31) * 1_000_000 }, "time", "2038-01-19T03:14:07Z", callback.ReasonNotCloudEvent},
		{"tenant 0", callback.Offered, func(e *callback.Event) { e.TenantDBID = ptr(int64(0)) }, "tenantdbid", "at least 1", callback.ReasonNotCloudEvent},
		{"large tenant", callback.Offered, func(e *callback.Event) { e.TenantDBID = ptr(int64(1 << 31)) }, "tenantdbid", "32-bit", callback.ReasonNotCloudEvent},
		{"empty ORS session", callback.Offered, func(e *callback.Event) { e.ORSSessionID = ptr("") }, "orssessionid", "must not be empty", callback.ReasonNotCloudEvent},
		{"extension name", callback.Offered, func(e *callback.Event) { e.Extensions = map[string]string{"a_b": "x"} }, "a_b", "name", callback.ReasonNotCloudEvent},
		{"extension value", callback.Offered, func(e *callback.Event) { e.Extensions = map[string]string{"ab": "\x00"} }, "ab", "NUL", callback.ReasonNotCloudEvent},
		{"negative wait", callback.Offered, offered(func(d *callback.Data) { d.EWT = ptr(int64(-1)) }), "ewt", "must not be negative", callback.ReasonInvalidField},
		{"negative position", callback.Offered, offered(func(d *callback.Data) { d.Position = ptr(int64(-1)) }), "position", "must not be negative", callback.ReasonInvalidField},
		{"large wait", callback.Offered, offered(func(d *callback.Data) { d.EWT = ptr(int64(1 << 31)) }), "ewt", "32-bit", callback.ReasonInvalidField},
		{"NUL", callback.Offered, offered(func(d *callback.Data) { d.Channel = ptr("I\x00R") }), "channel", "NUL", callback.ReasonInvalidField},
		{"not UTF-8", callback.Offered, offered(func(d *callback.Data) { d.Channel = ptr("I\xffR") }), "channel", "UTF-8", callback.ReasonInvalidField},
		{"long text", callback.Offered, offered(func(d *callback.Data) { d.Channel = &long }), "channel", "256 characters, at most 255", callback.ReasonInvalidField},
		{"queue without a name", callback.Queued, offered(func(d *callback.Data) { d.VirtualQueue = &callback.VirtualQueue{} }), "virtual_queue.name", "must not be empty", callback.ReasonInvalidField},
		{"queue of DBID 0", callback.Queued, offered(func(d *callback.Data) { d.VirtualQueue = &callback.VirtualQueue{Name: "q", DBID: ptr(int64(0))} }), "virtual_queue.dbid", "at least 1", callback.ReasonInvalidField},
		{"empty callback type", callback.Requested, offered(func(d *callback.Data) { d.CallbackType = ptr("") }), "callback_type", "must not be empty", callback.ReasonInvalidField},
		{"media type", callback.Requested, offered(func(d *callback.Data) { d.MediaType = ptr("email") }), "media_type", `must be voice or chat, was "email"`, callback.ReasonInvalidField},
		{"kind", callback.AttemptStarted, offered(func(d *callback.Data) { d.Kind = ptr("call") }), "kind", `must be CALL or PUSH, was "call"`, callback.ReasonInvalidField},
		{"attempt 0", callback.AttemptEnded, offered(func(d *callback.Data) { d.Attempt = ptr(int64(0)) }), "attempt", "at least 1", callback.ReasonInvalidField},
		{"desired in 2040", callback.Scheduled, offered(func(d *callback.Data) { d.DesiredTime = ptr(callback.Micros(2_208_988_800_000_000)) }), "desired_time", "2038", callback.ReasonInvalidField},
		{"disposition with no room for the state", callback.Completed, offered(func(d *callback.Data) { d.Disposition = ptr(strings.Repeat("x", 246)) }), "disposition", "at most 245", callback.ReasonInvalidField},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := valid(c.typ)
			c.change(e)
			faults := e.Validate()
			require.Len(t, faults, 1)
			require.Equal(t, c.field, faults[0].Field)
			require.Contains(t, faults[0].Reason, c.reason)
			require.Equal(t, c.code, callback.CodeOf(faults))
		})
	}
}

func TestLimitsAreReached(t *testing.T) {
	t.Parallel()
	e := valid(callback.Offered)
	e.Subject = strings.Repeat("é", 255)
	e.Time = callback.Micros(math.MaxInt32)*1_000_000 + 999_999
	e.Data.EWT = ptr(int64(math.MaxInt32))
	require.Empty(t, e.Validate())

	e = valid(callback.Completed)
	e.Data.Disposition = ptr("PROCESSING." + strings.Repeat("x", 244))
	require.Empty(t, e.Validate())
	e.Data.Disposition = ptr(strings.Repeat("x", 245))
	require.Empty(t, e.Validate())
}

func TestAllFaultsAreListed(t *testing.T) {
	t.Parallel()
	e := valid(callback.AttemptStarted)
	e.ID, e.Data.Kind, e.Data.EWT, e.Data.Result = "", nil, ptr(int64(-1)), ptr("x")
	fields := map[string]bool{}
	for _, f := range e.Validate() {
		fields[f.Field] = true
	}
	require.Equal(t, map[string]bool{"id": true, "kind": true, "ewt": true, "result": true}, fields)
	require.Equal(t, callback.ReasonNotCloudEvent, callback.CodeOf(e.Validate()), "the gravest counts")
	require.Empty(t, callback.CodeOf(nil))
}

func TestValidateParameters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, value, reason string }{
		{"_cb_dim_channel", "anything", ""},
		{"_cb_dim_channel", "", ""},
		{"_cb_dim_channel", strings.Repeat("x", 256), "256 characters"},
		{"_cb_dim_channel", "a\x00", "NUL"},
		{"_cb_customer_ani", "+49 30 123456", ""},
		{"_cb_ewt_when_callback_was_offered", "120", ""},
		{"_cb_ewt_when_callback_was_offered", "-1", "must be whole seconds in decimal, not negative"},
		{"_cb_ewt_when_callback_was_offered", "1.5", "must be whole seconds"},
		{"_cb_ewt_when_callback_was_offered", "2147483648", "32-bit"},
		{"_cb_pos_when_callback_was_offered", "soon", "must be an integer"},
		{"_cb_n_callback_offers_per_session", "2", ""},
		{"_cb_t_callback_offered", "1772357400", ""},
		{"_cb_t_callback_offered", "1772357400123", ""},
		{"_cb_t_callback_offered", "2147483648", "2038"},
		{"_cb_t_callback_offered", "17723574001234", "epoch seconds, or 13-digit"},
		{"_cb_t_callback_offered", "2026-03-01T09:30:00Z", "epoch seconds, or 13-digit"},
		{"_cb_of_our_own", "kept", ""},
		{"_cb_of_our_own", "\xff", "UTF-8"},
		{"cb_dim_channel", "IVR", "their names begin with _cb_"},
		{"_CB_DIM_CHANNEL", "IVR", "their names begin with _cb_"},
	} {
		e := valid(callback.Requested)
		e.Data.Parameters = map[string]string{c.name: c.value}
		require.Empty(t, e.Validate(), "parameters are not Validate's matter")
		faults := e.ValidateParameters()
		if c.reason == "" {
			require.Empty(t, faults, "%s=%s", c.name, c.value)
			continue
		}
		require.Len(t, faults, 1, "%s=%s", c.name, c.value)
		require.Equal(t, "parameters."+c.name, faults[0].Field)
		require.Contains(t, faults[0].Reason, c.reason)
		require.Equal(t, callback.ReasonInvalidField, callback.CodeOf(faults))
	}
	e := valid(callback.Requested)
	e.Data.Parameters = map[string]string{}
	for i := range callback.MaxParameters + 1 {
		e.Data.Parameters["_cb_"+strings.Repeat("x", i)] = ""
	}
	require.Equal(t, []callback.Fault{{Field: "parameters", Reason: "are 101, at most 100 are allowed"}}, e.ValidateParameters())
}

// Invariant 10: whatever the values are, no fault shows one that could be personal.
func TestFaultsShowNothingPersonal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		secret := "4930" + rapid.StringMatching(`[0-9]{9}`).Draw(t, "number")
		bad := secret + rapid.SampledFrom([]string{"\x00", "\xff", strings.Repeat("x", 256), ""}).Draw(t, "fault")
		e := valid(rapid.SampledFrom(callback.Types).Draw(t, "type"))
		e.ID, e.Source, e.Subject, e.ORSSessionID = bad, bad, bad, &bad
		e.Extensions = map[string]string{"ext": bad, secret: "x"}
		e.Data.CustomerANI, e.Data.CustomerNumber, e.Data.OriginationIxnID = &bad, &bad, &bad
		e.Data.Target, e.Data.Disposition, e.Data.Channel = &bad, &bad, &bad
		e.Data.Parameters = map[string]string{"_cb_customer_ani": bad, "_cb_t_callback_offered": bad, secret: bad}
		for _, f := range append(e.Validate(), e.ValidateParameters()...) {
			require.NotContains(t, f.String(), secret)
		}
	})
}

func TestShowName(t *testing.T) {
	t.Parallel()
	for in, out := range map[string]string{
		"_cb_dim_channel": "_cb_dim_channel", "ewt2": "ewt2", "a.b-C": "a.b-C",
		"": "(name not shown)", "0049301234567": "(name not shown)", "a b": "(name not shown)",
		"x\n": "(name not shown)", strings.Repeat("x", 129): "(name not shown)", "ünsinn": "(name not shown)",
	} {
		require.Equal(t, out, callback.ShowName(in))
	}
}

// Invariant 10: what a sender put in the place of a listed value is repeated only where it can be no number.
func TestShowValue(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"SMS": `"SMS"`, "": `""`, "text/plain": `"text/plain"`, "application/cloudevents+json": `"application/cloudevents+json"`, "2.0": `"2.0"`,
		"6505550133": "a text that is not shown", "+49 160 1234567": "a text that is not shown", "sip:alice@example.com": "a text that is not shown",
		"CALL\x00": "a text that is not shown", strings.Repeat("x", 200): "a text that is not shown",
	} {
		require.Equal(t, want, callback.ShowValue(value), value)
	}
}
