package fold_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fold"
)

// t0 is the epoch second from which the tests count.
const t0 = 1_700_000_000

type data = callback.Data

// on is an event sec seconds after t0. The optional data is at most one.
func on(sec int64, typ callback.Type, fields ...data) callback.Event {
	e := callback.Event{Source: "test", Type: typ, Subject: "svc-1", Time: instant(sec)}
	if len(fields) > 0 {
		e.Data = fields[0]
	}
	return e
}

func instant(sec int64) callback.Micros { return callback.Micros((t0 + sec) * 1_000_000) }

// sequence numbers the events so that events of equal time and type stay as they are listed.
func sequence(events []callback.Event) []callback.Event {
	events = slices.Clone(events)
	for i := range events {
		if events[i].ID == "" {
			events[i].ID = fmt.Sprintf("%04d", i)
		}
	}
	return events
}

// kvpCase tells what one KVP is of some events, and which of them (in fold order) set it.
type kvpCase struct {
	key      callback.KVP
	name     string
	events   []callback.Event
	options  fold.Options
	timedOut bool
	want     callback.Value
}

var absent = callback.Value{}

func num(n int64, by int32) callback.Value        { return callback.Value{Set: true, Int: n, By: by} }
func at(sec int64, by int32) callback.Value       { return num(t0+sec, by) }
func txt(s string, by int32) callback.Value       { return callback.Value{Set: true, Str: s, By: by} }
func events(e ...callback.Event) []callback.Event { return e }

// Every rule, one KVP after the other; see the tables in the files beside this one.
func TestKVPs(t *testing.T) {
	t.Parallel()
	cases := slices.Concat(serviceCases, offerCases, acceptanceCases, requestCases, waitingCases, attemptCases,
		resultCases, customerCases, agentCases, dispositionCases)

	var derived, missing [callback.NumKVPs]bool
	names := map[string]bool{}
	for _, c := range cases {
		if c.want.Set {
			derived[c.key] = true
		} else {
			missing[c.key] = true
		}
		name := c.key.String() + "/" + c.name
		require.False(t, names[name], "two cases are named %s", name)
		names[name] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := sequence(c.events)
			fold.Sort(in)
			r := fold.Session(in, c.options, c.timedOut)
			require.Equal(t, c.want, r.KVPs[c.key])
		})
	}
	// What is set by every session has no case where it is absent.
	always := []callback.KVP{callback.KeyServiceID, callback.KeyFinalRecord, callback.KeyDisposition,
		callback.KeyNCallbackAccepted, callback.KeyNAbandonedDuringCallbackOffer, callback.KeyNCallbackOffersPerSession,
		callback.KeyNCallbackMediaAttempts, callback.KeyIxnStartIgnoringAvailability, callback.KeyNIsSnoozed,
		callback.KeyNAgentAddedToIxn, callback.KeyNTransferToAgentFailed, callback.KeyNIxnReqAgent,
		callback.KeyNCustomerAbandonedWhileWaitingForAgent, callback.KeyNTimeoutWhileWaitingForAgent}
	for k := range callback.KVP(callback.NumKVPs) {
		require.True(t, derived[k], "no case sets %s", k)
		require.Equal(t, !slices.Contains(always, k), missing[k], "cases where %s is absent", k)
	}
}

var serviceCases = []kvpCase{
	{key: callback.KeyServiceID, name: "the subject",
		events: events(on(0, callback.Offered), on(1, callback.Requested)), want: txt("svc-1", 0)},
	{key: callback.KeyFinalRecord, name: "0 of an open session",
		events: events(on(0, callback.Requested)), want: num(0, -1)},
	{key: callback.KeyFinalRecord, name: "0 of one that ended, for the caller to set",
		events: events(on(0, callback.Requested), on(1, callback.Completed)), want: num(0, -1)},

	{key: callback.KeyTenantDBID, name: "of the first that has it",
		events: events(on(0, callback.Offered), tenant(on(1, callback.OfferAccepted), 7), tenant(on(2, callback.Requested), 8)), want: num(7, 1)},
	{key: callback.KeyTenantDBID, name: "none has it", events: events(on(0, callback.Offered)), want: absent},

	{key: callback.KeyORSSessionID, name: "of the last that has it",
		events: events(ors(on(0, callback.Offered), "a"), ors(on(1, callback.Requested), "b"), on(2, callback.Queued)), want: txt("b", 1)},
	{key: callback.KeyORSSessionID, name: "of the only event", events: events(ors(on(0, callback.Offered), "a")), want: txt("a", 0)},
	{key: callback.KeyORSSessionID, name: "none has it", events: events(on(0, callback.Offered)), want: absent},

	{key: callback.KeyTServiceStart, name: "the first offered",
		events: events(on(0, callback.Requested), on(5, callback.Offered), on(6, callback.Offered)), want: at(5, 1)},
	{key: callback.KeyTServiceStart, name: "without one the first requested",
		events: events(on(3, callback.Requested), on(5, callback.Requested)), want: at(3, 0)},
	{key: callback.KeyTServiceStart, name: "rounded down",
		events: events(callback.Event{Source: "s", ID: "i", Type: callback.Offered, Time: instant(3) + 999_999}), want: at(3, 0)},
	{key: callback.KeyTServiceStart, name: "rounded down before 1970",
		events: events(callback.Event{Source: "s", ID: "i", Type: callback.Offered, Time: -1}), want: num(-1, 0)},
	{key: callback.KeyTServiceStart, name: "by the request, the first requested", options: fold.Options{ServiceStartRequest: true},
		events: events(on(0, callback.Offered), on(5, callback.Requested), on(6, callback.Requested)), want: at(5, 1)},
	{key: callback.KeyTServiceStart, name: "by the request, without one the first offered", options: fold.Options{ServiceStartRequest: true},
		events: events(on(0, callback.Offered), on(5, callback.Offered)), want: at(0, 0)},
	{key: callback.KeyTServiceStart, name: "neither",
		events: events(on(0, callback.Queued), on(5, callback.Completed)), want: absent},
	{key: callback.KeyTServiceStart, name: "not the overridden time of the offer",
		events: events(on(9, callback.Requested, data{Parameters: map[string]string{"_cb_t_callback_offered": "5"}})), want: at(9, 0)},

	{key: callback.KeyTServiceEnd, name: "completed",
		events: events(on(0, callback.Requested), on(9, callback.Completed), on(10, callback.Cancelled)), want: at(9, 1)},
	{key: callback.KeyTServiceEnd, name: "cancelled",
		events: events(on(0, callback.Requested), on(9, callback.Cancelled), on(10, callback.Completed)), want: at(9, 1)},
	{key: callback.KeyTServiceEnd, name: "completed rather than an earlier rejection",
		events: events(on(0, callback.Offered), on(1, callback.OfferRejected), on(9, callback.Completed)), want: at(9, 2)},
	{key: callback.KeyTServiceEnd, name: "last of rejected and abandoned",
		events: events(on(0, callback.Offered), on(1, callback.OfferRejected), on(2, callback.OfferAbandoned), on(3, callback.InboundCallEnded)), want: at(2, 2)},
	{key: callback.KeyTServiceEnd, name: "rejected, offered again",
		events: events(on(0, callback.Offered), on(1, callback.OfferRejected), on(2, callback.Offered)), want: absent},
	{key: callback.KeyTServiceEnd, name: "rejected before anything, then offered", events: events(on(1, callback.OfferRejected), on(2, callback.Offered)), want: absent},
	{key: callback.KeyTServiceEnd, name: "rejected, accepted after all",
		events: events(on(0, callback.Offered), on(1, callback.OfferRejected), on(2, callback.OfferAccepted)), want: absent},
	{key: callback.KeyTServiceEnd, name: "abandoned, requested after all",
		events: events(on(0, callback.Offered), on(1, callback.OfferAbandoned), on(2, callback.Requested)), want: absent},
	{key: callback.KeyTServiceEnd, name: "accepted at the time of the rejection reads before it",
		events: events(on(0, callback.Offered), on(1, callback.OfferRejected), on(1, callback.OfferAccepted)), want: at(1, 2)},
	{key: callback.KeyTServiceEnd, name: "requested at the time of the rejection reads after it",
		events: events(on(0, callback.Offered), on(1, callback.OfferRejected), on(1, callback.Requested)), want: absent},
	{key: callback.KeyTServiceEnd, name: "completed and nothing else", events: events(on(1, callback.Completed)), want: at(1, 0)},
	{key: callback.KeyTServiceEnd, name: "rejected and nothing else", events: events(on(1, callback.OfferRejected)), want: at(1, 0)},
	{key: callback.KeyTServiceEnd, name: "open", events: events(on(0, callback.Requested), on(9, callback.Queued)), want: absent},
	{key: callback.KeyTServiceEnd, name: "timed out", timedOut: true,
		events: events(on(0, callback.Requested), on(9, callback.Queued)), want: at(9, 1)},
	{key: callback.KeyTServiceEnd, name: "timed out, but ended at once", timedOut: true, events: events(on(8, callback.Completed), on(9, callback.InboundCallEnded)), want: at(8, 0)},
	{key: callback.KeyTServiceEnd, name: "timed out, but ended", timedOut: true,
		events: events(on(0, callback.Requested), on(8, callback.Completed), on(9, callback.InboundCallEnded)), want: at(8, 1)},
}

func tenant(e callback.Event, id int64) callback.Event {
	e.TenantDBID = &id
	return e
}

func ors(e callback.Event, id string) callback.Event {
	e.ORSSessionID = &id
	return e
}
