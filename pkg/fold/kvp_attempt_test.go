package fold_test

import "github.com/ringback/ringback/pkg/callback"

func call(sec int64, ixn ...string) callback.Event { return attempt(sec, "CALL", ixn...) }
func push(sec int64, ixn ...string) callback.Event { return attempt(sec, "PUSH", ixn...) }

func attempt(sec int64, kind string, ixn ...string) callback.Event {
	d := data{Kind: &kind}
	if len(ixn) > 0 {
		d.IxnID = &ixn[0]
	}
	return on(sec, callback.AttemptStarted, d)
}

func ended(sec int64, result string) callback.Event {
	return on(sec, callback.AttemptEnded, data{Result: &result})
}

func endedNo(sec int64, result string, n int64) callback.Event {
	return on(sec, callback.AttemptEnded, data{Result: &result, Attempt: &n})
}

func endedIxn(sec int64, result, ixn string) callback.Event {
	return on(sec, callback.AttemptEnded, data{Result: &result, IxnID: &ixn})
}

func connected(sec int64) callback.Event { return on(sec, callback.CustomerConnected) }

// calls are n attempts of kind CALL, the first at second 0, each with the interaction "ixn".
func calls(n int) (e []callback.Event) {
	for i := range n {
		e = append(e, call(int64(i), "ixn"))
	}
	return e
}

func then(e []callback.Event, more ...callback.Event) []callback.Event { return append(e, more...) }

var (
	dialTimes = []callback.KVP{callback.KeyTDial1, callback.KeyTDial2, callback.KeyTDial3, callback.KeyTDial4, callback.KeyTDial5}
	dialled   = []callback.KVP{callback.KeyDial1Result, callback.KeyDial2Result, callback.KeyDial3Result, callback.KeyDial4Result, callback.KeyDial5Result}
)

var attemptCases = join([]kvpCase{
	{key: callback.KeyNCallbackMediaAttempts, name: "calls and pushes",
		events: events(call(0), push(1), attempt(2, "CARRIER_PIGEON"), on(3, callback.AttemptStarted), ended(4, "BUSY")), want: num(4, 3)},
	{key: callback.KeyNCallbackMediaAttempts, name: "none", events: events(on(0, callback.Requested)), want: num(0, -1)},

	{key: callback.KeyTLastDialAttempt, name: "the last", events: events(call(0), push(1), ended(2, "BUSY")), want: at(1, 1)},
	{key: callback.KeyTLastDialAttempt, name: "the sixth", events: calls(6), want: at(5, 5)},
	{key: callback.KeyTLastDialAttempt, name: "none", events: events(on(0, callback.Requested)), want: absent},

	{key: callback.KeyFirstOutIxnID, name: "of the first call that has one",
		events: events(push(0, "p"), call(1), call(2, "a"), call(3, "b")), want: txt("a", 2)},
	{key: callback.KeyFirstOutIxnID, name: "none", events: events(push(0, "p"), call(1)), want: absent},
	{key: callback.KeyLastOutIxnID, name: "of the last call that has one",
		events: events(call(2, "a"), call(3, "b"), call(4), push(5, "p")), want: txt("b", 1)},
	{key: callback.KeyLastOutIxnID, name: "of the only call", events: events(call(2, "a")), want: txt("a", 0)},
	{key: callback.KeyLastOutIxnID, name: "none", events: events(on(0, callback.AttemptStarted, data{IxnID: new("x")})), want: absent},

	{key: callback.KeyNIsSnoozed, name: "snoozed", events: events(on(0, callback.Snoozed), on(1, callback.Snoozed)), want: num(1, 0)},
	{key: callback.KeyNIsSnoozed, name: "never", events: events(call(0)), want: num(0, -1)},

	{key: callback.KeyTNextRedialAttempt, name: "the last snoozed's",
		events: events(call(0), snooze(1, 60), snooze(2, 50)), want: at(50, 2)},
	{key: callback.KeyTNextRedialAttempt, name: "an attempt follows", events: events(snooze(1, 60), call(2)), want: absent},
	{key: callback.KeyTNextRedialAttempt, name: "the last is silent", events: events(snooze(1, 60), on(2, callback.Snoozed)), want: absent},
	{key: callback.KeyTNextRedialAttempt, name: "snoozed at the time of the attempt reads after it", events: events(snooze(1, 60), call(1)), want: at(60, 1)},
	{key: callback.KeyTNextRedialAttempt, name: "never", events: events(call(2)), want: absent},
}, dialCases())

func snooze(sec, until int64) callback.Event {
	return on(sec, callback.Snoozed, data{NextAttemptAt: new(instant(until) + 999_999)})
}

// dialCases are those of each of the first five attempts.
func dialCases() (cases []kvpCase) {
	for i := range 5 {
		n, by := i+1, int32(i)
		cases = append(cases,
			kvpCase{key: dialTimes[i], name: "of seven", events: calls(7), want: at(int64(i), by)},
			kvpCase{key: dialTimes[i], name: "the last one", events: calls(n), want: at(int64(i), by)},
			kvpCase{key: dialTimes[i], name: "no such attempt", events: calls(i), want: absent},

			kvpCase{key: dialled[i], name: "numbered", events: then(calls(7), endedNo(20, "BUSY", int64(n)), endedNo(21, "FAX", int64(n+1))), want: txt("BUSY", 7)},
			kvpCase{key: dialled[i], name: "numbered before it started", events: then(calls(7), endedNo(-1, "BUSY", int64(n))), want: txt("BUSY", 0)},
			kvpCase{key: dialled[i], name: "the attempt before", events: then(calls(n), ended(20, "BUSY")), want: txt("BUSY", int32(n))},
			kvpCase{key: dialled[i], name: "no result", events: then(calls(7), endedNo(20, "BUSY", 7)), want: absent},
			kvpCase{key: dialled[i], name: "no such attempt", events: then(calls(i), endedNo(20, "BUSY", int64(n))), want: absent},
		)
	}
	return cases
}

// resultCases ask which attempt a result belongs to.
var resultCases = []kvpCase{
	{key: callback.KeyDial1Result, name: "the last that belongs to it",
		events: events(call(0), ended(1, "NO_ANSWER"), ended(2, "BUSY")), want: txt("BUSY", 2)},
	{key: callback.KeyDial1Result, name: "not that of the next attempt",
		events: events(call(0), ended(1, "NO_ANSWER"), call(2), ended(3, "BUSY")), want: txt("NO_ANSWER", 1)},
	{key: callback.KeyDial1Result, name: "a number outweighs its place",
		events: events(call(0), call(1), endedNo(3, "BUSY", 1)), want: txt("BUSY", 2)},
	{key: callback.KeyDial2Result, name: "a number outweighs its place",
		events: events(call(0), call(1), endedNo(3, "BUSY", 1)), want: absent},
	{key: callback.KeyDial1Result, name: "a number outweighs its interaction",
		events: events(call(0, "a"), call(1, "b"), on(3, callback.AttemptEnded, data{Result: new("BUSY"), Attempt: new(int64(1)), IxnID: new("b")})), want: txt("BUSY", 2)},
	{key: callback.KeyDial1Result, name: "a number of no attempt belongs to none",
		events: events(call(0, "a"), on(3, callback.AttemptEnded, data{Result: new("BUSY"), Attempt: new(int64(2)), IxnID: new("a")})), want: absent},
	{key: callback.KeyDial1Result, name: "a number of no attempt stands in no other's way", events: events(call(0), ended(1, "BUSY"), endedNo(2, "FAX", 2)), want: txt("BUSY", 1)},
	{key: callback.KeyDial1Result, name: "the number 0 belongs to none", events: events(call(0), endedNo(3, "BUSY", 0)), want: absent},
	{key: callback.KeyDial1Result, name: "an interaction outweighs its place",
		events: events(call(0, "a"), call(1, "b"), endedIxn(3, "BUSY", "a")), want: txt("BUSY", 2)},
	{key: callback.KeyDial2Result, name: "the last attempt of the interaction",
		events: events(call(0, "a"), call(1, "a"), call(2, "b"), endedIxn(3, "BUSY", "a")), want: txt("BUSY", 3)},
	{key: callback.KeyDial2Result, name: "the last attempt of the interaction, though it started later",
		events: events(call(0, "a"), endedIxn(1, "BUSY", "a"), call(2, "a")), want: txt("BUSY", 1)},
	{key: callback.KeyDial1Result, name: "an interaction of no attempt: its place",
		events: events(call(0, "a"), endedIxn(1, "BUSY", "x"), call(2, "b")), want: txt("BUSY", 1)},
	{key: callback.KeyDial1Result, name: "before any attempt it belongs to none", events: events(ended(0, "BUSY"), call(1)), want: absent},
	{key: callback.KeyDial1Result, name: "of the time of the attempt reads after it", events: events(ended(1, "BUSY"), call(1)), want: txt("BUSY", 1)},
	{key: callback.KeyDial1Result, name: "a value of no list stays", events: events(call(0), ended(1, "TOOT")), want: txt("TOOT", 1)},

	{key: callback.KeyDial1Result, name: "a call that the customer joined", events: events(call(0), connected(1), connected(2)), want: txt("CONNECTED", 1)},
	{key: callback.KeyDial1Result, name: "a push that the customer joined", events: events(push(0), connected(1)), want: txt("USERORIGINATED_CONNECTED", 1)},
	{key: callback.KeyDial1Result, name: "an attempt of no known kind that the customer joined", events: events(on(0, callback.AttemptStarted), connected(1)), want: absent},
	{key: callback.KeyDial1Result, name: "a result outweighs the customer", events: events(call(0), connected(1), ended(2, "PERSON")), want: txt("PERSON", 2)},
	{key: callback.KeyDial1Result, name: "a result before the attempt outweighs the customer", events: events(endedNo(-1, "BUSY", 1), call(0), connected(1)), want: txt("BUSY", 0)},
	{key: callback.KeyDial1Result, name: "the customer joined the next attempt", events: events(call(0), call(1), connected(2)), want: absent},
	{key: callback.KeyDial2Result, name: "the customer joined the next attempt", events: events(call(0), call(1), connected(2)), want: txt("CONNECTED", 2)},
	{key: callback.KeyDial5Result, name: "the customer joined the fifth of six", events: then(calls(5), connected(7), call(8)), want: txt("CONNECTED", 5)},

	{key: callback.KeyDimFinalDialResult, name: "of the last attempt", events: events(call(0), ended(1, "BUSY"), call(2), ended(3, "FAX")), want: txt("FAX", 3)},
	{key: callback.KeyDimFinalDialResult, name: "of the seventh", events: then(calls(7), ended(9, "FAX")), want: txt("FAX", 7)},
	{key: callback.KeyDimFinalDialResult, name: "of the seventh, by its interaction", events: then(calls(7), endedIxn(9, "FAX", "ixn"), endedNo(10, "BUSY", 6)), want: txt("FAX", 7)},
	{key: callback.KeyDimFinalDialResult, name: "of the fortieth, by its interaction", events: then(calls(40), endedIxn(2, "FAX", "ixn")), want: txt("FAX", 3)},
	{key: callback.KeyDimFinalDialResult, name: "of the fortieth, by its place", events: then(calls(40), endedIxn(50, "FAX", "other")), want: txt("FAX", 40)},
	{key: callback.KeyDimFinalDialResult, name: "of the seventh, which the customer joined", events: then(calls(7), connected(9)), want: txt("CONNECTED", 7)},
	{key: callback.KeyDimFinalDialResult, name: "before it started, by its number", events: events(endedNo(0, "FAX", 1), call(1)), want: txt("FAX", 0)},
	{key: callback.KeyDimFinalDialResult, name: "a result outweighs the customer", events: then(events(endedNo(-1, "FAX", 7)), append(calls(7), connected(9))...), want: txt("FAX", 0)},
	{key: callback.KeyDimFinalDialResult, name: "the last has none", events: events(call(0), ended(1, "BUSY"), call(2)), want: txt("UNKNOWN", 2)},
	{key: callback.KeyDimFinalDialResult, name: "no attempt", events: events(on(0, callback.Requested), ended(1, "BUSY")), want: absent},
}
