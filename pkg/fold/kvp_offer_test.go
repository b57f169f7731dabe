package fold_test

import (
	"github.com/ringback/ringback/pkg/callback"
)

func parameters(name, value string) data {
	return data{CallbackType: new("IMMEDIATE"), Parameters: map[string]string{name: value}}
}

// ofTheOffer are the cases of a KVP that is one field of THE OFFER: set makes data with it.
func ofTheOffer(key callback.KVP, set func(n int64) data, value func(n int64, by int32) callback.Value) []kvpCase {
	offer := func(sec, n int64) callback.Event { return on(sec, callback.Offered, set(n)) }
	return []kvpCase{
		{key: key, name: "the last before the acceptance",
			events: events(offer(0, 1), offer(1, 2), on(2, callback.OfferAccepted), offer(3, 3), on(4, callback.OfferAccepted)), want: value(2, 1)},
		{key: key, name: "the last before the request",
			events: events(offer(0, 1), offer(1, 2), on(2, callback.Requested), offer(3, 3)), want: value(2, 1)},
		{key: key, name: "the last before the first request",
			events: events(offer(0, 1), on(1, callback.Requested), offer(2, 2), on(3, callback.Requested)), want: value(1, 0)},
		{key: key, name: "before the acceptance, not the request",
			events: events(offer(0, 1), on(1, callback.Requested), offer(2, 2), on(3, callback.OfferAccepted)), want: value(2, 2)},
		{key: key, name: "none precedes the acceptance: the last",
			events: events(on(0, callback.OfferAccepted), offer(1, 1), offer(2, 2)), want: value(2, 2)},
		{key: key, name: "none precedes the acceptance, though one the request: the last",
			events: events(on(0, callback.OfferAccepted), offer(1, 1), on(2, callback.Requested), offer(3, 3)), want: value(3, 3)},
		{key: key, name: "nothing accepted: the last",
			events: events(offer(0, 1), on(1, callback.OfferRejected), offer(2, 2)), want: value(2, 2)},
		{key: key, name: "of the time of the acceptance reads before it",
			events: events(on(1, callback.OfferAccepted), offer(1, 1)), want: value(1, 0)},
		{key: key, name: "silent: no other offer is asked",
			events: events(offer(0, 1), on(1, callback.Offered), on(2, callback.OfferAccepted)), want: absent},
		{key: key, name: "no offer", events: events(on(2, callback.Requested)), want: absent},
	}
}

var offerCases = join(
	ofTheOffer(callback.KeyDCustomerWaitedBeforeOffer, func(n int64) data { return data{WaitedBeforeOffer: &n} }, num),
	ofTheOffer(callback.KeyEWTWhenCallbackWasOffered, func(n int64) data { return data{EWT: &n} }, num),
	ofTheOffer(callback.KeyPosWhenCallbackWasOffered, func(n int64) data { return data{Position: &n} }, num),
	ofTheOffer(callback.KeyEWTThresholdWhenOffered, func(n int64) data { return data{EWTThreshold: &n} }, num),
	ofTheOffer(callback.KeyOfferEWTInboundVQ, func(n int64) data { return data{InboundVQEWT: &n} }, num),
	ofTheOffer(callback.KeyCustomerANI, func(n int64) data { return data{CustomerANI: letter(n)} }, lettered),
	ofTheOffer(callback.KeyDimChannel, func(n int64) data { return data{Channel: letter(n)} }, lettered),
	ofTheOffer(callback.KeyDimCallbackOfferType, func(n int64) data { return data{OfferType: letter(n)} }, lettered),
	ofTheOffer(callback.KeyDimOfferTiming, func(n int64) data { return data{OfferTiming: letter(n)} }, lettered),
	[]kvpCase{
		{key: callback.KeyDCustomerWaitedBeforeOffer, name: "overridden",
			events: events(on(0, callback.Offered, data{WaitedBeforeOffer: new(int64(3))}), on(1, callback.Requested, parameters("_cb_d_customer_waited_before_offer", "44"))), want: num(44, 1)},
		{key: callback.KeyEWTWhenCallbackWasOffered, name: "overridden",
			events: events(on(1, callback.Requested, parameters("_cb_ewt_when_callback_was_offered", "44"))), want: num(44, 0)},
		{key: callback.KeyPosWhenCallbackWasOffered, name: "overridden",
			events: events(on(1, callback.Requested, parameters("_cb_pos_when_callback_was_offered", "4"))), want: num(4, 0)},
		{key: callback.KeyEWTThresholdWhenOffered, name: "overridden",
			events: events(on(1, callback.Requested, parameters("_cb_ewt_threshold_when_offered", "4"))), want: num(4, 0)},
		{key: callback.KeyOfferEWTInboundVQ, name: "overridden",
			events: events(on(1, callback.Requested, parameters("_cb_offer_ewt_inbound_vq", "4"))), want: num(4, 0)},
		{key: callback.KeyCustomerANI, name: "overridden, by an empty one",
			events: events(on(0, callback.Offered, data{CustomerANI: new("5550100")}), on(1, callback.Requested, parameters("_cb_customer_ani", ""))), want: txt("", 1)},
		{key: callback.KeyDimChannel, name: "overridden",
			events: events(on(0, callback.Offered, data{Channel: new("IVR")}), on(1, callback.Requested, parameters("_cb_dim_channel", "WEB"))), want: txt("WEB", 1)},
		{key: callback.KeyDimCallbackOfferType, name: "overridden",
			events: events(on(1, callback.Requested, parameters("_cb_dim_callback_offer_type", "SCHEDULED"))), want: txt("SCHEDULED", 0)},
		{key: callback.KeyDimOfferTiming, name: "overridden",
			events: events(on(1, callback.Requested, parameters("_cb_dim_offer_timing", "OFF-HOURS"))), want: txt("OFF-HOURS", 0)},

		{key: callback.KeyTCallbackOffered, name: "THE OFFER",
			events: events(on(0, callback.Offered), on(1, callback.Offered), on(2, callback.OfferAccepted), on(3, callback.Offered)), want: at(1, 1)},
		{key: callback.KeyTCallbackOffered, name: "without one the first requested",
			events: events(on(4, callback.Requested), on(5, callback.Requested)), want: at(4, 0)},
		{key: callback.KeyTCallbackOffered, name: "accepted without either", events: events(on(4, callback.OfferAccepted)), want: absent},
		{key: callback.KeyTCallbackOffered, name: "overridden in seconds",
			events: events(on(0, callback.Offered), on(4, callback.Requested, parameters("_cb_t_callback_offered", "1700000003"))), want: at(3, 1)},
		{key: callback.KeyTCallbackOffered, name: "overridden in milliseconds",
			events: events(on(4, callback.Requested, parameters("_cb_t_callback_offered", "1700000003999"))), want: at(3, 0)},

		{key: callback.KeyNCallbackOffered, name: "an offered", events: events(on(0, callback.Offered), on(1, callback.Requested)), want: num(1, 0)},
		{key: callback.KeyNCallbackOffered, name: "a requested", events: events(on(0, callback.Queued), on(1, callback.Requested)), want: num(1, 1)},
		{key: callback.KeyNCallbackOffered, name: "neither", events: events(on(0, callback.OfferAccepted), on(1, callback.OfferAbandoned)), want: absent},

		{key: callback.KeyNCallbackOffersPerSession, name: "number of offered",
			events: events(on(0, callback.Offered), on(1, callback.Offered), on(2, callback.Requested)), want: num(2, 1)},
		{key: callback.KeyNCallbackOffersPerSession, name: "none but a request",
			events: events(on(0, callback.Queued), on(2, callback.Requested), on(3, callback.Requested)), want: num(1, 1)},
		{key: callback.KeyNCallbackOffersPerSession, name: "nothing but a request", events: events(on(2, callback.Requested)), want: num(1, 0)},
		{key: callback.KeyNCallbackOffersPerSession, name: "none at all", events: events(on(0, callback.OfferAccepted)), want: num(0, -1)},
		{key: callback.KeyNCallbackOffersPerSession, name: "overridden",
			events: events(on(0, callback.Offered), on(2, callback.Requested, parameters("_cb_n_callback_offers_per_session", "3"))), want: num(3, 1)},

		{key: callback.KeyNAbandonedDuringCallbackOffer, name: "abandoned last",
			events: events(on(0, callback.Offered), on(1, callback.OfferAbandoned), on(2, callback.InboundCallEnded), on(3, callback.Cancelled)), want: num(1, 1)},
		{key: callback.KeyNAbandonedDuringCallbackOffer, name: "offered again",
			events: events(on(0, callback.Offered), on(1, callback.OfferAbandoned), on(2, callback.Offered)), want: num(0, 2)},
		{key: callback.KeyNAbandonedDuringCallbackOffer, name: "requested after all",
			events: events(on(0, callback.Offered), on(1, callback.OfferAbandoned), on(2, callback.Requested)), want: num(0, 2)},
		{key: callback.KeyNAbandonedDuringCallbackOffer, name: "accepted after all",
			events: events(on(0, callback.Offered), on(1, callback.OfferAbandoned), on(2, callback.OfferAccepted)), want: num(0, 2)},
		{key: callback.KeyNAbandonedDuringCallbackOffer, name: "then rejected",
			events: events(on(0, callback.Offered), on(1, callback.OfferAbandoned), on(2, callback.OfferRejected)), want: num(0, 2)},
		{key: callback.KeyNAbandonedDuringCallbackOffer, name: "never", events: events(on(0, callback.Offered)), want: num(0, -1)},
		{key: callback.KeyNAbandonedDuringCallbackOffer, name: "no offer at all", events: events(on(0, callback.Queued)), want: num(0, -1)},
	},
	durations(callback.KeyDCallbackOffer),
	durations(callback.KeyDLastCallbackOffer),
	[]kvpCase{
		{key: callback.KeyDCallbackOffer, name: "of the offer that was taken",
			events: events(on(0, callback.Offered), on(3, callback.OfferAccepted), on(10, callback.Offered), on(17, callback.OfferRejected)), want: num(3, 1)},
		{key: callback.KeyDCallbackOffer, name: "overridden",
			events: events(on(0, callback.Offered), on(3, callback.Requested, parameters("_cb_d_callback_offer", "9"))), want: num(9, 1)},
		{key: callback.KeyDLastCallbackOffer, name: "of the last offer",
			events: events(on(0, callback.Offered), on(3, callback.OfferAccepted), on(10, callback.Offered), on(17, callback.OfferRejected)), want: num(7, 3)},
		{key: callback.KeyDLastCallbackOffer, name: "none follows the last offer, but an earlier one was taken",
			events: events(on(0, callback.Offered), on(3, callback.OfferAccepted), on(10, callback.Offered)), want: num(0, 1)},
		{key: callback.KeyDLastCallbackOffer, name: "overridden",
			events: events(on(0, callback.Offered), on(3, callback.Requested, parameters("_cb_d_last_callback_offer", "9"))), want: num(9, 1)},
		{key: callback.KeyDLastCallbackOffer, name: "as the other's arithmetic, not its override",
			events: events(on(0, callback.Offered), on(3, callback.Requested, parameters("_cb_d_callback_offer", "9"))), want: num(3, 1)},
	},
)

// durations are the cases that the durations of THE OFFER and of the last offer have in common.
func durations(key callback.KVP) (cases []kvpCase) {
	for _, end := range []callback.Type{callback.OfferAccepted, callback.OfferRejected, callback.OfferAbandoned, callback.Requested,
		callback.Cancelled, callback.Completed} {
		cases = append(cases, kvpCase{key: key, name: "to " + string(end),
			events: events(on(1, callback.Offered), on(2, callback.Queued), on(5, end), on(6, callback.OfferRejected)), want: num(4, 2)})
	}
	return append(cases,
		kvpCase{key: key, name: "to an acceptance of the same time", events: events(on(5, callback.OfferAccepted), on(5, callback.Offered)), want: num(0, 1)},
		kvpCase{key: key, name: "by whole seconds",
			events: events(callback.Event{Source: "s", ID: "a", Type: callback.Offered, Time: instant(0) + 999_999},
				callback.Event{Source: "s", ID: "b", Type: callback.OfferAccepted, Time: instant(1)}), want: num(1, 1)},
		kvpCase{key: key, name: "a completed that is not THE terminal event is no end",
			events: events(on(0, callback.Cancelled), on(1, callback.Offered), on(5, callback.Completed), on(6, callback.OfferRejected)), want: num(5, 3)},
		kvpCase{key: key, name: "no end, but accepted before", events: events(on(1, callback.OfferAccepted), on(5, callback.Offered)), want: num(0, 0)},
		kvpCase{key: key, name: "no end, but requested before", events: events(on(1, callback.Requested), on(5, callback.Offered)), want: num(0, 0)},
		kvpCase{key: key, name: "no end, but accepted and requested before",
			events: events(on(1, callback.OfferAccepted), on(2, callback.Requested), on(5, callback.Offered)), want: num(0, 0)},
		kvpCase{key: key, name: "requested without an offer", events: events(on(1, callback.Requested), on(5, callback.Requested)), want: num(0, 0)},
		kvpCase{key: key, name: "accepted without an offer or a request", events: events(on(1, callback.OfferAccepted)), want: absent},
		kvpCase{key: key, name: "goes on", events: events(on(1, callback.Offered), on(9, callback.Queued)), want: absent},
		kvpCase{key: key, name: "timed out", timedOut: true, events: events(on(1, callback.Offered), on(9, callback.Queued)), want: absent},
	)
}

var acceptanceCases = []kvpCase{
	{key: callback.KeyDCallbackOffer, name: "from the last offer before the request",
		events: events(on(0, callback.Offered), on(4, callback.Offered), on(9, callback.Requested)), want: num(5, 2)},

	{key: callback.KeyTCallbackAccepted, name: "the first offer_accepted",
		events: events(on(0, callback.Requested), on(2, callback.OfferAccepted), on(3, callback.OfferAccepted)), want: at(2, 1)},
	{key: callback.KeyTCallbackAccepted, name: "without one the first requested",
		events: events(on(1, callback.Requested), on(2, callback.Requested)), want: at(1, 0)},
	{key: callback.KeyTCallbackAccepted, name: "neither", events: events(on(0, callback.Offered)), want: absent},
	{key: callback.KeyTCallbackAccepted, name: "overridden",
		events: events(on(1, callback.OfferAccepted), on(2, callback.Requested, parameters("_cb_t_callback_accepted", "1700000007123"))), want: at(7, 1)},

	{key: callback.KeyNCallbackAccepted, name: "accepted", events: events(on(0, callback.OfferAccepted), on(1, callback.Requested)), want: num(1, 0)},
	{key: callback.KeyNCallbackAccepted, name: "requested", events: events(on(0, callback.Offered), on(1, callback.Requested)), want: num(1, 1)},
	{key: callback.KeyNCallbackAccepted, name: "rejected", events: events(on(0, callback.Offered), on(1, callback.OfferRejected)), want: num(0, -1)},

	{key: callback.KeyPriorityWhenCallbackAccepted, name: "of the first offer_accepted",
		events: events(on(0, callback.OfferAccepted, data{Priority: new(int64(5))}), on(1, callback.OfferAccepted, data{Priority: new(int64(6))})), want: num(5, 0)},
	{key: callback.KeyPriorityWhenCallbackAccepted, name: "silent",
		events: events(on(0, callback.OfferAccepted), on(1, callback.OfferAccepted, data{Priority: new(int64(6))})), want: absent},
	{key: callback.KeyPriorityWhenCallbackAccepted, name: "none", events: events(on(0, callback.Requested)), want: absent},

	{key: callback.KeyOriginationIxnID, name: "of the last requested that has one",
		events: events(on(0, callback.Offered, data{OriginationIxnID: new("o")}), on(1, callback.Requested, data{OriginationIxnID: new("a")}),
			on(2, callback.Requested, data{OriginationIxnID: new("b")}), on(3, callback.Requested)), want: txt("b", 2)},
	{key: callback.KeyOriginationIxnID, name: "else THE OFFER's",
		events: events(on(0, callback.Offered, data{OriginationIxnID: new("o")}), on(1, callback.Requested)), want: txt("o", 0)},
	{key: callback.KeyOriginationIxnID, name: "THE OFFER's once accepted",
		events: events(on(0, callback.Offered, data{OriginationIxnID: new("o")}), on(1, callback.OfferAccepted)), want: txt("o", 0)},
	{key: callback.KeyOriginationIxnID, name: "of a request and nothing else", events: events(on(0, callback.Requested, data{OriginationIxnID: new("a")})), want: txt("a", 0)},
	{key: callback.KeyOriginationIxnID, name: "not accepted",
		events: events(on(0, callback.Offered, data{OriginationIxnID: new("o")}), on(1, callback.OfferRejected)), want: absent},
	{key: callback.KeyOriginationIxnID, name: "nobody has one", events: events(on(0, callback.Offered), on(1, callback.Requested)), want: absent},
	{key: callback.KeyOriginationIxnID, name: "overridden",
		events: events(on(1, callback.Requested, data{OriginationIxnID: new("a"), Parameters: map[string]string{"_cb_origination_ixn_id": "p"}})), want: txt("p", 0)},
}

func join(lists ...[]kvpCase) (all []kvpCase) {
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

func letter(n int64) *string {
	s := string(rune('a' + n))
	return &s
}

func lettered(n int64, by int32) callback.Value { return txt(*letter(n), by) }
