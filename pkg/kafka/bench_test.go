package kafka

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/compress"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/embedded/broker"
	"github.com/ringback/ringback/pkg/topic"
)

func benchBroker(b *testing.B, codec string, partitions int) *Client {
	br, err := broker.Start(broker.Config{Dir: b.TempDir()})
	require.NoError(b, err)
	b.Cleanup(func() { _ = br.Close() })
	c, err := New(Config{Brokers: br.Addrs(), Compression: codec})
	require.NoError(b, err)
	b.Cleanup(c.Close)
	require.NoError(b, c.EnsureTopics(b.Context(), []topic.Spec{{Name: "bench", Partitions: partitions, Replication: 1, Config: map[string]string{"retention.ms": "-1"}}}))
	return c
}

// benchRecords are about as hard to compress as events are: half of a value is the same in all, half
// is of this record alone.
func benchRecords(n, size int) []Record {
	random := rand.New(rand.NewPCG(1, 2))
	recs := make([]Record, n)
	for i := range recs {
		value := make([]byte, size)
		for j := range value {
			value[j] = byte('a' + j%23)
			if j%16 < 8 {
				value[j] = byte('0' + random.IntN(36))
			}
		}
		recs[i] = Record{
			Topic: "bench", Partition: AnyPartition, Key: fmt.Appendf(nil, "service-%08x", random.Uint32()), Value: value,
			Headers: []Header{
				{"ce_specversion", []byte("1.0")},
				{"ce_id", fmt.Appendf(nil, "%016x%016x", random.Uint64(), random.Uint64())},
				{"ce_source", []byte("/gms/eu-west/node-3")},
				{"ce_type", []byte("callback.attempt_started")},
				{"ce_time", []byte("2026-01-01T00:00:00.123456Z")},
				{"content-type", []byte("application/avro")},
			},
		}
	}
	return recs
}

func BenchmarkEncode(b *testing.B) {
	for _, name := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		b.Run(name, func(b *testing.B) {
			var codec compress.Compression
			require.NoError(b, codec.UnmarshalText([]byte(name)))
			recs := benchRecords(1000, 300)
			var builder batchBuilder
			var raw []byte
			b.ReportAllocs()
			b.ResetTimer()
			n := 0
			for n = 0; n < b.N; n += len(recs) {
				builder.reset()
				for i := range recs {
					builder.add(&recs[i], 1_700_000_000_000+int64(i))
				}
				var err error
				if raw, err = builder.appendTo(nil, codec, false, identity{1, 1}, 0); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(builder.records))/float64(len(raw)), "ratio")
		})
	}
}

func BenchmarkProduce(b *testing.B) {
	for _, codec := range []string{"none", "snappy", "lz4", "zstd"} {
		for _, shape := range []struct{ callers, size int }{{1, 1000}, {8, 1000}, {64, 1}, {64, 20}} {
			b.Run(fmt.Sprintf("%s/%dx%d", codec, shape.callers, shape.size), func(b *testing.B) {
				c := benchBroker(b, codec, 6)
				p := c.NewProducer(ProducerConfig{})
				var left atomic.Int64
				left.Store(int64(b.N))
				b.SetBytes(400)
				b.ResetTimer()
				var wg sync.WaitGroup
				for range shape.callers {
					wg.Go(func() {
						recs := benchRecords(shape.size, 400)
						for left.Add(int64(-shape.size)) > int64(-shape.size) {
							for _, d := range p.Produce(context.Background(), recs) {
								if d.Err != nil {
									b.Error(d.Err)
									return
								}
							}
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				require.NoError(b, p.Close(context.Background()))
			})
		}
	}
}

func BenchmarkFetch(b *testing.B) {
	for _, codec := range []string{"none", "lz4", "zstd"} {
		b.Run(codec, func(b *testing.B) {
			c := benchBroker(b, codec, 1)
			p := c.NewProducer(ProducerConfig{})
			recs := benchRecords(5000, 400)
			for range 20 {
				for _, d := range p.Produce(b.Context(), recs) {
					require.NoError(b, d.Err)
				}
			}
			b.ReportAllocs()
			b.SetBytes(400)
			b.ResetTimer()
			offset := int64(0)
			for n := 0; n < b.N; {
				got, err := c.Fetch(b.Context(), FetchRequest{Topic: "bench", Offset: offset, MaxWait: time.Second})
				if err != nil {
					b.Fatal(err)
				}
				n += len(got.Records)
				if offset = got.Next; offset == got.HighWatermark {
					offset = 0
				}
			}
		})
	}
}

func BenchmarkTransactions(b *testing.B) {
	for _, size := range []int{60, 500, 6000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			c := benchBroker(b, "none", 6)
			tx, err := c.NewTransactor(b.Context(), "bench")
			require.NoError(b, err)
			recs := benchRecords(size, 400)
			group := &GroupOffsets{Generation: Generation{GroupID: "bench", ID: -1}, Topic: "bench", Offsets: map[int32]int64{0: 1}}
			b.ResetTimer()
			for range b.N {
				if err := tx.Commit(b.Context(), Txn{Records: recs, Group: group}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
