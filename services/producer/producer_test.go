package producer_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/services/producer"
)

var now = time.Date(2026, 3, 1, 9, 31, 0, 123456789, time.UTC)

// encoder keeps what it encoded; fail, if set, answers first.
type encoder struct {
	mu     sync.Mutex
	events []*callback.Event
	fail   func(e *callback.Event) error
}

func (f *encoder) Lifecycle(e *callback.Event) (kafka.Record, error) {
	if f.fail != nil {
		if err := f.fail(e); err != nil {
			return kafka.Record{}, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, e)
	return kafka.Record{Topic: topic.Lifecycle, Partition: kafka.AnyPartition, Key: []byte(e.Subject), Value: []byte(e.ID)}, nil
}

// publisher is a log in memory; produce, if set, answers instead.
type publisher struct {
	mu      sync.Mutex
	records []kafka.Record
	produce func(ctx context.Context, records []kafka.Record) []kafka.Delivery
}

func (f *publisher) Produce(ctx context.Context, records []kafka.Record) []kafka.Delivery {
	if f.produce != nil {
		return f.produce(ctx, records)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	deliveries := make([]kafka.Delivery, len(records))
	for i, r := range records {
		deliveries[i] = kafka.Delivery{Partition: 2, Offset: int64(len(f.records))}
		f.records = append(f.records, r)
	}
	return deliveries
}

func (f *publisher) ids() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	ids := []string{}
	for _, r := range f.records {
		ids = append(ids, string(r.Value))
	}
	return ids
}

// each answers every record by its id: an error, or nil for written.
func each(errs map[string]error) func(context.Context, []kafka.Record) []kafka.Delivery {
	return func(_ context.Context, records []kafka.Record) []kafka.Delivery {
		deliveries := make([]kafka.Delivery, len(records))
		for i, r := range records {
			deliveries[i] = kafka.Delivery{Partition: 0, Offset: int64(i), Err: errs[string(r.Value)]}
			if deliveries[i].Err != nil {
				deliveries[i].Offset = -1
			}
		}
		return deliveries
	}
}

type bundle struct {
	server    *producer.Server
	encoder   *encoder
	publisher *publisher
	metrics   *prometheus.Registry
}

// config is the default one, on a free port and without tokens.
func config() producer.Config {
	return producer.Config{
		Addr: "127.0.0.1:0", Auth: producer.AuthOff, TokensInterval: 5 * time.Second,
		MaxBody: 1 << 20, MaxBatch: 1000, MaxInFlight: 4, MaxInFlightBytes: 4 << 20, MaxHeader: 1 << 16,
		AckTimeout: 10 * time.Second, RetryAfter: 1500 * time.Millisecond,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, DrainTimeout: 20 * time.Second,
	}
}

func setup(t *testing.T, change func(*producer.Config, *producer.Deps)) *bundle {
	t.Helper()
	b := &bundle{encoder: &encoder{}, publisher: &publisher{}, metrics: prometheus.NewRegistry()}
	cfg := config()
	deps := producer.Deps{Encoder: b.encoder, Publisher: b.publisher, Registerer: b.metrics, Now: func() time.Time { return now }}
	if change != nil {
		change(&cfg, &deps)
	}
	s, err := producer.New(cfg, deps)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	b.server = s
	return b
}

func tokenFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func post(contentType, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/v1/events", strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

const (
	structured = "application/cloudevents+json"
	batch      = "application/cloudevents-batch+json"
)

// event is an offered event of that id; more is further members of the JSON.
func event(id, more string) string {
	return `{"specversion":"1.0","id":"` + id + `","source":"/ivr","type":"callback.offered","subject":"S-1","time":"2026-03-01T09:30:00Z"` + more + `}`
}

// binary is an offered event of that id, in binary mode.
func binary(id, body string) *http.Request {
	r := post("application/json", body)
	for name, value := range map[string]string{
		"ce-specversion": "1.0", "ce-id": id, "ce-source": "/ivr", "ce-type": "callback.offered", "ce-subject": "S-1", "ce-time": "2026-03-01T09:30:00Z",
	} {
		r.Header.Set(name, value)
	}
	return r
}

func with(r *http.Request, name, value string) *http.Request {
	r.Header.Set(name, value)
	return r
}

type fieldError struct {
	Field, Reason string
	Index         int
}

type problem struct {
	Type, Title, Detail, Code string
	Status                    int
	Errors                    []fieldError
	Events                    []fate
}

type fate struct {
	Index      int
	ID, Source string
	Status     int
	Partition  *int32
	Offset     *int64
	Problem    *problem
}

type answer struct {
	problem
	Accepted int
	Events   []fate
}

// ask has the server answer the request, and holds request and answer against the OpenAPI document.
func (b *bundle) ask(t *testing.T, r *http.Request) (*http.Response, answer) {
	t.Helper()
	w := httptest.NewRecorder()
	b.server.Handler().ServeHTTP(w, r)
	res := w.Result()
	body := w.Body.Bytes()
	checkAnswer(t, r, res, body)
	var a answer
	if strings.Contains(res.Header.Get("Content-Type"), "json") {
		require.NoError(t, json.Unmarshal(body, &a))
	}
	return res, a
}
