package deadletter

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
)

func record(value int) *kafka.Record {
	return &kafka.Record{
		Topic: "t", Partition: 2, Offset: 7, Time: time.UnixMilli(1_700_000_000_123), Key: []byte("svc"), Value: make([]byte, value),
		Headers: []kafka.Header{{Key: "ce_id", Value: []byte("x")}, {Key: "empty"}},
	}
}

func TestNewKeepsTheRecordWhole(t *testing.T) {
	t.Parallel()
	rec := record(100)
	d := FromBad(Infomart, rec, callback.Bad(callback.ReasonUndecodable, "no record of schema %d", 7))
	require.Equal(t, "infomart/t/2/7", d.ID()) // invariant 2
	require.Equal(t, callback.ReasonUndecodable, d.Reason)
	require.Equal(t, "no record of schema 7", d.Detail)
	require.Equal(t, "svc", *d.ServiceID)
	require.Equal(t, rec.Time, d.RecordTime)
	require.Equal(t, rec.Key, d.RecordKey)
	require.Equal(t, rec.Value, d.RecordValue)
	require.Equal(t, []callback.Header{{Name: "ce_id", Value: []byte("x")}, {Name: "empty"}}, d.RecordHeaders)
}

func TestNewCutsWhatIsTooLargeAndSaysSo(t *testing.T) {
	t.Parallel()
	rec := record(MaxValue + 1)
	rec.Key = make([]byte, 5000)
	for range 70 {
		rec.Headers = append(rec.Headers, kafka.Header{Key: "h", Value: make([]byte, 1023)})
	}
	d := New(TServer, rec, callback.ReasonTooLarge, "large")
	require.Len(t, d.RecordValue, MaxValue)
	require.Len(t, d.RecordKey, 4096)
	require.Nil(t, d.ServiceID)
	require.Len(t, d.RecordHeaders, 65)
	require.Equal(t, "large; the key is cut to 4096 of 5000 bytes; 65 of 72 headers are kept; the value is cut to 1048576 of 1048577 bytes", d.Detail)
	require.Len(t, rec.Value, MaxValue+1, "the record itself stays as it is")
}

func TestTombstoneStaysOne(t *testing.T) {
	t.Parallel()
	rec := record(0)
	rec.Value, rec.Key = nil, nil
	d := New(Enricher, rec, callback.ReasonUndecodable, "null")
	require.Nil(t, d.RecordValue)
	require.Nil(t, d.RecordKey)
}

func TestServiceID(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"": "", "svc": "svc", "Ünïcode": "Ünïcode", "a\x00b": "", "a\nb": "", "\x7f": "", "\xff\xfe": "",
		strings.Repeat("x", 255): strings.Repeat("x", 255), strings.Repeat("x", 256): "",
	} {
		require.Equal(t, want, ServiceID([]byte(key)), "%q", key)
	}
}

func TestNewNeverPanicsAndKeepsItsLimits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rec := &kafka.Record{Topic: "t", Key: rapid.SliceOfN(rapid.Byte(), 0, 6000).Draw(t, "key"), Value: rapid.SliceOfN(rapid.Byte(), -1, 100).Draw(t, "value")}
		for range rapid.IntRange(0, 5).Draw(t, "headers") {
			rec.Headers = append(rec.Headers, kafka.Header{Key: rapid.String().Draw(t, "name"), Value: make([]byte, rapid.IntRange(0, 40_000).Draw(t, "size"))})
		}
		d := New(Enricher, rec, callback.ReasonUndecodable, "d")
		size := 0
		for _, h := range d.RecordHeaders {
			size += len(h.Name) + len(h.Value)
		}
		if size > maxHeaders || len(d.RecordKey) > maxKey {
			t.Fatalf("%d bytes of headers, %d of key", size, len(d.RecordKey))
		}
		if whole := len(d.RecordHeaders) == len(rec.Headers) && len(d.RecordKey) == len(rec.Key); whole != (d.Detail == "d") {
			t.Fatalf("detail %q", d.Detail)
		}
	})
}

// encoder makes records whose value is that of the letter.
type encoder struct{ err error }

func (e encoder) DeadLetter(d *callback.DeadLetter) (kafka.Record, error) {
	return kafka.Record{Topic: "dead", Key: []byte(d.ID()), Value: d.RecordValue}, e.err
}

// broker takes records up to a size.
type broker struct {
	most    int
	written []string
	sizes   []int
	err     error
	hang    bool
}

func (b *broker) Produce(ctx context.Context, recs []kafka.Record) []kafka.Delivery {
	out := make([]kafka.Delivery, len(recs))
	if b.hang {
		<-ctx.Done()
	}
	for i, r := range recs {
		switch {
		case b.hang:
			out[i].Err = fault.Outagef("kafka: %w", kafka.ErrOutcomeUnknown)
		case b.err != nil:
			out[i].Err = b.err
		case len(r.Value) > b.most:
			out[i].Err = fault.Misconfigf("kafka: %w", kafka.ErrRecordTooLarge)
		default:
			b.written = append(b.written, string(r.Key))
			b.sizes = append(b.sizes, len(r.Value))
		}
	}
	return out
}

func letters(sizes ...int) []*callback.DeadLetter {
	var out []*callback.DeadLetter
	for i, size := range sizes {
		rec := record(size)
		rec.Offset = int64(i)
		out = append(out, New(Infomart, rec, callback.ReasonUndecodable, "d"))
	}
	return out
}

func TestWriterCutsWhatTheBrokerFindsTooLarge(t *testing.T) {
	t.Parallel()
	b := &broker{most: 100 << 10}
	all := letters(10, 200<<10, 1<<20, 50)
	require.NoError(t, NewWriter(encoder{}, b).Write(t.Context(), all))
	require.ElementsMatch(t, []string{"infomart/t/2/0", "infomart/t/2/1", "infomart/t/2/2", "infomart/t/2/3"}, b.written, "each once")
	require.ElementsMatch(t, []int{10, 50, 64 << 10, 64 << 10}, b.sizes)
	require.Contains(t, all[2].Detail, "cut to 65536")

	err := NewWriter(encoder{}, &broker{most: -1}).Write(t.Context(), letters(10))
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	require.ErrorContains(t, err, "max.message.bytes")
}

func TestWriterErrors(t *testing.T) {
	t.Parallel()
	require.NoError(t, NewWriter(encoder{}, nil).Write(t.Context(), nil))

	away := fault.Outagef("kafka: %w", kafka.ErrQueueFull)
	err := NewWriter(encoder{}, &broker{err: away}).Write(t.Context(), letters(1))
	require.ErrorIs(t, err, kafka.ErrQueueFull)
	require.Equal(t, fault.Outage, fault.ClassOf(err))

	broken := errors.New("no such field")
	require.ErrorIs(t, NewWriter(encoder{broken}, &broker{}).Write(t.Context(), letters(1)), broken)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = NewWriter(encoder{}, &broker{hang: true}).Write(ctx, letters(1))
	require.ErrorIs(t, err, context.Canceled)
}

// A broker that does not answer is an outage after a while, not a standstill (invariant 7).
func TestWriterGivesUpWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		at := time.Now()
		err := NewWriter(encoder{}, &broker{hang: true}).Write(t.Context(), letters(1))
		require.Equal(t, 10*time.Second, time.Since(at))
		require.Equal(t, fault.Outage, fault.ClassOf(err))
		require.ErrorContains(t, err, "no answer in 10s")
	})
}
