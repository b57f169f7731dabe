package tserver_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/gateway"
	"github.com/ringback/ringback/pkg/kvlist"
	"github.com/ringback/ringback/services/tserver"
)

// BenchmarkSend sends user events of 45 pairs, the size of a final UserEvent, over loopback HTTP into the log file.
// The client and the simulated T-Server share the machine.
func BenchmarkSend(b *testing.B) {
	pairs := make([]kvlist.Pair, 0, 45)
	for i := range 25 {
		pairs = append(pairs, kvlist.Int(fmt.Sprintf("_CB_T_SOME_INSTANT_OF_IT_%02d", i), int64(1700000000+i)))
	}
	for i := range 20 {
		pairs = append(pairs, kvlist.Str(fmt.Sprintf("_CB_DIM_SOME_TEXT_%02d", i), "COMPLETED.TRANSFERRED_TO_RP"))
	}
	for _, senders := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("http/senders=%d", senders), func(b *testing.B) { benchmarkSend(b, senders, pairs, false) })
	}
	for _, senders := range []int{1, 8} {
		b.Run(fmt.Sprintf("inprocess/senders=%d", senders), func(b *testing.B) { benchmarkSend(b, senders, pairs, true) })
	}
}

func benchmarkSend(b *testing.B, senders int, pairs []kvlist.Pair, inProcess bool) {
	s := start(b, tserver.Config{Addr: "127.0.0.1:0", Log: filepath.Join(b.TempDir(), "tserver.log")})
	var options []gateway.Option
	if inProcess {
		options = append(options, gateway.WithTransport(s.Transport()))
	}
	client, err := gateway.New(gateway.Config{URL: s.URL()}, options...)
	require.NoError(b, err)
	defer client.Close()
	var left atomic.Int64
	left.Store(int64(b.N))
	done := make(chan error, senders)
	b.ReportAllocs()
	b.ResetTimer()
	for range senders {
		go func() {
			for left.Add(-1) >= 0 {
				e := gateway.UserEvent{Switch: "SIP_Switch", DN: "REPORTING", ReferenceID: 431, UserData: pairs}
				if _, err := client.Distribute(context.Background(), e); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range senders {
		require.NoError(b, <-done)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sends/s")
}
