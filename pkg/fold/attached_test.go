package fold_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fold"
)

func joined(sec int64, ixn string) callback.Event {
	return on(sec, callback.CustomerConnected, data{IxnID: &ixn})
}

func TestAttached(t *testing.T) {
	t.Parallel()
	origin := on(0, callback.Offered, data{OriginationIxnID: new("inbound")})
	request := on(1, callback.Requested, data{ServiceName: new("sales")})
	type attachment struct {
		event int
		ixn   string
		at    int64 // _CB_T_CUSTOMER_CONNECTED after t0; 0 for none
	}
	tests := []struct {
		name   string
		events []callback.Event
		want   []attachment
	}{
		{"the acceptance", events(origin, request), []attachment{{-1, "inbound", 0}}},
		{"the acceptance, by offer_accepted", events(origin, on(1, callback.OfferAccepted)), []attachment{{-1, "inbound", 0}}},
		{"not accepted", events(origin, on(1, callback.OfferRejected)), nil},
		{"no interaction", events(on(0, callback.Offered), request), nil},
		{"an empty interaction is none", events(on(0, callback.Offered, data{OriginationIxnID: new("")}), request), nil},
		{"the interaction of the parameters", events(origin, on(1, callback.Requested, parameters("_cb_origination_ixn_id", "passed"))), []attachment{{-1, "passed", 0}}},

		{"a customer", events(request, joined(5, "out")), []attachment{{1, "out", 5}}},
		{"a customer without an interaction: that of the attempt", events(request, call(2, "dialled"), connected(5)), []attachment{{2, "dialled", 5}}},
		{"a customer with an empty interaction: that of the attempt", events(request, call(2, "dialled"), joined(5, "")), []attachment{{2, "dialled", 5}}},
		{"that of a push too", events(request, push(2, "pushed"), connected(5)), []attachment{{2, "pushed", 5}}},
		{"only of the last attempt before", events(request, call(2, "dialled"), call(3), connected(5), call(6, "later")), nil},
		{"neither has one", events(request, call(2), connected(5)), nil},
		{"every customer, in order", events(origin, request, call(2, "a"), connected(3), connected(4), call(5, "b"), joined(6, "c"), connected(7)),
			[]attachment{{-1, "inbound", 0}, {3, "a", 3}, {4, "a", 4}, {6, "c", 6}, {7, "b", 7}}},
		{"neither occasion", events(on(0, callback.Offered), request, call(2, "a")), nil},

		{"a chat", events(origin, on(1, callback.Requested, data{MediaType: new("chat")}), joined(5, "out")), nil},
		{"a chat and nothing else", events(on(1, callback.Requested, data{MediaType: new("chat"), OriginationIxnID: new("chat-1")})), nil},
		{"the last request is a chat", events(origin, request, joined(5, "out"), on(9, callback.Requested, data{MediaType: new("chat")})), nil},
		{"the last request is no chat any more", events(origin, on(1, callback.Requested, data{MediaType: new("chat")}), on(2, callback.Requested, data{MediaType: new("voice")}), joined(5, "out")),
			[]attachment{{-1, "inbound", 0}, {3, "out", 5}}},
		{"the last request says nothing of it", events(on(1, callback.Requested, data{MediaType: new("chat")}), on(2, callback.Requested), joined(5, "out")),
			[]attachment{{2, "out", 5}}},
		{"without any request", events(origin, on(1, callback.OfferAccepted), joined(5, "out")), []attachment{{-1, "inbound", 0}, {2, "out", 5}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in := sequence(test.events)
			r := fold.Session(in, fold.Options{}, false)
			var got []attachment
			for _, a := range fold.Attached(in, &r) {
				one := attachment{event: a.Event, ixn: a.IxnID}
				require.Equal(t, "svc-1", a.ServiceID)
				require.Equal(t, int32(callback.LogicVersion), a.LogicVersion)
				require.Equal(t, in[len(in)-1].Time, a.LastEventTime)
				require.Equal(t, r.ServiceName, a.ServiceName)
				require.Equal(t, r.KVPs[callback.KeyTServiceStart].Int, *a.ServiceStart)
				require.Equal(t, r.KVPs[callback.KeyTCallbackAccepted].Int, *a.CallbackAccepted)
				if a.Event < 0 {
					require.Equal(t, callback.OnAccepted, a.Occasion)
					require.Nil(t, a.CustomerConnected)
					require.Empty(t, a.EventID+a.EventSource)
				} else {
					require.Equal(t, callback.OnConnected, a.Occasion)
					require.Equal(t, in[a.Event].ID, a.EventID)
					require.Equal(t, in[a.Event].Source, a.EventSource)
					one.at = *a.CustomerConnected - t0
				}
				got = append(got, one)
			}
			require.Equal(t, test.want, got)
		})
	}

	t.Run("what is not known is left out", func(t *testing.T) {
		t.Parallel()
		in := sequence(events(joined(5, "out")))
		r := fold.Session(in, fold.Options{}, false)
		due := fold.Attached(in, &r)
		require.Len(t, due, 1)
		require.Nil(t, due[0].ServiceStart)
		require.Nil(t, due[0].CallbackAccepted)
		require.Nil(t, due[0].ServiceName)
	})
}
