package storetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
)

// Bench measures Apply on stores of a database each: batches of services that start and
// end, 45 KVPs to a UserEvent, as an ordinary session has.
func Bench(b *testing.B, newDatabase func(b *testing.B) Database) {
	for _, store := range []string{"none", "all"} {
		for _, size := range []int{100, 1000, 5000} {
			b.Run(fmt.Sprintf("store-event-data=%s/batch=%d", store, size), func(b *testing.B) {
				s, err := newDatabase(b).Open(context.Background(), infomart.EventData{Store: store}, now)
				require.NoError(b, err)
				defer func() { require.NoError(b, s.Close()) }()
				bench(b, s, size)
			})
		}
	}
}

func bench(b *testing.B, s Store, size int) {
	var position *infomart.Position
	events, service := 0, 0
	for b.Loop() {
		b.StopTimer()
		batch := make([]*callback.UserEvent, 0, size)
		for len(batch) < size {
			service++
			id := fmt.Sprintf("%08x-7a51-4c2f-9d3e-%012x", service*2654435761, service)
			batch = append(batch, Ordinary(id, 1, service), Ordinary(id, 2, service))
		}
		in := Batch(position, batch...)
		b.StartTimer()
		_, err := s.Apply(context.Background(), in, nil)
		if err != nil {
			b.Fatal(err)
		}
		position = &in.To
		events += size
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "facts/s")
	if counts, err := s.Counts(context.Background()); err == nil && counts.CustomData > 0 {
		b.ReportMetric(float64(counts.CustomData)/b.Elapsed().Seconds(), "customrows/s")
	}
}

// Ordinary makes a UserEvent with 45 KVPs, of one of 10 queues and 500 targets; n varies it.
func Ordinary(serviceID string, sequence int32, n int) *callback.UserEvent {
	u := UserEvent(serviceID, sequence, sequence == 2)
	for k := callback.KeyDial2Result; k <= callback.KeyDial5Result; k++ {
		u.KVPs[k].Set = false
	}
	for k := callback.KeyTDial2; k <= callback.KeyTDial5; k++ {
		u.KVPs[k].Set = false
	}
	for k := callback.KVP(callback.NumKVPs) - 1; set(u) > 45; k-- {
		if !k.Info().Mandatory && k.Info().Via != "resource lookup" {
			u.KVPs[k].Set = false
		}
	}
	u.KVPs.SetInt(callback.KeyTServiceStart, Start+int64(n), -1)
	u.KVPs.SetInt(callback.KeyDimVQDBID, int64(n%10), -1)
	u.KVPs.SetStr(callback.KeyDimVQ, fmt.Sprintf("VQ_%d", n%10), -1)
	u.KVPs.SetStr(callback.KeyDimFinalTarget, fmt.Sprintf("Agent_%d@StatServer.A", n%500), -1)
	return u
}

func set(u *callback.UserEvent) (n int) {
	for k := range u.KVPs {
		if u.KVPs[k].Set {
			n++
		}
	}
	return n
}
