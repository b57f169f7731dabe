package fold_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fold"
)

// typical is a session of 12 events: offered in the queue, taken, called twice, connected with an agent.
func typical() []callback.Event {
	return sequence(events(
		on(0, callback.Offered, data{Channel: new("IVR"), OfferType: new("WAIT_FOR_AGENT"), EWT: new(int64(300)), Position: new(int64(7)),
			CustomerANI: new("0"), OriginationIxnID: new("006E02C8ED3F1")}),
		on(8, callback.OfferAccepted, data{Priority: new(int64(10))}),
		on(9, callback.Requested, data{CallbackType: new("WAIT_FOR_AGENT"), ServiceName: new("sales"), CustomerNumber: new("0"),
			Parameters: map[string]string{"_cb_dim_channel": "IVR", "_cb_offer_ewt_inbound_vq": "280"}}),
		on(9, callback.Queued, queueOf("VQ_Sales", 101, 1, "VQ")),
		on(200, callback.ReadyToStartMedia, data{EWT: new(int64(20)), Position: new(int64(1))}),
		call(201, "006E02C8ED3F2"), endedIxn(220, "NO_ANSWER", "006E02C8ED3F2"),
		call(400, "006E02C8ED3F3"), connected(410),
		on(411, callback.AgentRequested, data{Target: new("Sales@stat.GA")}),
		on(420, callback.AgentConnected, data{Target: new("Sales@stat.GA"), Priority: new(int64(12))}),
		completed(700)))
}

// longest is a session of 1,000 events, the limit of the enricher.
func longest() []callback.Event {
	e := events(on(0, callback.Offered), on(1, callback.Requested))
	for i := int64(2); len(e) < 998; i++ {
		e = append(e, call(i*10, "ixn"+string(rune('a'+i%26))), endedIxn(i*10+5, "BUSY", "ixn"+string(rune('a'+i%26))))
	}
	return sequence(append(e, on(999_999, callback.InboundCallEnded), completed(1_000_000)))
}

// hostile is a session of 1,000 events made to have every attempt_ended searched for among all attempts.
func hostile() []callback.Event {
	e := events(on(0, callback.Requested))
	for i := range int64(499) {
		e = append(e, call(1+i, "an interaction's id of common length"))
	}
	for len(e) < 1000 {
		e = append(e, endedIxn(1000, "BUSY", "an interaction's id of Common length"))
	}
	return sequence(e)
}

func BenchmarkSession(b *testing.B) {
	for _, bench := range []struct {
		name   string
		events []callback.Event
	}{{"12 events", typical()}, {"1000 events", longest()}, {"1000 hostile events", hostile()}} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := fold.Session(bench.events, fold.Options{}, false)
				if !r.KVPs[callback.KeyDisposition].Set {
					b.Fatal("no disposition")
				}
			}
		})
	}
}

func BenchmarkSort(b *testing.B) {
	in := typical()
	b.ReportAllocs()
	for b.Loop() {
		in[3], in[7] = in[7], in[3]
		fold.Sort(in)
	}
}

func BenchmarkDigest(b *testing.B) {
	r := fold.Session(typical(), fold.Options{}, false)
	b.ReportAllocs()
	for b.Loop() {
		fold.Digest(&r)
	}
}

func BenchmarkAttached(b *testing.B) {
	in := typical()
	r := fold.Session(in, fold.Options{}, false)
	b.ReportAllocs()
	for b.Loop() {
		fold.Attached(in, &r)
	}
}

// A fold runs for every UserEvent: one of a usual session must leave nothing to collect.
func TestSessionAllocatesNothing(t *testing.T) {
	in := typical()
	require.Equal(t, 12, len(in))
	require.Equal(t, 1000, len(longest()))
	require.Equal(t, 1000, len(hostile()))
	var r fold.Result
	require.Zero(t, testing.AllocsPerRun(100, func() { r = fold.Session(in, fold.Options{}, false) }))
	require.Zero(t, testing.AllocsPerRun(100, func() { fold.Digest(&r) }))
}
