package foldtest

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/ringback/ringback/pkg/callback"
)

// Noon is 2026-03-02T12:00:00Z, about when drawn sessions happen.
const Noon callback.Micros = 1_772_452_800_000_000

// fields names, for each type of event, the fields that it may have; a required one ends with an exclamation mark.
var fields = map[callback.Type][]string{
	callback.Offered: {
		"channel", "offer_type", "offer_timing", "ewt", "position", "ewt_threshold", "inbound_vq_ewt", "waited_before_offer",
		"customer_ani", "origination_ixn_id", "virtual_queue",
	},
	callback.OfferAccepted: {"priority"},
	callback.Requested: {
		"callback_type!", "service_name", "customer_number", "desired_time", "virtual_queue", "origination_ixn_id",
		"call_direction", "media_type", "max_attempts", "parameters",
	},
	callback.Scheduled:           {"desired_time!"},
	callback.Rescheduled:         {"desired_time!"},
	callback.Queued:              {"virtual_queue"},
	callback.ReadyToStartMedia:   {"ewt", "position", "ignoring_availability"},
	callback.AttemptStarted:      {"kind!", "ixn_id", "ewt", "position"},
	callback.AttemptEnded:        {"result!", "attempt", "ixn_id"},
	callback.Snoozed:             {"next_attempt_at!"},
	callback.CustomerConnected:   {"call_direction", "ixn_id", "priority"},
	callback.DialogEnded:         {"result!"},
	callback.AgentRequested:      {"target", "virtual_queue"},
	callback.AgentConnected:      {"target", "connect_order", "priority"},
	callback.AgentTransferFailed: {"target"},
	callback.CustomerAbandoned:   {"priority"},
	callback.Completed:           {"disposition"},
}

// themes are types that mean something to one another; half of the soups are of one theme.
var themes = [][]callback.Type{
	{callback.Offered, callback.OfferAccepted, callback.OfferRejected, callback.OfferAbandoned, callback.Requested, callback.InboundCallEnded, callback.Completed},
	{callback.Requested, callback.Scheduled, callback.Rescheduled, callback.Queued, callback.ReadyToStartMedia, callback.AttemptStarted, callback.Snoozed, callback.Cancelled},
	{callback.AttemptStarted, callback.AttemptEnded, callback.CustomerConnected, callback.Requested, callback.Completed},
	{
		callback.AttemptStarted, callback.CustomerConnected, callback.DialogEnded, callback.AgentRequested, callback.AgentConnected,
		callback.AgentTransferFailed, callback.CustomerAbandoned, callback.WaitTimedOut,
	},
	{callback.AttemptStarted, callback.CustomerConnected, callback.DialogEnded, callback.Completed},
}

// Soup draws the events of one session without regard to any lifecycle: any types in any number, equal and
// nearly equal times, fields left out, results that fit nothing. Each (source, id) occurs once; the order is of arrival.
func Soup(t *rapid.T) []callback.Event {
	types := rapid.OneOf(
		rapid.SliceOfNDistinct(rapid.SampledFrom(callback.Types), 2, 12, rapid.ID[callback.Type]),
		rapid.SampledFrom(themes),
	).Draw(t, "types")
	n := rapid.IntRange(1, 30).Draw(t, "events")
	if rapid.IntRange(0, 19).Draw(t, "crowded") == 0 {
		n *= 4
	}
	seen := map[string]bool{}
	var events []callback.Event
	for i := range n {
		e := callback.Event{
			Source:  rapid.SampledFrom([]string{"/a", "/b"}).Draw(t, "source"),
			ID:      fmt.Sprint("e", rapid.IntRange(0, 200).Draw(t, "id")),
			Type:    rapid.SampledFrom(types).Draw(t, "type"),
			Subject: "soup",
			Time:    Noon + callback.Micros(rapid.IntRange(0, 40).Draw(t, "quarter seconds"))*250_000,
		}
		if seen[e.Source+e.ID] {
			e.ID = fmt.Sprint("f", i)
		}
		seen[e.Source+e.ID] = true
		if rapid.IntRange(0, 3).Draw(t, "has tenant") == 0 {
			e.TenantDBID = ptr(int64(rapid.IntRange(1, 3).Draw(t, "tenant")))
		}
		if rapid.IntRange(0, 3).Draw(t, "has ORS session") == 0 {
			e.ORSSessionID = ptr(fmt.Sprint("ors-", rapid.IntRange(1, 3).Draw(t, "ORS session")))
		}
		for _, field := range fields[e.Type] {
			name, required := field, false
			if name[len(name)-1] == '!' {
				name, required = name[:len(name)-1], true
			}
			often := name != "disposition" || rapid.IntRange(0, 3).Draw(t, "given") == 0 // it hides every reason
			if required || often && rapid.Bool().Draw(t, "has "+name) {
				fill(t, &e.Data, name)
			}
			if name == "result" && e.Type == callback.DialogEnded {
				e.Data.Result = oneOf(t, "dialog result", "RIGHT_PERSON", "TRANSFERRED_TO_RP", "CANCELLED", "CANCEL", "odd result")
			}
		}
		events = append(events, e)
	}
	return events
}

func ptr[T any](v T) *T { return &v }

func oneOf(t *rapid.T, label string, values ...string) *string {
	return ptr(rapid.SampledFrom(values).Draw(t, label))
}

func small(t *rapid.T, label string) *int64 { return ptr(int64(rapid.IntRange(0, 9).Draw(t, label))) }

func instant(t *rapid.T, label string) *callback.Micros {
	return ptr(Noon + callback.Micros(rapid.IntRange(-20, 60).Draw(t, label))*250_000)
}

// fill draws a value for one field, from so few that events often agree.
func fill(t *rapid.T, d *callback.Data, name string) {
	switch name {
	case "channel":
		d.Channel = oneOf(t, name, "IVR", "WEB", "CARRIER_PIGEON")
	case "offer_type":
		d.OfferType = oneOf(t, name, "SCHEDULED", "WAIT_FOR_AGENT")
	case "offer_timing":
		d.OfferTiming = oneOf(t, name, "ON-HOURS", "OFF-HOURS", "<unspecified>")
	case "ewt":
		d.EWT = small(t, name)
	case "position":
		d.Position = small(t, name)
	case "ewt_threshold":
		d.EWTThreshold = small(t, name)
	case "inbound_vq_ewt":
		d.InboundVQEWT = small(t, name)
	case "waited_before_offer":
		d.WaitedBeforeOffer = small(t, name)
	case "customer_ani":
		d.CustomerANI = oneOf(t, name, "", "ani-1", "ani-2")
	case "origination_ixn_id":
		d.OriginationIxnID = oneOf(t, name, "in-1", "in-2", "")
	case "virtual_queue":
		d.VirtualQueue = queue(t)
	case "priority":
		d.Priority = ptr(int64(rapid.IntRange(-1, 5).Draw(t, name)))
	case "callback_type":
		d.CallbackType = oneOf(t, name, "IMMEDIATE", "WAIT_FOR_AGENT", "SCHEDULED")
	case "service_name":
		d.ServiceName = oneOf(t, name, "sales", "support")
	case "customer_number":
		d.CustomerNumber = oneOf(t, name, "number-1", "number-2")
	case "desired_time":
		d.DesiredTime = instant(t, name)
	case "call_direction":
		d.CallDirection = oneOf(t, name, "CUSTOMER_ORIGINATED", "CUSTOMER_TERMINATED", "SIDEWAYS")
	case "media_type":
		d.MediaType = oneOf(t, name, "voice", "voice", "chat")
	case "max_attempts":
		d.MaxAttempts = ptr(int64(rapid.IntRange(0, 4).Draw(t, name)))
	case "parameters":
		d.Parameters = parameters(t)
	case "ignoring_availability":
		d.IgnoringAvailability = ptr(rapid.Bool().Draw(t, name))
	case "kind":
		d.Kind = oneOf(t, name, "CALL", "PUSH")
	case "ixn_id":
		d.IxnID = oneOf(t, name, "out-1", "out-2", "out-3", "")
	case "result":
		d.Result = oneOf(t, name, "BUSY", "NO_ANSWER", "PERSON", "CONNECTED", "USERORIGINATED_CONNECTED", "CANCEL",
			"PUSH_DELIVERY_CONFIRMED", "PUSH_DELIVERY_NOT_CONFIRMED", "PUSH_SEND_ERROR",
			"FAILED_TO_ESTABLISH_CUSTOMER_ORIGINATED_MEDIA", "odd result")
	case "attempt":
		d.Attempt = ptr(int64(rapid.IntRange(1, 7).Draw(t, name)))
	case "next_attempt_at":
		d.NextAttemptAt = instant(t, name)
	case "target":
		d.Target = oneOf(t, name, "Sales@Stat.GA", "Support@Stat.GA")
	case "connect_order":
		d.ConnectOrder = oneOf(t, name, "CUSTOMER_FIRST", "AGENT_FIRST_PREVIEW", "AGENT_FIRST_NO_PREVIEW")
	case "disposition":
		d.Disposition = oneOf(t, name, "COMPLETED", "PROCESSING", "", "SOLD", "COMPLETED.SOLD", "QUEUED.PUSH_SEND", "COMPLETED.", "Completed.x", "COMPLETEDX.y")
	default:
		panic("foldtest: no value for " + name)
	}
}

func queue(t *rapid.T) *callback.VirtualQueue {
	q := &callback.VirtualQueue{Name: *oneOf(t, "vq", "VQ_A", "VQ_B")}
	if rapid.Bool().Draw(t, "has dbid") {
		q.DBID = ptr(int64(rapid.IntRange(1, 3).Draw(t, "dbid")))
	}
	if rapid.Bool().Draw(t, "has cfg_type_id") {
		q.CfgTypeID = small(t, "cfg_type_id")
	}
	if rapid.Bool().Draw(t, "has cfg_type") {
		q.CfgType = oneOf(t, "cfg_type", "CFGVirtualQueue", "")
	}
	return q
}

func parameters(t *rapid.T) map[string]string {
	names := make([]string, 0, len(parameterTypes)+2)
	for name := range parameterTypes {
		names = append(names, name)
	}
	names = append(names, "_cb_unknown", "_cb_n_callback_accepted") // neither overrides anything
	slices.Sort(names)
	drawn := map[string]string{}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 5, rapid.ID[string]).Draw(t, "parameters") {
		texts := []string{"3", "12", "0", "-4", "1772452801", "1772452801999", "17724528019990", "soon", "", "1.5", "+1", "99999999999999999999"}
		drawn[name] = rapid.SampledFrom(texts).Draw(t, name)
	}
	return drawn
}
