//go:build realkafka && realpostgres

package sink_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/deadletter"
	embedded "github.com/ringback/ringback/pkg/embedded/registry"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/postgres"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
	"github.com/ringback/ringback/services/sink"
	"github.com/ringback/ringback/services/sink/consume"
	"github.com/ringback/ringback/services/sink/tserver"
)

// realWorld is a world on a real Apache Kafka and a real PostgreSQL. Topics, group and schema are its
// own: other tests use the same servers at the same time. A topic has one partition, so that what is
// written before a sink starts is one batch.
type realWorld struct {
	*world
	prefix  string // of its topics and groups
	url     string
	schema  string
	facts   *postgres.Store
	letters *letterBox
	away    *atomic.Bool // the registry
}

var realWorlds atomic.Int64

func newRealWorld(t *testing.T) *realWorld {
	t.Helper()
	brokers, database := os.Getenv("RINGBACK_KAFKA_BROKERS"), os.Getenv("RINGBACK_POSTGRES_URL")
	require.NotEmpty(t, brokers, "RINGBACK_KAFKA_BROKERS is unset: run scripts/kafka-up")
	require.NotEmpty(t, database, "RINGBACK_POSTGRES_URL is unset: run scripts/postgres-up")
	name := fmt.Sprintf("sink-%d-%d", time.Now().UnixNano(), realWorlds.Add(1))
	w := &realWorld{
		world:  &world{TB: t, brokers: strings.Split(brokers, ","), gateway: &recorder{}},
		prefix: name + ".", url: database, schema: name, away: &atomic.Bool{},
	}
	w.client = w.connect("test")
	var specs []topic.Spec
	for _, s := range topic.Specs(1, 1) {
		s.Name = w.prefix + s.Name
		specs = append(specs, s)
	}
	require.NoError(t, w.client.EnsureTopics(t.Context(), specs))
	w.openCodec()
	w.producer = w.client.NewProducer(kafka.ProducerConfig{})
	t.Cleanup(func() { _ = w.producer.Close(context.Background()) })
	w.letters = &letterBox{to: deadletter.NewWriter(w.codec, w)}
	var err error
	w.facts, err = postgres.Open(t.Context(), postgres.Config{URL: postgres.Secret(database), Schema: name, MaxConns: 4})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, w.facts.Close())
		w.exec("DROP SCHEMA " + pgx.Identifier{name}.Sanitize() + " CASCADE")
	})
	return w
}

// openCodec makes a codec whose registry answers 503 while it is away.
func (w *realWorld) openCodec() {
	server, err := embedded.Start(embedded.Config{Dir: w.TempDir()})
	require.NoError(w, err)
	w.Cleanup(func() { require.NoError(w, server.Close()) })
	target, err := url.Parse(server.URL())
	require.NoError(w, err)
	through := httputil.NewSingleHostReverseProxy(target)
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.away.Load() {
			http.Error(rw, "away", http.StatusServiceUnavailable)
			return
		}
		through.ServeHTTP(rw, r)
	}))
	w.Cleanup(front.Close)
	schemas, err := registry.New(registry.Config{URL: front.URL})
	require.NoError(w, err)
	w.Cleanup(schemas.Close)
	w.codec, err = wire.New(w.Context(), schemas)
	require.NoError(w, err)
}

// Produce implements [deadletter.Producer].
func (w *realWorld) Produce(ctx context.Context, recs []kafka.Record) []kafka.Delivery {
	own := append([]kafka.Record(nil), recs...)
	for i := range own {
		own[i].Topic = w.prefix + own[i].Topic
	}
	return w.producer.Produce(ctx, own)
}

func (w *realWorld) write(recs ...kafka.Record) {
	w.Helper()
	for _, d := range w.Produce(w.Context(), recs) {
		require.NoError(w, d.Err)
	}
}

// ownTopics is a client to which the topics have their plain names.
type ownTopics struct {
	*kafka.Client
	prefix string
}

func (c ownTopics) Fetch(ctx context.Context, req kafka.FetchRequest) (kafka.Fetched, error) {
	plain := req.Topic
	req.Topic = c.prefix + plain
	got, err := c.Client.Fetch(ctx, req)
	for i := range got.Records {
		got.Records[i].Topic = plain
	}
	return got, err
}

func (c ownTopics) Offsets(ctx context.Context, name string) (map[int32]kafka.OffsetRange, error) {
	return c.Client.Offsets(ctx, c.prefix+name)
}

func (c ownTopics) Partitions(ctx context.Context, name string) (int, error) {
	return c.Client.Partitions(ctx, c.prefix+name)
}

func (c ownTopics) RunGroup(ctx context.Context, cfg kafka.GroupConfig, handle kafka.Handler) error {
	own := make([]string, len(cfg.Topics))
	for i, name := range cfg.Topics {
		own[i] = c.prefix + name
	}
	cfg.Topics = own
	return c.Client.RunGroup(ctx, cfg, func(ctx context.Context, gen kafka.Generation, name string, p int32) error {
		return handle(ctx, gen, strings.TrimPrefix(name, c.prefix), p)
	})
}

// letterBox writes dead letters; fail, if set, is asked first.
type letterBox struct {
	to   consume.DeadLetters
	fail func([]*callback.DeadLetter) error
}

func (b *letterBox) Write(ctx context.Context, letters []*callback.DeadLetter) error {
	if b.fail != nil {
		if err := b.fail(letters); err != nil {
			return err
		}
	}
	return b.to.Write(ctx, letters)
}

// run starts a sink of its own group.
func (w *realWorld) run(build func(sink.Config, sink.Deps) (*sink.Sink, error)) *member {
	return w.start(func(d sink.Deps) (*sink.Sink, error) {
		d.Kafka, d.Letters = ownTopics{w.connect("sink"), w.prefix}, w.letters
		cfg := quick()
		cfg.RetryMin, cfg.RetryMax, cfg.UnknownSchemaWait = time.Millisecond, 20*time.Millisecond, 0
		return build(cfg, d)
	})
}

func (w *realWorld) runInfomart(store infomart.Store) *member {
	return w.run(func(cfg sink.Config, d sink.Deps) (*sink.Sink, error) {
		cfg.Group = w.group(sink.Infomart)
		return sink.NewInfomart(cfg, store, d)
	})
}

func (w *realWorld) runTServer(gw tserver.Gateway) *member {
	return w.run(func(cfg sink.Config, d sink.Deps) (*sink.Sink, error) {
		cfg.Group = w.group(sink.TServer)
		return sink.NewTServer(cfg, tserver.Defaults("SIP_Switch"), w.facts, gw, d)
	})
}

func (w *realWorld) group(name string) string { return w.prefix + name }

func (w *realWorld) position(name string) (infomart.Position, bool) {
	w.Helper()
	pos, ok, err := w.facts.Position(w.Context(), infomart.PositionKey{Group: w.group(name), Topic: topic.UserEvents})
	if err != nil {
		w.Error(err) // the sink's own goroutines come here too
	}
	return pos, ok
}

func (w *realWorld) end() int64 {
	w.Helper()
	ranges, err := w.client.Offsets(w.Context(), w.prefix+topic.UserEvents)
	require.NoError(w, err)
	return ranges[0].Latest
}

// done waits until the member is done with all UserEvents that there are.
func (w *realWorld) done(m *member) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 20*time.Second)
	defer cancel()
	require.NoError(w, m.WaitFor(ctx, topic.UserEvents, map[int32]int64{0: w.end()}), "%v", m.Ready())
}

// allLetters reads the dead-letter topic, repetitions included.
func (w *realWorld) allLetters() (all []*callback.DeadLetter) {
	w.Helper()
	own := ownTopics{w.client, w.prefix}
	ranges, err := own.Offsets(w.Context(), topic.DeadLetters)
	require.NoError(w, err)
	for offset := int64(0); offset < ranges[0].Latest; {
		got, err := own.Fetch(w.Context(), kafka.FetchRequest{Topic: topic.DeadLetters, Offset: offset, MaxWait: time.Second})
		require.NoError(w, err)
		for i := range got.Records {
			d, err := w.codec.ParseDeadLetter(w.Context(), &got.Records[i])
			require.NoError(w, err)
			all = append(all, d)
		}
		offset = got.Next
	}
	return all
}

func (w *realWorld) counts() infomart.Counts {
	w.Helper()
	rows, err := w.facts.Counts(w.Context())
	if err != nil {
		w.Error(err)
	}
	return rows
}

func (w *realWorld) exec(statement string) {
	w.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, w.url)
	require.NoError(w, err)
	defer func() { require.NoError(w, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, "SET search_path = "+pgx.Identifier{w.schema}.Sanitize()+"; "+statement)
	require.NoError(w, err)
}

// record is the record of a UserEvent, changed.
func (w *realWorld) record(service string, sequence int32, change func(*callback.UserEvent)) kafka.Record {
	w.Helper()
	u := w.event(service, sequence)
	change(u)
	rec, err := w.codec.UserEvent(u)
	require.NoError(w, err)
	return rec
}

func final(u *callback.UserEvent) { u.KVPs.SetInt(callback.KeyFinalRecord, 1, 0) }

func incomplete(u *callback.UserEvent) {
	u.KVPs[callback.KeyTCallbackOffered].Set = false
	u.KVPs[callback.KeyDCallbackOffer].Set = false
}

func garbage(rec kafka.Record) kafka.Record {
	rec.Value = []byte("garbage")
	return rec
}
