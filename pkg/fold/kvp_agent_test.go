package fold_test

import "github.com/ringback/ringback/pkg/callback"

func agent(sec int64) callback.Event     { return on(sec, callback.AgentConnected) }
func abandoned(sec int64) callback.Event { return on(sec, callback.CustomerAbandoned) }
func timedOut(sec int64) callback.Event  { return on(sec, callback.WaitTimedOut) }

func direction(sec int64, typ callback.Type, d string) callback.Event {
	return on(sec, typ, data{CallDirection: &d})
}

func order(sec int64, o string) callback.Event {
	return on(sec, callback.AgentConnected, data{ConnectOrder: &o})
}

func target(sec int64, typ callback.Type, name string) callback.Event {
	return on(sec, typ, data{Target: &name})
}

func priority(sec int64, typ callback.Type, n int64) callback.Event {
	return on(sec, typ, data{Priority: &n})
}

var customerCases = []kvpCase{
	{key: callback.KeyTCustomerConnected, name: "the last", events: events(connected(1), connected(2)), want: at(2, 1)},
	{key: callback.KeyTCustomerConnected, name: "none", events: events(call(1)), want: absent},

	{key: callback.KeyPriorityWhenCustomerConnected, name: "of the last",
		events: events(priority(1, callback.CustomerConnected, 5), priority(2, callback.CustomerConnected, 6)), want: num(6, 1)},
	{key: callback.KeyPriorityWhenCustomerConnected, name: "the last is silent", events: events(priority(1, callback.CustomerConnected, 5), connected(2)), want: absent},
	{key: callback.KeyPriorityWhenCustomerConnected, name: "none", events: events(call(1)), want: absent},

	{key: callback.KeyDimCallDirection, name: "of the last customer_connected",
		events: events(direction(0, callback.Requested, "r"), call(1), direction(2, callback.CustomerConnected, "CUSTOMER_ORIGINATED")), want: txt("CUSTOMER_ORIGINATED", 2)},
	{key: callback.KeyDimCallDirection, name: "the last customer_connected is silent: a call",
		events: events(direction(0, callback.CustomerConnected, "x"), push(1), call(2), connected(3)), want: txt("CUSTOMER_TERMINATED", 2)},
	{key: callback.KeyDimCallDirection, name: "the last customer_connected is silent: a push",
		events: events(call(1), push(2), connected(3)), want: txt("CUSTOMER_ORIGINATED", 1)},
	{key: callback.KeyDimCallDirection, name: "no customer yet: a push", events: events(direction(0, callback.Requested, "r"), push(2)), want: txt("CUSTOMER_ORIGINATED", 1)},
	{key: callback.KeyDimCallDirection, name: "an attempt after the customer", events: events(connected(1), call(2)), want: txt("CUSTOMER_TERMINATED", 1)},
	{key: callback.KeyDimCallDirection, name: "no attempt, but a customer",
		events: events(direction(0, callback.Requested, "r"), connected(1), connected(2)), want: txt("CUSTOMER_ORIGINATED", 2)},
	{key: callback.KeyDimCallDirection, name: "an attempt of no known kind, but a customer",
		events: events(on(0, callback.AttemptStarted), connected(1)), want: txt("CUSTOMER_ORIGINATED", 1)},
	{key: callback.KeyDimCallDirection, name: "of the last requested that has one",
		events: events(direction(0, callback.Requested, "a"), direction(1, callback.Requested, "b"), on(2, callback.Requested)), want: txt("b", 1)},
	{key: callback.KeyDimCallDirection, name: "of the only request", events: events(direction(0, callback.Requested, "a")), want: txt("a", 0)},
	{key: callback.KeyDimCallDirection, name: "a customer and nothing else", events: events(connected(0)), want: txt("CUSTOMER_ORIGINATED", 0)},
	{key: callback.KeyDimCallDirection, name: "nobody has one", events: events(on(2, callback.Requested)), want: absent},

	{key: callback.KeyDimDialDialogResult, name: "of the last dialog",
		events: events(dialog(1, "RIGHT_PERSON"), dialog(2, "RESCHEDULED")), want: txt("RESCHEDULED", 1)},
	{key: callback.KeyDimDialDialogResult, name: "none", events: events(call(1)), want: absent},

	{key: callback.KeyDEstablishMediaIxn, name: "to the customer", events: events(call(1), connected(5)), want: num(4, 1)},
	{key: callback.KeyDEstablishMediaIxn, name: "the last attempt that a customer follows",
		events: events(call(1), connected(2), call(5), connected(9), connected(11), call(20)), want: num(4, 3)},
	{key: callback.KeyDEstablishMediaIxn, name: "of the time of the attempt reads after it", events: events(connected(1), call(1)), want: num(0, 1)},
	{key: callback.KeyDEstablishMediaIxn, name: "no customer after the attempt", events: events(connected(1), call(2)), want: absent},
	{key: callback.KeyDEstablishMediaIxn, name: "no customer", events: events(call(2)), want: absent},

	{key: callback.KeyDCustomerConnectedWaitingForAgent, name: "to the agent", events: events(connected(1), agent(5), agent(7)), want: num(4, 1)},
	{key: callback.KeyDCustomerConnectedWaitingForAgent, name: "to the abandonment", events: events(connected(1), abandoned(5), agent(7)), want: num(4, 1)},
	{key: callback.KeyDCustomerConnectedWaitingForAgent, name: "to the time-out", events: events(connected(1), timedOut(5), agent(7)), want: num(4, 1)},
	{key: callback.KeyDCustomerConnectedWaitingForAgent, name: "of the last customer", events: events(connected(1), abandoned(2), connected(10), agent(13)), want: num(3, 3)},
	{key: callback.KeyDCustomerConnectedWaitingForAgent, name: "agent first", events: events(agent(1), call(2), connected(5), agent(9)), want: num(0, 0)},
	{key: callback.KeyDCustomerConnectedWaitingForAgent, name: "agent first, without an attempt", events: events(agent(1), connected(5)), want: num(0, 0)},
	{key: callback.KeyDCustomerConnectedWaitingForAgent, name: "two attempts since the agent", events: events(agent(1), call(2), call(3), connected(5), agent(9)), want: num(4, 4)},
	{key: callback.KeyDCustomerConnectedWaitingForAgent, name: "an attempt came between", events: events(connected(5), call(6), agent(9)), want: absent},
	{key: callback.KeyDCustomerConnectedWaitingForAgent, name: "goes on", events: events(connected(5), on(9, callback.AgentRequested)), want: absent},
	{key: callback.KeyDCustomerConnectedWaitingForAgent, name: "the session's end is none of it", events: events(connected(5), on(9, callback.Completed)), want: absent},
	{key: callback.KeyDCustomerConnectedWaitingForAgent, name: "no customer", events: events(agent(5)), want: absent},
}

func dialog(sec int64, result string) callback.Event {
	return on(sec, callback.DialogEnded, data{Result: &result})
}

var agentCases = []kvpCase{
	{key: callback.KeyNIxnReqAgent, name: "an agent was requested", events: events(connected(1), on(2, callback.AgentRequested)), want: num(1, 1)},
	{key: callback.KeyNIxnReqAgent, name: "a transfer failed", events: events(connected(1), on(2, callback.AgentTransferFailed)), want: num(1, 1)},
	{key: callback.KeyNIxnReqAgent, name: "abandoned", events: events(connected(1), abandoned(2)), want: num(1, 1)},
	{key: callback.KeyNIxnReqAgent, name: "timed out", events: events(connected(1), timedOut(2)), want: num(1, 1)},
	{key: callback.KeyNIxnReqAgent, name: "after the first customer", events: events(connected(1), timedOut(2), connected(3)), want: num(1, 1)},
	{key: callback.KeyNIxnReqAgent, name: "an agent joined", events: events(connected(1), agent(2)), want: num(1, 1)},
	{key: callback.KeyNIxnReqAgent, name: "agent first", events: events(agent(0), connected(1)), want: num(1, 0)},
	{key: callback.KeyNIxnReqAgent, name: "the agent of another attempt", events: events(connected(0), call(1), agent(2)), want: num(0, -1)},
	{key: callback.KeyNIxnReqAgent, name: "requested before the customer only", events: events(on(0, callback.AgentRequested), connected(1)), want: num(0, -1)},
	{key: callback.KeyNIxnReqAgent, name: "no customer", events: events(on(0, callback.AgentRequested), agent(1), abandoned(2)), want: num(0, -1)},

	{key: callback.KeyNAgentAddedToIxn, name: "customer first", events: events(connected(1), connected(2), agent(3)), want: num(1, 2)},
	{key: callback.KeyNAgentAddedToIxn, name: "agent first, one attempt between", events: events(agent(1), call(2), connected(3)), want: num(1, 0)},
	{key: callback.KeyNAgentAddedToIxn, name: "agent first, two attempts between", events: events(agent(1), call(2), call(3), connected(4)), want: num(0, -1)},
	{key: callback.KeyNAgentAddedToIxn, name: "an attempt after the customer", events: events(connected(1), call(2), agent(3)), want: num(0, -1)},
	{key: callback.KeyNAgentAddedToIxn, name: "of an earlier customer", events: events(connected(1), agent(2), call(3), call(4), connected(5)), want: num(1, 1)},
	{key: callback.KeyNAgentAddedToIxn, name: "the later of two agents before", events: events(agent(0), call(1), agent(2), call(3), connected(4)), want: num(1, 2)},
	{key: callback.KeyNAgentAddedToIxn, name: "no customer", events: events(agent(3)), want: num(0, -1)},

	{key: callback.KeyNTransferToAgentFailed, name: "number", events: events(on(1, callback.AgentTransferFailed), on(2, callback.AgentTransferFailed), agent(3)), want: num(2, 1)},
	{key: callback.KeyNTransferToAgentFailed, name: "none", events: events(agent(3)), want: num(0, -1)},

	{key: callback.KeyNCustomerAbandonedWhileWaitingForAgent, name: "abandoned", events: events(connected(0), abandoned(1), abandoned(2)), want: num(1, 1)},
	{key: callback.KeyNCustomerAbandonedWhileWaitingForAgent, name: "never", events: events(connected(0), timedOut(1)), want: num(0, -1)},
	{key: callback.KeyNTimeoutWhileWaitingForAgent, name: "timed out", events: events(connected(0), timedOut(1), timedOut(2)), want: num(1, 1)},
	{key: callback.KeyNTimeoutWhileWaitingForAgent, name: "never", events: events(connected(0), abandoned(1)), want: num(0, -1)},
	{key: callback.KeyNTimeoutWhileWaitingForAgent, name: "the session's time-out is none", timedOut: true, events: events(connected(0)), want: num(0, -1)},

	{key: callback.KeyPriorityAtTheEndOfOnlineWait, name: "of the agent",
		events: events(priority(1, callback.CustomerAbandoned, 5), priority(2, callback.AgentConnected, 6), priority(3, callback.CustomerConnected, 7)), want: num(6, 1)},
	{key: callback.KeyPriorityAtTheEndOfOnlineWait, name: "of the abandonment",
		events: events(priority(1, callback.AgentConnected, 5), priority(2, callback.CustomerAbandoned, 6)), want: num(6, 1)},
	{key: callback.KeyPriorityAtTheEndOfOnlineWait, name: "the last is silent", events: events(priority(1, callback.AgentConnected, 5), abandoned(2)), want: absent},
	{key: callback.KeyPriorityAtTheEndOfOnlineWait, name: "neither", events: events(connected(2), timedOut(3)), want: absent},

	{key: callback.KeyDimConnectOrder, name: "as the agent says", events: events(connected(1), order(2, "AGENT_FIRST_PREVIEW")), want: txt("AGENT_FIRST_PREVIEW", 1)},
	{key: callback.KeyDimConnectOrder, name: "as the last agent says",
		events: events(order(0, "a"), connected(1), order(2, "b"), order(3, "c"), call(4), order(5, "d")), want: txt("c", 3)},
	{key: callback.KeyDimConnectOrder, name: "as the agent before says", events: events(order(0, "AGENT_FIRST_NO_PREVIEW"), call(1), connected(2)), want: txt("AGENT_FIRST_NO_PREVIEW", 0)},
	{key: callback.KeyDimConnectOrder, name: "the last agent is silent, after the customer", events: events(connected(1), order(2, "b"), agent(3)), want: txt("CUSTOMER_FIRST", 2)},
	{key: callback.KeyDimConnectOrder, name: "the agent is silent, before the customer", events: events(agent(0), call(1), connected(2), abandoned(3)), want: absent},
	{key: callback.KeyDimConnectOrder, name: "no agent: abandoned", events: events(connected(1), abandoned(2), timedOut(3)), want: txt("CUSTOMER_FIRST", 1)},
	{key: callback.KeyDimConnectOrder, name: "no agent: timed out, after one more attempt", events: events(connected(1), call(2), timedOut(3)), want: txt("CUSTOMER_FIRST", 2)},
	{key: callback.KeyDimConnectOrder, name: "no agent with the last customer", events: events(connected(1), order(2, "b"), call(3), call(4), connected(5), abandoned(6)), want: txt("CUSTOMER_FIRST", 5)},
	{key: callback.KeyDimConnectOrder, name: "an earlier customer gave up", events: events(connected(1), abandoned(2), connected(3)), want: absent},
	{key: callback.KeyDimConnectOrder, name: "no customer", events: events(order(2, "b"), abandoned(3)), want: absent},

	{key: callback.KeyDimFinalTarget, name: "of the last that has one",
		events: events(target(1, callback.AgentRequested, "a"), target(2, callback.AgentConnected, "b"), on(3, callback.AgentRequested), target(4, callback.AgentTransferFailed, "x")), want: txt("b", 1)},
	{key: callback.KeyDimFinalTarget, name: "requested again", events: events(target(1, callback.AgentConnected, "a"), target(2, callback.AgentRequested, "b")), want: txt("b", 1)},
	{key: callback.KeyDimFinalTarget, name: "of the only one", events: events(target(1, callback.AgentConnected, "a")), want: txt("a", 0)},
	{key: callback.KeyDimFinalTarget, name: "none", events: events(agent(1), target(4, callback.AgentTransferFailed, "x")), want: absent},
}
