package kafka

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/compress"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/embedded/broker"
)

// benchClient speaks to the brokers of RINGBACK_KAFKA_BROKERS, or to an embedded one.
func benchClient(b *testing.B, codec string, partitions int) (c *Client, name string) {
	b.Helper()
	brokers := strings.Split(os.Getenv("RINGBACK_KAFKA_BROKERS"), ",")
	if brokers[0] == "" {
		br, err := broker.Start(broker.Config{Dir: b.TempDir()})
		require.NoError(b, err)
		b.Cleanup(func() { _ = br.Close() })
		brokers = br.Addrs()
	}
	c = newClient(b, brokers, func(cfg *Config) { cfg.Compression = codec })
	return c, newTopic(b, c, partitions, nil)
}

// benchRecords are about as hard to compress as events are: half of a value is the same in all, half
// is of this record alone.
func benchRecords(name string, n, size int) []Record {
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
			Topic: name, Partition: AnyPartition, Key: fmt.Appendf(nil, "service-%08x", random.Uint32()), Value: value,
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
			recs := benchRecords("bench", 1000, 300)
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

// BenchmarkProduce gives the time per record where so many callers write so many records a call.
func BenchmarkProduce(b *testing.B) {
	for _, codec := range []string{"none", "snappy", "lz4", "zstd"} {
		for _, shape := range []struct{ callers, size int }{{1, 1}, {64, 1}, {1, 1000}, {8, 1000}} {
			b.Run(fmt.Sprintf("%s/%dx%d", codec, shape.callers, shape.size), func(b *testing.B) {
				c, name := benchClient(b, codec, 6)
				p := newProducer(b, c, ProducerConfig{})
				all := make([][]Record, shape.callers)
				for i := range all {
					all[i] = benchRecords(name, shape.size, 300)
				}
				var left atomic.Int64
				left.Store(int64(b.N))
				b.ResetTimer()
				var wg sync.WaitGroup
				for _, recs := range all {
					wg.Go(func() {
						for left.Add(int64(-shape.size)) > int64(-shape.size) {
							for _, d := range p.Produce(b.Context(), recs) {
								if d.Err != nil {
									b.Error(d.Err)
									return
								}
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			})
		}
	}
}

func BenchmarkFetch(b *testing.B) {
	for _, codec := range []string{"none", "snappy", "lz4", "zstd"} {
		b.Run(codec, func(b *testing.B) {
			c, name := benchClient(b, codec, 1)
			p := newProducer(b, c, ProducerConfig{})
			recs := benchRecords(name, 5000, 300)
			for range 20 {
				mustProduce(b, p, recs...)
			}
			b.ReportAllocs()
			b.ResetTimer()
			offset := int64(0)
			for n := 0; n < b.N; {
				got, err := c.Fetch(b.Context(), FetchRequest{Topic: name, Offset: offset, MaxWait: time.Second})
				if err != nil {
					b.Fatal(err)
				}
				n += len(got.Records)
				if offset = got.Next; offset == got.HighWatermark {
					offset = 0
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkTransactions gives the time per transaction of so many records over 6 partitions, with an
// input position.
func BenchmarkTransactions(b *testing.B) {
	for _, size := range []int{1, 60, 500, 6000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			c, name := benchClient(b, "none", 6)
			tx, err := c.NewTransactor(b.Context(), name)
			require.NoError(b, err)
			recs := benchRecords(name, size, 300)
			group := &GroupOffsets{Generation: Generation{GroupID: name, ID: -1}, Topic: name, Offsets: map[int32]int64{0: 1}}
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
