package sink_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/deadletter"
	"github.com/ringback/ringback/pkg/embedded/broker"
	embedded "github.com/ringback/ringback/pkg/embedded/registry"
	"github.com/ringback/ringback/pkg/gateway"
	"github.com/ringback/ringback/pkg/infomart/sqlite"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
	"github.com/ringback/ringback/services/sink"
	"github.com/ringback/ringback/services/sink/tserver"
)

const partitions = 3

// world is a broker, a registry and a store, and what a test needs to write and read.
type world struct {
	testing.TB
	brokers  []string
	client   *kafka.Client
	codec    *wire.Codec
	producer *kafka.Producer
	store    *sqlite.Store
	gateway  *recorder
}

func newWorld(t testing.TB) *world {
	t.Helper()
	b, err := broker.Start(broker.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	server, err := embedded.Start(embedded.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	w := &world{TB: t, brokers: b.Addrs(), gateway: &recorder{}}
	w.client = w.connect("test")
	require.NoError(t, w.client.EnsureTopics(t.Context(), topic.Specs(partitions, 1)))
	schemas, err := registry.New(registry.Config{URL: server.URL()})
	require.NoError(t, err)
	t.Cleanup(schemas.Close)
	w.codec, err = wire.New(t.Context(), schemas)
	require.NoError(t, err)
	w.producer = w.client.NewProducer(kafka.ProducerConfig{})
	t.Cleanup(func() { _ = w.producer.Close(context.Background()) })
	w.store, err = sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "infomart.db"), CacheMiB: 8})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.store.Close()) })
	return w
}

func (w *world) connect(id string) *kafka.Client {
	w.Helper()
	client, err := kafka.New(kafka.Config{Brokers: w.brokers, ClientID: id})
	require.NoError(w, err)
	w.Cleanup(client.Close)
	return client
}

// recorder is a T-Server that acknowledges everything but what answer says.
type recorder struct {
	mu     sync.Mutex
	events []string
	calls  []string
	answer func() error
}

func (r *recorder) Distribute(_ context.Context, e gateway.UserEvent) (gateway.Ack, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answer != nil {
		if err := r.answer(); err != nil {
			return gateway.Ack{}, err
		}
	}
	r.events = append(r.events, e.IdempotencyKey)
	return gateway.Ack{ReferenceID: e.ReferenceID}, nil
}

func (r *recorder) UpdateUserData(_ context.Context, d gateway.CallData) (gateway.Ack, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, d.IdempotencyKey)
	return gateway.Ack{ReferenceID: d.ReferenceID}, nil
}

func (r *recorder) seen() (events, calls []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.events...), append([]string(nil), r.calls...)
}

// member is a running sink.
type member struct {
	*sink.Sink
	metrics *prometheus.Registry
	stop    func() error
	ended   chan error
}

func (w *world) start(build func(sink.Deps) (*sink.Sink, error)) *member {
	w.Helper()
	return w.startIn(context.Background(), build)
}

// startIn starts a sink that ends with ctx.
func (w *world) startIn(ctx context.Context, build func(sink.Deps) (*sink.Sink, error)) *member {
	w.Helper()
	metrics := prometheus.NewRegistry()
	s, err := build(sink.Deps{
		Kafka: w.connect("sink"), Decoder: w.codec, Letters: deadletter.NewWriter(w.codec, w.producer),
		Registerer: metrics, Logger: slog.New(slog.NewTextHandler(w.Output(), nil)),
	})
	require.NoError(w, err)
	ctx, cancel := context.WithCancel(ctx)
	m := &member{Sink: s, metrics: metrics, ended: make(chan error, 1)}
	go func() { m.ended <- s.Run(ctx) }()
	var once sync.Once
	var ended error
	m.stop = func() error {
		once.Do(func() { cancel(); ended = <-m.ended })
		return ended
	}
	w.Cleanup(func() { _ = m.stop() })
	return m
}

func quick() sink.Config {
	cfg := sink.Defaults()
	cfg.BatchLatency = 5 * time.Millisecond
	return cfg
}

func (w *world) infomart() *member {
	return w.start(func(d sink.Deps) (*sink.Sink, error) { return sink.NewInfomart(quick(), w.store, d) })
}

func (w *world) tserver() *member {
	return w.start(func(d sink.Deps) (*sink.Sink, error) {
		return sink.NewTServer(quick(), tserver.Defaults("SIP_Switch"), w.store, w.gateway, d)
	})
}

// event is a UserEvent that has all mandatory KVPs.
func (w *world) event(service string, sequence int32) *callback.UserEvent {
	u := &callback.UserEvent{Sequence: sequence, Cause: callback.CauseStart, LogicVersion: callback.LogicVersion, LastEventTime: callback.Micros(time.Now().UnixMicro())}
	at := time.Now().Unix()
	u.KVPs.SetStr(callback.KeyServiceID, service, 0)
	for _, k := range callback.Mandatory() {
		if k != callback.KeyServiceID {
			u.KVPs.SetInt(k, at, 0)
		}
	}
	return u
}

// userEvent is the record of such a UserEvent.
func (w *world) userEvent(service string, sequence int32) kafka.Record {
	w.Helper()
	u := w.event(service, sequence)
	rec, err := w.codec.UserEvent(u)
	require.NoError(w, err)
	return rec
}

func (w *world) attachedData(service string) kafka.Record {
	w.Helper()
	rec, err := w.codec.AttachedData(&callback.AttachedData{
		IxnID: "call-" + service, Occasion: callback.OnAccepted, LogicVersion: callback.LogicVersion,
		LastEventTime: callback.Micros(time.Now().UnixMicro()), ServiceID: service,
	})
	require.NoError(w, err)
	return rec
}

func (w *world) produce(recs ...kafka.Record) {
	w.Helper()
	for _, d := range w.producer.Produce(w.Context(), recs) {
		require.NoError(w, d.Err)
	}
}

// ends are the ends of a topic.
func (w *world) ends(name string) map[int32]int64 {
	w.Helper()
	ranges, err := w.client.Offsets(w.Context(), name)
	require.NoError(w, err)
	ends := map[int32]int64{}
	for p, r := range ranges {
		ends[p] = r.Latest
	}
	return ends
}

// wait waits until the member is done with all that is in the topics.
func (w *world) wait(m *member, topics ...string) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 30*time.Second)
	defer cancel()
	for _, name := range topics {
		require.NoError(w, m.WaitFor(ctx, name, w.ends(name)), "%v", m.Ready())
	}
}

// letters reads the dead-letter topic, by id.
func (w *world) letters() map[string]*callback.DeadLetter {
	w.Helper()
	letters := map[string]*callback.DeadLetter{}
	for p, end := range w.ends(topic.DeadLetters) {
		for offset := int64(0); offset < end; {
			got, err := w.client.Fetch(w.Context(), kafka.FetchRequest{Topic: topic.DeadLetters, Partition: p, Offset: offset, MaxWait: time.Second})
			require.NoError(w, err)
			for i := range got.Records {
				d, err := w.codec.ParseDeadLetter(w.Context(), &got.Records[i])
				require.NoError(w, err)
				letters[d.ID()] = d
			}
			offset = got.Next
		}
	}
	return letters
}

// services makes n UserEvents of as many services.
func (w *world) services(prefix string, n int) []kafka.Record {
	recs := make([]kafka.Record, n)
	for i := range recs {
		recs[i] = w.userEvent(fmt.Sprint(prefix, i), 1)
	}
	return recs
}
