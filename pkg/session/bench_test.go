package session_test

import (
	"fmt"
	"testing"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/session"
)

// BenchmarkProcess reads batches of 1,000 records: 12-event sessions, 100 of them interleaved.
func BenchmarkProcess(b *testing.B) {
	steps := []callback.Type{
		callback.Offered, callback.OfferAccepted, callback.Requested, callback.Queued, callback.ReadyToStartMedia,
		callback.AttemptStarted, callback.CustomerConnected, callback.AttemptEnded, callback.AgentRequested,
		callback.AgentConnected, callback.DialogEnded, callback.Completed,
	}
	kind, result := "CALL", "CONNECTED"
	var decoded callback.Data
	rules := session.Rules{Decode: func([]byte) (callback.Data, error) { return decoded, nil }}
	p := session.NewPartition(rules, 0)
	raw := make([]byte, 60)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		records := make([]session.Record, 1000)
		for i := range records {
			id := n / (100 * len(steps)) * 100
			e := &callback.Event{
				Source: "/gms/1", ID: fmt.Sprintf("e%d", n), Type: steps[n/100%len(steps)], Subject: fmt.Sprintf("service-%d", id+n%100),
				Time: callback.Micros(n) * 1000, Data: callback.Data{Kind: &kind, Result: &result},
			}
			records[i] = session.Record{Offset: int64(n), Time: int64(n) / 10, Event: e, Raw: raw}
			n++
		}
		if _, err := p.Process(records, int64(n)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/event")
}
