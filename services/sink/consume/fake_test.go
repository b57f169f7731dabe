package consume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/registry"
)

// fakeLog is a partition in memory. Offsets may have gaps, where markers and aborted records lay.
type fakeLog struct {
	mu      sync.Mutex
	records []kafka.Record
	start   int64
	end     int64 // also past markers
	held    int64 // offsets past it of a transaction that is open
	arrived chan struct{}
	fail    func() error // called before each fetch
	fetches int
}

func newFakeLog() *fakeLog { return &fakeLog{arrived: make(chan struct{})} }

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// add appends records of these values and returns the offset after the last.
func (l *fakeLog) add(values ...string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range values {
		l.records = append(l.records, kafka.Record{
			Topic: "t", Partition: 3, Offset: l.end, Time: epoch.Add(time.Duration(l.end) * time.Millisecond),
			Key: []byte("svc-" + v), Value: []byte(v),
			Headers: []kafka.Header{{Key: "ce_id", Value: []byte("id-" + strconv.FormatInt(l.end, 10))}},
		})
		l.end++
	}
	l.wake()
	return l.end
}

// remake deletes the log and makes it again, of these records.
func (l *fakeLog) remake(values ...string) {
	l.mu.Lock()
	l.records, l.end = nil, 0
	l.mu.Unlock()
	l.add(values...)
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.records {
		l.records[i].Headers[0].Value = append([]byte("another-"), l.records[i].Headers[0].Value...)
	}
}

// markers appends n offsets that hold no record of ours.
func (l *fakeLog) markers(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end += n
	l.wake()
}

// open appends n offsets of a transaction that stays open.
func (l *fakeLog) open(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = n
}

func (l *fakeLog) expire(start int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.records) > 0 && l.records[0].Offset < start {
		l.records = l.records[1:]
	}
	l.start = start
}

func (l *fakeLog) wake() {
	close(l.arrived)
	l.arrived = make(chan struct{})
}

func (l *fakeLog) Bounds(context.Context) (int64, int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start, l.end + l.held, nil
}

func (l *fakeLog) Fetch(ctx context.Context, offset int64, maxBytes int, maxWait time.Duration) (Page, error) {
	deadline := time.NewTimer(maxWait)
	defer deadline.Stop()
	for {
		l.mu.Lock()
		l.fetches++
		if l.fail != nil {
			if err := l.fail(); err != nil {
				l.mu.Unlock()
				return Page{}, err
			}
		}
		if offset < l.start || offset > l.end {
			l.mu.Unlock()
			return Page{}, ErrOutOfRange
		}
		page := Page{Next: l.end, End: l.end}
		size := 0
		for _, rec := range l.records {
			if rec.Offset < offset {
				continue
			}
			if size += len(rec.Value); len(page.Records) > 0 && size > maxBytes {
				page.Next = rec.Offset
				break
			}
			page.Records = append(page.Records, rec)
		}
		arrived := l.arrived
		l.mu.Unlock()
		if page.Next > offset {
			return page, nil
		}
		select {
		case <-ctx.Done():
			return Page{}, ctx.Err()
		case <-deadline.C:
			return page, nil
		case <-arrived:
		}
	}
}

// durable is what survives a restart.
type durable struct {
	pos     *infomart.Position
	applied map[string]int // by value: how often its effect was made
	batches []int          // sizes
	nexts   []int64        // positions, one after the other
	letters []*callback.DeadLetter
	byID    map[string]*callback.DeadLetter
}

// fakeStore is a store and the dead-letter topic, in memory.
type fakeStore struct {
	mu sync.Mutex
	durable
	known map[uint32]bool // schema ids

	before func(stage string) error // fault injection, before a stage
	after  func(stage string) error // and after it took effect
}

func newFakeStore() *fakeStore {
	return &fakeStore{durable: durable{applied: map[string]int{}, byID: map[string]*callback.DeadLetter{}}, known: map[uint32]bool{}}
}

// seen returns a copy of what is durable.
func (s *fakeStore) seen() durable {
	s.mu.Lock()
	defer s.mu.Unlock()
	return durable{s.pos, maps.Clone(s.applied), slices.Clone(s.batches), slices.Clone(s.nexts), slices.Clone(s.letters), maps.Clone(s.byID)}
}

func (s *fakeStore) at(when func(string) error, stage string) error {
	if when == nil {
		return nil
	}
	return when(stage)
}

func (s *fakeStore) Position(ctx context.Context, _ infomart.PositionKey) (infomart.Position, bool, error) {
	if err := errors.Join(s.at(s.before, "position"), ctx.Err()); err != nil {
		return infomart.Position{}, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pos == nil {
		return infomart.Position{}, false, nil
	}
	return *s.pos, true, nil
}

// Decode: "bad…" is no record, "schema…" names an unknown schema, "refuse…" decodes and is refused later.
func (s *fakeStore) Decode(_ context.Context, rec *kafka.Record) (string, error) {
	if err := s.at(s.before, "decode"); err != nil {
		return "", err
	}
	switch {
	case bytes.HasPrefix(rec.Value, []byte("bad")):
		return "", callback.Bad(callback.ReasonUndecodable, "not a record")
	case len(rec.Value) > 0 && rec.Value[0] == 0:
		s.mu.Lock()
		defer s.mu.Unlock()
		if id := schemaID(rec.Value); !s.known[id] {
			return "", fmt.Errorf("wire: %w %d", registry.ErrUnknownSchema, id)
		}
	}
	return string(rec.Value), nil
}

func (s *fakeStore) Apply(ctx context.Context, b *Batch[string], reject Reject) (Outcome, error) {
	if err := errors.Join(s.at(s.before, "apply"), ctx.Err()); err != nil {
		return Outcome{}, err
	}
	var o Outcome
	var rejected []infomart.Rejection
	for _, item := range b.Items {
		if bytes.HasPrefix([]byte(item.Value), []byte("refuse")) {
			rejected = append(rejected, infomart.Rejection{Offset: item.Record.Offset, Reason: callback.ReasonMissingKVP, Detail: "d", Missing: []string{"_CB_X"}, ServiceID: "s"})
		}
	}
	if err := reject(ctx, rejected); err != nil {
		return o, err
	}
	o.Rejected = len(rejected)
	s.mu.Lock()
	if (s.pos == nil) != (b.Expected == nil) || s.pos != nil && !samePosition(*s.pos, *b.Expected) {
		s.mu.Unlock()
		return o, infomart.ErrPositionMoved
	}
	to := b.To
	s.pos = &to
	s.nexts = append(s.nexts, to.Next)
	s.batches = append(s.batches, len(b.Items)+len(b.SetAside))
	for _, item := range b.Items {
		if bytes.HasPrefix([]byte(item.Value), []byte("refuse")) {
			continue
		}
		if s.applied[item.Value] > 0 {
			o.AlreadyApplied++
		} else {
			o.Applied++
		}
		s.applied[item.Value]++
	}
	s.mu.Unlock()
	return o, s.at(s.after, "apply")
}

func (s *fakeStore) Write(ctx context.Context, letters []*callback.DeadLetter) error {
	if err := errors.Join(s.at(s.before, "letters"), ctx.Err()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range letters {
		s.letters = append(s.letters, d)
		s.byID[d.ID()] = d
	}
	return s.at(s.after, "letters")
}

// bench is one partition at work.
type bench struct {
	log     *fakeLog
	store   *fakeStore
	cfg     Config
	metrics *Metrics
	status  *Status
	logs    *logs

	cancel context.CancelFunc
	done   chan error
}

// logs is what was logged.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func newBench(t *testing.T) *bench {
	t.Helper()
	return &bench{
		log: newFakeLog(), store: newFakeStore(), metrics: NewMetrics("test", nil), logs: &logs{},
		cfg: Config{
			Sink: "test", Component: "infomart", Key: infomart.PositionKey{Group: "g", Topic: "t", Partition: 3},
			BatchRecords: 100, BatchBytes: 1 << 20, BatchLatency: 50 * time.Millisecond, FetchWait: 500 * time.Millisecond,
			IdlePersist: 5 * time.Second, RetryMin: 100 * time.Millisecond, RetryMax: 10 * time.Second, UnknownSchemaWait: 30 * time.Second,
		},
	}
}

func (b *bench) start() {
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel, b.done = cancel, make(chan error, 1)
	b.status = NewStatus(func() {})
	p := NewPartition(b.cfg, b.log, b.store, b.store, b.metrics, slog.New(slog.NewTextHandler(b.logs, nil)), b.status)
	go func() { b.done <- p.Run(ctx) }()
}

func (b *bench) stop(t *testing.T) {
	t.Helper()
	b.cancel()
	require.ErrorIs(t, <-b.done, context.Canceled)
}

// pass lets time pass, and whatever is due come to rest.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// state returns the state alone.
func (b *bench) state() State {
	s, _ := b.status.State()
	return s
}

func away() error { return fault.Outagef("away") }
