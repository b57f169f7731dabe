package session_test

import (
	"fmt"
	"runtime"
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
	p := session.NewPartition(session.Rules{}, 0)
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
			records[i] = session.Record{Offset: int64(n), Time: int64(n) / 10, Event: e}
			n++
		}
		if _, err := p.Process(records, int64(n)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/event")
}

// BenchmarkRestore takes in the states of sessions, and says what memory each holds.
func BenchmarkRestore(b *testing.B) {
	open := session.New("")
	open.Started, open.LastNews, open.DueAt = true, 1<<40, 1<<41
	target := "SalesAgents@StatServer.GA"
	for n := range 6 {
		id := fmt.Sprintf("g7-%d-%d-%020d", 1_000_000+n, n, n)
		open.Add(&callback.Event{
			Source: "/gms/sipcluster-1", ID: id, Type: callback.Types[n], Time: callback.Micros(1e15 + n*1e7), Data: callback.Data{Target: &target, IxnID: &id},
		}, 1<<30+int64(n))
	}
	marker := &session.State{ClosedAt: 1 << 40, DueAt: 1 << 41, NextSequence: 3}
	for name, state := range map[string]*session.State{"open": open, "closed": marker} {
		b.Run(name, func(b *testing.B) {
			encoded := state.Append(nil)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			p := session.NewPartition(session.Rules{}, 0)
			b.ResetTimer()
			for i := range b.N {
				if err := p.Restore(fmt.Sprintf("370-%08x-%04x-4%03x-8%03x-%012x", i, i%65536, i%4096, i%4096, i), encoded); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(b.N), "heap-B/session")
			b.ReportMetric(float64(len(encoded)), "encoded-B")
			runtime.KeepAlive(p)
		})
	}
}
