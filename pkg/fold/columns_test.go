package fold_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fold"
)

// The columns of CALLBACK_FACT that no KVP fills.
func TestColumns(t *testing.T) {
	t.Parallel()
	desired := func(r *fold.Result) callback.Value { return r.DesiredTime }
	confirmed := func(r *fold.Result) callback.Value { return r.PushDeliveryConfirmed }
	ready := func(r *fold.Result) callback.Value { return r.CustomerReadyToStartIxn }
	tests := []struct {
		name   string
		column func(*fold.Result) callback.Value
		events []callback.Event
		want   callback.Value
	}{
		{"DESIRED_TIME_TS: the last", desired, events(on(0, callback.Requested, data{DesiredTime: new(instant(90))}),
			on(1, callback.Scheduled, data{DesiredTime: new(instant(80))}), on(2, callback.Rescheduled, data{DesiredTime: new(instant(70) + 999_999)}),
			on(3, callback.Requested)), at(70, 2)},
		{"DESIRED_TIME_TS: of the request", desired, events(on(0, callback.Scheduled, data{DesiredTime: new(instant(80))}),
			on(1, callback.Requested, data{DesiredTime: new(instant(90))}), on(2, callback.Completed)), at(90, 1)},
		{"DESIRED_TIME_TS: of a request and nothing else", desired, events(on(1, callback.Requested, data{DesiredTime: new(instant(90))})), at(90, 0)},
		{"DESIRED_TIME_TS: the acceptance", desired, events(on(3, callback.OfferAccepted), on(4, callback.Requested)), at(3, 0)},
		{"DESIRED_TIME_TS: the overridden acceptance", desired, events(on(3, callback.OfferAccepted),
			on(4, callback.Requested, parameters("_cb_t_callback_accepted", "1700000002"))), at(2, 1)},
		{"DESIRED_TIME_TS: neither", desired, events(on(3, callback.Offered)), num(0, -1)},

		{"PUSH_DELIVERY_CONFIRMED_TS: the last", confirmed, events(push(0), ended(1, "PUSH_DELIVERY_CONFIRMED"), push(2),
			ended(3, "PUSH_DELIVERY_CONFIRMED"), ended(4, "PUSH_DELIVERY_NOT_CONFIRMED")), at(3, 3)},
		{"PUSH_DELIVERY_CONFIRMED_TS: of no attempt", confirmed, events(endedNo(1, "PUSH_DELIVERY_CONFIRMED", 9)), at(1, 0)},
		{"PUSH_DELIVERY_CONFIRMED_TS: none", confirmed, events(push(0), ended(4, "PUSH_DELIVERY_NOT_CONFIRMED")), num(0, -1)},

		{"CUSTOMER_READY_TO_START_IXN_TS: the first customer_connected", ready, events(push(0), connected(1), connected(2)), at(1, 1)},
		{"CUSTOMER_READY_TO_START_IXN_TS: a customer and nothing else", ready, events(connected(1)), at(1, 0)},
		{"CUSTOMER_READY_TO_START_IXN_TS: the customer is called", ready, events(call(0), connected(1)), num(0, -1)},
		{"CUSTOMER_READY_TO_START_IXN_TS: not connected", ready, events(push(0)), num(0, -1)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := fold.Session(sequence(test.events), fold.Options{}, false)
			require.Equal(t, test.want, test.column(&r))
		})
	}
}

func TestResult(t *testing.T) {
	t.Parallel()
	t.Run("service name and media type are of the last request that has one", func(t *testing.T) {
		t.Parallel()
		r := fold.Session(sequence(events(on(0, callback.Requested, data{ServiceName: new("a"), MediaType: new("chat")}),
			on(1, callback.Requested, data{ServiceName: new("b")}), on(2, callback.Requested))), fold.Options{}, false)
		require.Equal(t, "b", *r.ServiceName)
		require.Equal(t, "chat", *r.MediaType)
		r = fold.Session(sequence(events(on(0, callback.Requested))), fold.Options{}, false)
		require.Nil(t, r.ServiceName)
		require.Nil(t, r.MediaType)
	})
	t.Run("the terminal event", func(t *testing.T) {
		t.Parallel()
		r := fold.Session(sequence(events(on(0, callback.Requested), completed(1))), fold.Options{}, true)
		require.Equal(t, 1, r.Terminal)
		r = fold.Session(sequence(events(on(0, callback.Requested))), fold.Options{}, true)
		require.Equal(t, -1, r.Terminal, "a time-out is no terminal event")
	})
	t.Run("no events", func(t *testing.T) {
		t.Parallel()
		r := fold.Session(nil, fold.Options{}, true)
		require.Equal(t, -1, r.Terminal)
		require.Equal(t, callback.Mandatory(), r.KVPs.Missing())
		require.Empty(t, fold.Attached(nil, &r))
	})
	t.Run("a type that is not known says nothing of its own", func(t *testing.T) {
		t.Parallel()
		known := fold.Session(sequence(events(on(0, callback.Requested), connected(1))), fold.Options{}, false)
		with := fold.Session(sequence(events(on(0, callback.Requested), connected(1), on(2, "callback.hummed", data{Priority: new(int64(9))}))), fold.Options{}, false)
		require.Equal(t, known, with)
	})
}

func TestParameters(t *testing.T) {
	t.Parallel()
	request := func(sec int64, p map[string]string) callback.Event {
		return on(sec, callback.Requested, data{Parameters: p})
	}
	const key = callback.KeyEWTWhenCallbackWasOffered
	tests := []struct {
		name    string
		events  []callback.Event
		want    callback.Value
		ignored int
	}{
		{"the later request wins", events(request(1, map[string]string{"_cb_ewt_when_callback_was_offered": "10"}),
			request(2, map[string]string{"_cb_ewt_when_callback_was_offered": "20"})), num(20, 1), 0},
		{"merged name by name", events(request(1, map[string]string{"_cb_ewt_when_callback_was_offered": "10"}),
			request(2, map[string]string{"_cb_dim_channel": "WEB"}), request(3, nil)), num(10, 0), 0},
		{"later is by time, not by arrival", events(request(2, map[string]string{"_cb_ewt_when_callback_was_offered": "20"}),
			request(1, map[string]string{"_cb_ewt_when_callback_was_offered": "10"})), num(20, 1), 0},
		{"of the wrong type: the derived value stays", events(on(0, callback.Offered, data{EWT: new(int64(5))}),
			request(1, map[string]string{"_cb_ewt_when_callback_was_offered": "soon"})), num(5, 0), 1},
		{"of the wrong type: an earlier one stays", events(request(1, map[string]string{"_cb_ewt_when_callback_was_offered": "10"}),
			request(2, map[string]string{"_cb_ewt_when_callback_was_offered": "-1", "_cb_t_callback_offered": "yesterday"})), num(10, 0), 2},
		{"too large for the column", events(request(1, map[string]string{"_cb_ewt_when_callback_was_offered": "2147483648"})), absent, 1},
		{"a text that no column holds", events(on(0, callback.Offered, data{EWT: new(int64(5))}), request(1, map[string]string{"_cb_dim_channel": "\x00"})), num(5, 0), 1},
		{"as large as the column", events(request(1, map[string]string{"_cb_ewt_when_callback_was_offered": "2147483647"})), num(1<<31-1, 0), 0},
		{"of no name that is known", events(request(1, map[string]string{"_cb_n_callback_offered": "0", "_CB_EWT_WHEN_CALLBACK_WAS_OFFERED": "1", "": "", "_cb_hum": "x"})), absent, 0},
		{"of no request", events(on(0, callback.Offered, data{Parameters: map[string]string{"_cb_ewt_when_callback_was_offered": "10"}})), absent, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in := sequence(test.events)
			fold.Sort(in)
			r := fold.Session(in, fold.Options{}, false)
			require.Equal(t, test.want, r.KVPs[key])
			require.Equal(t, test.ignored, r.IgnoredParameters)
		})
	}
	t.Run("all of them", func(t *testing.T) {
		t.Parallel()
		offer := on(0, callback.Offered, data{EWT: new(int64(1)), Position: new(int64(1)), EWTThreshold: new(int64(1)), InboundVQEWT: new(int64(1)),
			WaitedBeforeOffer: new(int64(1)), CustomerANI: new("1"), OriginationIxnID: new("1"), Channel: new("1"), OfferType: new("1"), OfferTiming: new("1")})
		all := map[string]string{}
		for k := range callback.KVP(callback.NumKVPs) {
			if name := k.Info().Parameter; name != "" {
				all[name] = "77"
			}
		}
		require.Len(t, all, 15)
		r := fold.Session(sequence(events(offer, request(5, all))), fold.Options{}, false)
		for k := range callback.KVP(callback.NumKVPs) {
			want := num(77, 1)
			if k.Info().Kind == callback.String {
				want = txt("77", 1)
			}
			if k.Info().Parameter != "" {
				require.Equal(t, want, r.KVPs[k], "%s", k)
			}
		}
	})
}
