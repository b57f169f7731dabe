package fold_test

import (
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fold"
)

func completed(sec int64, disposition ...string) callback.Event {
	if len(disposition) == 0 {
		return on(sec, callback.Completed)
	}
	return on(sec, callback.Completed, data{Disposition: &disposition[0]})
}

func limit(sec, n int64) callback.Event { return on(sec, callback.Requested, data{MaxAttempts: &n}) }

func disposed(name, want string, by int32, e ...callback.Event) kvpCase {
	return kvpCase{key: callback.KeyDisposition, name: name, events: e, want: txt(want, by)}
}

var dispositionCases = join([]kvpCase{
	// Given.
	disposed("given: a reason of the agent's own", "COMPLETED.SALE", 1, connected(0), completed(1, "SALE")),
	disposed("given: with a state", "ROUTING.LOST", 1, connected(0), completed(1, "ROUTING.LOST")),
	disposed("given: with the state COMPLETED", "COMPLETED.AGENT", 1, connected(0), completed(1, "COMPLETED.AGENT")),
	disposed("given: a state and a dot", "QUEUED.", 1, connected(0), completed(1, "QUEUED.")),
	disposed("given: a word like a reason", "COMPLETED.AGENT", 1, call(0), completed(1, "AGENT")),
	disposed("given: a word that begins like a state", "COMPLETED.QUEUEDUP", 1, call(0), completed(1, "QUEUEDUP")),
	disposed("given: a word and a dot", "COMPLETED.DONE.WELL", 1, call(0), completed(1, "DONE.WELL")),
	disposed("given: a state in small letters", "COMPLETED.queued", 1, call(0), completed(1, "queued")),
	disposed("given: the last", "COMPLETED.b", 2, call(0), completed(1, "a"), completed(2, "b")),
	disposed("given: the last one is silent", "COMPLETED.a", 1, call(0), completed(1, "a"), completed(2)),
	disposed("given: the last one is a bare state", "COMPLETED.a", 1, call(0), completed(1, "a"), completed(2, "COMPLETED")),
	disposed("given: after a cancellation", "COMPLETED.a", 1, on(0, callback.Cancelled), completed(1, "a")),
	disposed("given: an empty one is none", "COMPLETED.CONNECTED", 0, connected(0), completed(1, "")),

	disposed("given: and nothing else", "COMPLETED.SALE", 0, completed(0, "SALE")),

	// Each state, bare.
	disposed("state: none", "QUEUED", -1, on(0, callback.InboundCallEnded)),
	disposed("state: offered", "QUEUED", 0, on(0, callback.Offered)),
	disposed("state: accepted", "QUEUED", 0, on(0, callback.OfferAccepted)),
	disposed("state: requested", "QUEUED", 1, on(0, callback.Scheduled), on(1, callback.Requested)),
	disposed("state: requested for a time", "SCHEDULED", 0, on(0, callback.Requested, data{DesiredTime: new(instant(5))})),
	disposed("state: scheduled", "SCHEDULED", 1, on(0, callback.Requested), on(1, callback.Scheduled)),
	disposed("state: rescheduled", "SCHEDULED", 1, on(0, callback.Requested), on(1, callback.Rescheduled)),
	disposed("state: queued", "QUEUED", 1, on(0, callback.Scheduled), on(1, callback.Queued)),
	disposed("state: ready to start", "QUEUED", 1, on(0, callback.Scheduled), on(1, callback.ReadyToStartMedia)),
	disposed("state: snoozed", "QUEUED", 1, on(0, callback.Scheduled), on(1, callback.Snoozed)),
	disposed("state: an agent requested", "ROUTING", 1, on(0, callback.Queued), on(1, callback.AgentRequested)),
	disposed("state: a transfer failed", "ROUTING", 1, agent(0), on(1, callback.AgentTransferFailed)),
	disposed("state: an agent alone", "PROCESSING", 1, on(0, callback.Queued), agent(1)),
	disposed("state: what changes none", "SCHEDULED", 0, on(0, callback.Scheduled), on(1, callback.InboundCallEnded), call(2), ended(3, "BUSY")),

	// 1. The terminal event.
	disposed("1: cancelled", "COMPLETED.CANCELLED", 2, connected(0), agent(1), on(2, callback.Cancelled), completed(3)),
	disposed("1: cancelled and nothing else", "COMPLETED.CANCELLED", 0, on(0, callback.Cancelled)),
	disposed("1: rejected", "COMPLETED.REJECTED", 1, on(0, callback.Offered), on(1, callback.OfferRejected)),
	disposed("1: abandoned while offered", "COMPLETED.ABANDONED_IN_QUEUE", 1, on(0, callback.Offered), on(1, callback.OfferAbandoned), on(2, callback.Queued)),

	// 2. The customer was connected.
	disposed("2a: transferred to the right person", "COMPLETED.TRANSFERRED_TO_RP", 2, connected(0), agent(1), dialog(2, "TRANSFERRED_TO_RP"), completed(3)),
	disposed("2a: cancelled in the dialog", "ROUTING.CANCELLED", 1, connected(0), dialog(1, "CANCELLED")),
	disposed("2a: cancel in the dialog", "ROUTING.CANCELLED", 1, connected(0), dialog(1, "CANCEL")),
	disposed("2a: the last dialog counts", "ROUTING.CONNECTED", 0, connected(0), dialog(1, "CANCEL"), dialog(2, "RIGHT_PERSON")),
	disposed("2a: a dialog before the customer counts not", "ROUTING.CONNECTED", 1, dialog(0, "CANCEL"), connected(1)),
	disposed("2b: with an agent", "PROCESSING.AGENT", 1, connected(0), agent(1)),
	disposed("2b: with an agent, completed", "COMPLETED.AGENT", 1, connected(0), agent(1), completed(2)),
	disposed("2b: agent first", "ROUTING.AGENT", 0, agent(0), call(1), connected(2)),
	disposed("2b: with an agent, then abandoned", "PROCESSING.AGENT", 1, connected(0), agent(1), abandoned(2)),
	disposed("2b: the agent of an earlier customer", "COMPLETED.CONNECTED", 4, agent(0), connected(1), call(2), call(3), connected(4), completed(5)),
	disposed("2c: timed out", "COMPLETED.FAILED", 1, connected(0), timedOut(1), completed(2)),
	disposed("2c: abandoned", "COMPLETED.ABANDONED_IN_QUEUE", 1, connected(0), abandoned(1), completed(2)),
	disposed("2c: abandoned and timed out", "COMPLETED.FAILED", 2, connected(0), abandoned(1), timedOut(2), completed(3)),
	disposed("2c: an earlier customer gave up", "COMPLETED.CONNECTED", 2, connected(0), abandoned(1), connected(2), completed(3)),
	disposed("2d: connected", "COMPLETED.CONNECTED", 1, call(0), connected(1), ended(2, "BUSY"), completed(3)),

	// 3. An attempt, and no customer since.
	disposed("3a: CONNECTED", "COMPLETED.CONNECTED", 1, call(0), ended(1, "CONNECTED"), completed(2)),
	disposed("3a: CONNECTED, said before it started", "QUEUED.CONNECTED", 0, endedNo(0, "CONNECTED", 1), call(1)),
	disposed("3a: PERSON", "COMPLETED.CONNECTED", 1, call(0), ended(1, "PERSON"), completed(2)),
	disposed("3a: USERORIGINATED_CONNECTED", "QUEUED.CONNECTED", 1, push(0), ended(1, "USERORIGINATED_CONNECTED")),
	disposed("3a: media not established", "QUEUED.FAILED", 1, push(0), ended(1, "FAILED_TO_ESTABLISH_CUSTOMER_ORIGINATED_MEDIA")),
	disposed("3a: CANCEL", "QUEUED.CANCELLED", 1, call(0), ended(1, "CANCEL")),
	disposed("3b: a push confirmed", "COMPLETED.PUSH_DELIVERY_CONFIRMED", 1, push(0), ended(1, "PUSH_DELIVERY_CONFIRMED"), completed(2)),
	disposed("3b: a push confirmed before it started", "QUEUED.PUSH_DELIVERY_CONFIRMED", 0, endedNo(0, "PUSH_DELIVERY_CONFIRMED", 1), push(1)),
	disposed("3b: a push not sent", "COMPLETED.PUSH_SEND_ERROR", 1, push(0), ended(1, "PUSH_SEND_ERROR"), completed(2)),
	disposed("3b: a push not confirmed", "COMPLETED.PUSH_SEND", 1, push(0), ended(1, "PUSH_DELIVERY_NOT_CONFIRMED"), completed(2)),
	disposed("3b: a push without a result", "QUEUED.PUSH_SEND", 1, on(0, callback.Queued), push(1)),
	disposed("3b: the last attempt is the push", "COMPLETED.PUSH_SEND", 2, call(0), ended(1, "BUSY"), push(2), completed(3)),
	disposed("3: a confirmed push, then a call", "COMPLETED.FAILED", 3, push(0), ended(1, "PUSH_DELIVERY_CONFIRMED"), call(2), completed(3)),
	disposed("3: a customer before the last attempt", "COMPLETED.FAILED", 2, connected(0), call(1), completed(2)),
	disposed("3c: the limit of the options' default", "COMPLETED.REDIAL_LIMIT_REACHED", 3, call(0), call(1), call(2), completed(3)),
	disposed("3c: below it", "COMPLETED.FAILED", 2, call(0), call(1), completed(2)),
	disposed("3c: attempts after the end count", "COMPLETED.REDIAL_LIMIT_REACHED", 2, call(0), call(1), completed(2), call(3)),
	disposed("3c: completed before the attempts", "COMPLETED.REDIAL_LIMIT_REACHED", 0, completed(0), call(1), call(2), call(3), completed(4)),
	disposed("3c: the request's limit", "COMPLETED.REDIAL_LIMIT_REACHED", 3, limit(0, 5), limit(1, 1), call(2), completed(3)),
	disposed("3c: below the request's limit", "COMPLETED.FAILED", 6, limit(0, 5), on(1, callback.Requested), call(2), call(3), call(4), call(5), completed(6)),
	disposed("3c: not completed", "QUEUED", 0, limit(0, 1), call(2)),
	disposed("3c: not where an attempt connected", "COMPLETED.CONNECTED", 2, limit(0, 1), call(1), ended(2, "PERSON"), completed(3)),

	// 4.
	disposed("4: completed twice", "COMPLETED.FAILED", 0, completed(0), completed(1)),
	disposed("4: completed", "COMPLETED.FAILED", 1, on(0, callback.Requested), completed(1, "QUEUED")),
}, []kvpCase{
	{key: callback.KeyDisposition, name: "3c: the limit of the options", options: fold.Options{MaxAttempts: 1},
		events: events(call(0), completed(1)), want: txt("COMPLETED.REDIAL_LIMIT_REACHED", 1)},
	{key: callback.KeyDisposition, name: "3c: below the limit of the options", options: fold.Options{MaxAttempts: 4},
		events: events(call(0), call(1), call(2), completed(3)), want: txt("COMPLETED.FAILED", 3)},
	{key: callback.KeyDisposition, name: "4: timed out", timedOut: true,
		events: events(on(0, callback.Requested), call(1), ended(2, "BUSY")), want: txt("QUEUED.FAILED", -1)},
	{key: callback.KeyDisposition, name: "4: timed out while scheduled", timedOut: true,
		events: events(on(0, callback.Scheduled)), want: txt("SCHEDULED.FAILED", -1)},
	{key: callback.KeyDisposition, name: "4: timed out while routing, before the customer came", timedOut: true,
		events: events(on(0, callback.AgentRequested)), want: txt("ROUTING.FAILED", -1)},
	{key: callback.KeyDisposition, name: "4: timed out while processing", timedOut: true,
		events: events(agent(0)), want: txt("PROCESSING.FAILED", -1)},
	{key: callback.KeyDisposition, name: "timed out, at the limit of attempts", timedOut: true, options: fold.Options{MaxAttempts: 1},
		events: events(on(0, callback.Queued), call(1)), want: txt("QUEUED.FAILED", -1)},
	{key: callback.KeyDisposition, name: "timed out after a push", timedOut: true,
		events: events(on(0, callback.Queued), push(1)), want: txt("QUEUED.PUSH_SEND", 1)},
	{key: callback.KeyDisposition, name: "timed out with the customer connected", timedOut: true,
		events: events(connected(0)), want: txt("ROUTING.CONNECTED", 0)},
	{key: callback.KeyDisposition, name: "timed out, but cancelled at once", timedOut: true,
		events: events(on(0, callback.Cancelled)), want: txt("COMPLETED.CANCELLED", 0)},
	{key: callback.KeyDisposition, name: "timed out, but ended", timedOut: true,
		events: events(on(0, callback.Offered), on(1, callback.OfferRejected)), want: txt("COMPLETED.REJECTED", 1)},
})
