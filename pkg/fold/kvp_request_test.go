package fold_test

import "github.com/ringback/ringback/pkg/callback"

func queue(name string) data { return data{VirtualQueue: &callback.VirtualQueue{Name: name}} }

func queueOf(name string, dbid, typeID int64, typ string) data {
	return data{VirtualQueue: &callback.VirtualQueue{Name: name, DBID: &dbid, CfgTypeID: &typeID, CfgType: &typ}}
}

var requestCases = join([]kvpCase{
	{key: callback.KeyCustomerPhoneNumber, name: "of the last requested that has one",
		events: events(on(0, callback.Requested, data{CustomerNumber: new("1")}), on(1, callback.Requested, data{CustomerNumber: new("2")}), on(2, callback.Requested)), want: txt("2", 1)},
	{key: callback.KeyCustomerPhoneNumber, name: "none has one",
		events: events(on(0, callback.Offered, data{CustomerANI: new("1")}), on(1, callback.Requested)), want: absent},

	{key: callback.KeyDimType, name: "of the last requested",
		events: events(on(0, callback.Requested, data{CallbackType: new("IMMEDIATE")}), on(1, callback.Requested, data{CallbackType: new("SCHEDULED")})), want: txt("SCHEDULED", 1)},
	{key: callback.KeyDimType, name: "the last is silent",
		events: events(on(0, callback.Requested, data{CallbackType: new("IMMEDIATE")}), on(1, callback.Requested)), want: absent},
	{key: callback.KeyDimType, name: "a value of no list stays", events: events(on(0, callback.Requested, data{CallbackType: new("whenever")})), want: txt("whenever", 0)},
	{key: callback.KeyDimType, name: "no request", events: events(on(0, callback.Offered)), want: absent},

	{key: callback.KeyDimVQ, name: "of the last that names one",
		events: events(on(0, callback.Requested, queue("r")), on(1, callback.Queued, queue("q")), on(2, callback.AgentRequested, queue("a")), on(3, callback.Queued)), want: txt("a", 2)},
	{key: callback.KeyDimVQ, name: "of the request, not of an offer", events: events(on(0, callback.Requested, queue("r")), on(1, callback.Offered, queue("o"))), want: txt("r", 0)},
	{key: callback.KeyDimVQ, name: "of a request after THE OFFER", events: events(on(0, callback.Offered, queue("o")), on(1, callback.Requested, queue("r"))), want: txt("r", 1)},
	{key: callback.KeyDimVQ, name: "THE OFFER's, after a request without one", events: events(on(0, callback.Requested), on(1, callback.Offered, queue("o"))), want: txt("o", 1)},
	{key: callback.KeyDimVQ, name: "of no offer but THE OFFER",
		events: events(on(0, callback.Offered, queue("o")), on(1, callback.Offered), on(2, callback.Requested)), want: absent},
	{key: callback.KeyDimVQ, name: "nothing before the only attempt", events: events(call(0), on(1, callback.Queued, queue("q"))), want: absent},
	{key: callback.KeyDimVQ, name: "before the last attempt",
		events: events(on(0, callback.Requested, queue("r")), on(1, callback.AttemptStarted), on(2, callback.Queued, queue("q")), on(3, callback.AttemptStarted),
			on(4, callback.AgentRequested, queue("a"))), want: txt("q", 2)},
	{key: callback.KeyDimVQ, name: "none before the last attempt: THE OFFER's",
		events: events(on(0, callback.Offered, queue("o")), on(1, callback.AttemptStarted), on(2, callback.AgentRequested, queue("a"))), want: txt("o", 0)},
	{key: callback.KeyDimVQ, name: "none but after the last attempt",
		events: events(on(0, callback.Requested), on(1, callback.AttemptStarted), on(2, callback.AgentRequested, queue("a"))), want: absent},
	{key: callback.KeyDimVQ, name: "queued at the time of the attempt reads before it",
		events: events(on(0, callback.Requested, queue("r")), on(2, callback.AttemptStarted), on(2, callback.Queued, queue("q"))), want: txt("q", 1)},
	{key: callback.KeyDimVQ, name: "nobody names one", events: events(on(0, callback.Offered), on(1, callback.Requested)), want: absent},

	{key: callback.KeyDimVQDBID, name: "of the same event",
		events: events(on(0, callback.Requested, queueOf("r", 1, 2, "x")), on(1, callback.Queued, queueOf("q", 3, 4, "y"))), want: num(3, 1)},
	{key: callback.KeyDimVQDBID, name: "no other event's",
		events: events(on(0, callback.Requested, queueOf("r", 1, 2, "x")), on(1, callback.Queued, queue("q"))), want: absent},
	{key: callback.KeyVQCfgTypeID, name: "of the same event",
		events: events(on(0, callback.Offered, queueOf("o", 1, 2, "x")), on(1, callback.Queued)), want: num(2, 0)},
	{key: callback.KeyVQCfgTypeID, name: "no other event's",
		events: events(on(0, callback.Offered, queueOf("o", 1, 2, "x")), on(1, callback.Queued, queue("q"))), want: absent},
	{key: callback.KeyVQCfgType, name: "of the same event",
		events: events(on(0, callback.Offered, queueOf("o", 1, 2, "x")), on(1, callback.AgentRequested, queueOf("a", 3, 4, "y"))), want: txt("y", 1)},
	{key: callback.KeyVQCfgType, name: "no other event's",
		events: events(on(0, callback.Offered, queueOf("o", 1, 2, "x")), on(1, callback.Queued, queue("q"))), want: absent},
})

// whenReady are the cases that ewt and position have in common.
func whenReady(first, last callback.KVP, set func(n int64) data) []kvpCase {
	ready := func(sec int64, n int64) callback.Event { return on(sec, callback.ReadyToStartMedia, set(n)) }
	attempt := func(sec int64, n int64) callback.Event { return on(sec, callback.AttemptStarted, set(n)) }
	return []kvpCase{
		{key: first, name: "of the first ready_to_start_media", events: events(attempt(0, 1), ready(1, 2), ready(2, 3), attempt(3, 4)), want: num(2, 1)},
		{key: first, name: "silent: the first attempt's", events: events(on(0, callback.ReadyToStartMedia), attempt(1, 1), ready(2, 2), attempt(3, 3)), want: num(1, 1)},
		{key: first, name: "absent: the first attempt's", events: events(attempt(1, 1), attempt(3, 3)), want: num(1, 0)},
		{key: first, name: "both silent", events: events(on(0, callback.ReadyToStartMedia), on(1, callback.AttemptStarted), attempt(2, 2)), want: absent},

		{key: last, name: "of the last attempt", events: events(attempt(0, 1), ready(1, 2), attempt(2, 3), ready(3, 4)), want: num(3, 2)},
		{key: last, name: "silent: the last ready_to_start_media before it",
			events: events(attempt(0, 1), ready(1, 2), ready(2, 3), on(3, callback.AttemptStarted), ready(4, 4)), want: num(3, 2)},
		{key: last, name: "silent: that of the only attempt", events: events(ready(0, 2), on(3, callback.AttemptStarted)), want: num(2, 0)},
		{key: last, name: "silent: not that of the attempt before", events: events(ready(0, 2), on(1, callback.AttemptStarted), on(3, callback.AttemptStarted)), want: absent},
		{key: last, name: "the last ready_to_start_media is silent too",
			events: events(ready(0, 2), on(1, callback.ReadyToStartMedia), on(3, callback.AttemptStarted)), want: absent},
		{key: last, name: "of the only attempt", events: events(attempt(0, 1)), want: num(1, 0)},
		{key: last, name: "no attempt", events: events(ready(0, 2)), want: absent},
	}
}

var waitingCases = join(
	whenReady(callback.KeyEWTWhenReadyToStartMediaIxn, callback.KeyEWTWhenReadyToStartLastMediaIxn, func(n int64) data { return data{EWT: &n} }),
	whenReady(callback.KeyPosWhenReadyToStartMediaIxn, callback.KeyPosWhenReadyToStartLastMediaIxn, func(n int64) data { return data{Position: &n} }),
	[]kvpCase{
		{key: callback.KeyEWTWhenReadyToStartMediaIxn, name: "silent on one field at a time",
			events: events(on(0, callback.ReadyToStartMedia, data{Position: new(int64(9))}), on(1, callback.AttemptStarted, data{EWT: new(int64(1)), Position: new(int64(2))})), want: num(1, 1)},
		{key: callback.KeyPosWhenReadyToStartMediaIxn, name: "silent on one field at a time",
			events: events(on(0, callback.ReadyToStartMedia, data{Position: new(int64(9))}), on(1, callback.AttemptStarted, data{EWT: new(int64(1)), Position: new(int64(2))})), want: num(9, 0)},

		{key: callback.KeyTReadyToStartMediaIxn, name: "the first attempt",
			events: events(on(0, callback.ReadyToStartMedia), on(1, callback.AttemptStarted), on(2, callback.AttemptStarted)), want: at(1, 1)},
		{key: callback.KeyTReadyToStartMediaIxn, name: "the first attempt, though it was ready later", events: events(call(0), on(1, callback.ReadyToStartMedia)), want: at(0, 0)},
		{key: callback.KeyTReadyToStartMediaIxn, name: "without one the first ready_to_start_media",
			events: events(on(1, callback.ReadyToStartMedia), on(2, callback.ReadyToStartMedia)), want: at(1, 0)},
		{key: callback.KeyTReadyToStartMediaIxn, name: "neither", events: events(on(1, callback.Requested)), want: absent},

		{key: callback.KeyIxnStartIgnoringAvailability, name: "the first says so",
			events: events(on(0, callback.ReadyToStartMedia, data{IgnoringAvailability: new(true)}), on(1, callback.ReadyToStartMedia, data{IgnoringAvailability: new(false)})), want: num(1, 0)},
		{key: callback.KeyIxnStartIgnoringAvailability, name: "the first denies it",
			events: events(on(0, callback.ReadyToStartMedia, data{IgnoringAvailability: new(false)}), on(1, callback.ReadyToStartMedia, data{IgnoringAvailability: new(true)})), want: num(0, 0)},
		{key: callback.KeyIxnStartIgnoringAvailability, name: "the first is silent",
			events: events(on(0, callback.ReadyToStartMedia), on(1, callback.ReadyToStartMedia, data{IgnoringAvailability: new(true)})), want: num(0, -1)},
		{key: callback.KeyIxnStartIgnoringAvailability, name: "none", events: events(on(0, callback.Requested)), want: num(0, -1)},
	},
	offlineCases,
)

var offlineCases = []kvpCase{
	{key: callback.KeyDWaitingForAgentOffline, name: "to ready_to_start_media",
		events: events(on(0, callback.Requested), on(3, callback.ReadyToStartMedia), on(5, callback.AttemptStarted)), want: num(3, 1)},
	{key: callback.KeyDWaitingForAgentOffline, name: "to the attempt",
		events: events(on(0, callback.Requested), on(5, callback.AttemptStarted), on(6, callback.ReadyToStartMedia)), want: num(5, 1)},
	{key: callback.KeyDWaitingForAgentOffline, name: "to the customer",
		events: events(on(0, callback.Requested), on(6, callback.CustomerConnected), on(7, callback.AttemptStarted)), want: num(6, 1)},
	{key: callback.KeyDWaitingForAgentOffline, name: "to the end",
		events: events(on(0, callback.Requested), on(7, callback.Cancelled), on(8, callback.AttemptStarted)), want: num(7, 1)},
	{key: callback.KeyDWaitingForAgentOffline, name: "from the acceptance",
		events: events(on(2, callback.OfferAccepted), on(4, callback.Requested), on(7, callback.AttemptStarted)), want: num(5, 2)},
	{key: callback.KeyDWaitingForAgentOffline, name: "from the overridden acceptance",
		events: events(on(4, callback.Requested, parameters("_cb_t_callback_accepted", "1700000001")), on(7, callback.AttemptStarted)), want: num(6, 1)},
	{key: callback.KeyDWaitingForAgentOffline, name: "accepted only by the override",
		events: events(on(4, callback.Requested, parameters("_cb_t_callback_accepted", "1700000100000")), on(7, callback.AttemptStarted)), want: num(0, 1)},
	{key: callback.KeyDWaitingForAgentOffline, name: "from the desired time of the request",
		events: events(on(0, callback.Requested, data{DesiredTime: new(instant(40))}), on(47, callback.AttemptStarted)), want: num(7, 1)},
	{key: callback.KeyDWaitingForAgentOffline, name: "from the desired time last set",
		events: events(on(0, callback.Requested, data{DesiredTime: new(instant(40))}), on(1, callback.Scheduled, data{DesiredTime: new(instant(41))}),
			on(2, callback.Rescheduled, data{DesiredTime: new(instant(30))}), on(3, callback.Requested), on(47, callback.AttemptStarted)), want: num(17, 4)},
	{key: callback.KeyDWaitingForAgentOffline, name: "from the scheduled time",
		events: events(on(0, callback.Requested), on(1, callback.Scheduled, data{DesiredTime: new(instant(41))}), on(47, callback.AttemptStarted)), want: num(6, 2)},
	{key: callback.KeyDWaitingForAgentOffline, name: "not a desired time set after the wait's end",
		events: events(on(0, callback.Requested), on(5, callback.AttemptStarted), on(6, callback.Rescheduled, data{DesiredTime: new(instant(40))}), on(47, callback.AttemptStarted)), want: num(5, 1)},
	{key: callback.KeyDWaitingForAgentOffline, name: "a desired time before the acceptance",
		events: events(on(10, callback.Requested, data{DesiredTime: new(instant(2))}), on(15, callback.AttemptStarted)), want: num(5, 1)},
	{key: callback.KeyDWaitingForAgentOffline, name: "never below 0",
		events: events(on(10, callback.Requested, data{DesiredTime: new(instant(100))}), on(15, callback.Cancelled)), want: num(0, 1)},
	{key: callback.KeyDWaitingForAgentOffline, name: "the wait ended before the acceptance",
		events: events(on(1, callback.ReadyToStartMedia), on(10, callback.Requested), on(15, callback.AttemptStarted)), want: num(0, 0)},
	{key: callback.KeyDWaitingForAgentOffline, name: "the wait ended before the acceptance, the session after it",
		events: events(on(1, callback.ReadyToStartMedia), on(10, callback.Requested), on(15, callback.Cancelled)), want: num(0, 0)},
	{key: callback.KeyDWaitingForAgentOffline, name: "the session ended before the acceptance",
		events: events(on(1, callback.Cancelled), on(10, callback.Requested), on(15, callback.AttemptStarted)), want: num(0, 0)},
	{key: callback.KeyDWaitingForAgentOffline, name: "not accepted",
		events: events(on(1, callback.Offered), on(3, callback.OfferRejected)), want: absent},
	{key: callback.KeyDWaitingForAgentOffline, name: "no end yet", events: events(on(1, callback.Requested), on(3, callback.Queued)), want: absent},
	{key: callback.KeyDWaitingForAgentOffline, name: "timed out is no end", timedOut: true, events: events(on(1, callback.Requested), on(3, callback.Queued)), want: absent},
}
