package consume

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/poison"
	"github.com/ringback/ringback/pkg/tracing"
	"github.com/ringback/ringback/pkg/watchdog"
)

// ErrOutOfRange is what a Log's Fetch returns for an offset that the log does not hold.
var ErrOutOfRange = errors.New("consume: the offset is not in the log")

// Page is what one fetch brought.
type Page struct {
	Records []kafka.Record // committed records only, in offset order
	Next    int64          // where the next fetch goes on: past transaction markers and aborted records
	End     int64          // offset after the last record that can be read now
}

// Log is one partition of a topic, read committed.
type Log interface {
	// Fetch waits up to maxWait for a record at the offset or after it. ErrOutOfRange
	// where the log does not hold the offset; an outage where the broker is away.
	Fetch(ctx context.Context, offset int64, maxBytes int, maxWait time.Duration) (Page, error)
	// Bounds returns the first offset that the log still holds, and the one after its last.
	Bounds(ctx context.Context) (start, end int64, err error)
}

// Item is a decoded record.
type Item[T any] struct {
	Record *kafka.Record
	Value  T
}

// Batch is the records of one partition that a Handler applies and moves the
// position with, in one transaction (invariant 5).
type Batch[T any] struct {
	infomart.PositionKey
	Expected *infomart.Position // the stored position; nil: there is none yet
	To       infomart.Position
	Items    []Item[T]            // in offset order
	SetAside []infomart.Rejection // records that could not be decoded; their dead letters are durable already
	Loop     *watchdog.Loop       // to be told that work goes on which takes long
	// Owned asks whether the partition is still this sink's. It is for effects that no transaction takes back; nil: not known.
	Owned func(context.Context) error
	// Held is the instant since when the partition has not kept up with its topic,
	// because of an outage or because no sink ran; zero while it keeps up.
	Held time.Time
}

// Reject makes dead letters of these records durable. It may be called again with the same ones.
type Reject func(context.Context, []infomart.Rejection) error

// Outcome says how the items of a batch ended; each is counted once (invariant 2).
type Outcome struct {
	Applied        int
	AlreadyApplied int
	Rejected       int
	ByState        map[infomart.SendState]int // of a ledger: how the applied ones ended
}

// Handler is what a sink does with the records of one partition. It is used by one
// goroutine, but for Decode. Its errors have a class (package fault).
type Handler[T any] interface {
	Position(ctx context.Context, key infomart.PositionKey) (infomart.Position, bool, error)
	// Decode returns a *callback.BadRecord for a record that cannot be decoded. It is
	// called while Apply is under way.
	Decode(ctx context.Context, rec *kafka.Record) (T, error)
	// Apply makes the batch and its position durable in one transaction. Before it
	// commits it calls reject with the items that it sets aside (invariant 4).
	// infomart.ErrPositionMoved where the stored position is not the expected one.
	// After an outage it is called again with the same batch.
	Apply(ctx context.Context, b *Batch[T], reject Reject) (Outcome, error)
}

// DeadLetters writes dead letters and returns once they are durable.
type DeadLetters interface {
	Write(ctx context.Context, letters []*callback.DeadLetter) error
}

// Config says how a partition is read.
type Config struct {
	Sink      string               // name of the sink in metrics and logs
	Component string               // component of its dead letters
	Key       infomart.PositionKey // group, topic, partition

	BatchRecords      int           // most records of a batch
	BatchBytes        int           // bytes after which a batch is not filled further
	BatchLatency      time.Duration // longest that a record waits for its batch to fill
	FetchWait         time.Duration // how long a fetch waits for a first record
	IdlePersist       time.Duration // after how long without records a position that moved past markers only is stored
	RetryMin          time.Duration // first wait after an outage; doubles up to RetryMax
	RetryMax          time.Duration
	UnknownSchemaWait time.Duration // how long an unknown schema id is retried before it is bad data
	// AcceptExpired lets a partition go on at the start of the log where records
	// were removed before they were read. Without it that is a misconfiguration.
	AcceptExpired bool
	// Tracer makes a span of each batch; nil makes none.
	Tracer *tracing.Tracer
	// Owned is what each batch has; nil: nobody can be asked.
	Owned func(context.Context) error
	// Watch is told that the partition goes on; nil: nobody is.
	Watch *watchdog.Watch
}

// Partition works through one partition from its stored position.
type Partition[T any] struct {
	cfg     Config
	log     Log
	handler Handler[T]
	letters DeadLetters
	metrics *Metrics
	logger  *slog.Logger

	status  *Status
	window  poison.Window
	unknown map[uint32]time.Time // schema ids that the registry did not know, and since when

	stored  *infomart.Position // nil: there is none yet
	pending []kafka.Record     // fetched, not yet applied
	values  []decoded[T]       // of the first of the pending records
	ahead   *ahead[T]          // what comes after them, being read; nil: nothing is
	fetched int64              // where the next fetch goes on
	end     int64              // end of the log, as of the last fetch
	held    time.Time
	retries int // waits since something last worked
	// doubtful: it has waited since a fetch last brought something, perhaps long enough for the topic to be made anew.
	doubtful bool
	// accepted is the offset up to which an operator has accepted bad records; -1 without one.
	accepted int64
	loop     *watchdog.Loop
}

// NewPartition returns a Partition; status is where it shows how it does.
func NewPartition[T any](cfg Config, log Log, h Handler[T], letters DeadLetters, m *Metrics, logger *slog.Logger, status *Status) *Partition[T] {
	return &Partition[T]{
		cfg: cfg, log: log, handler: h, letters: letters, metrics: m, status: status,
		logger:  logger.With("sink", cfg.Sink, "topic", cfg.Key.Topic, "partition", cfg.Key.Partition),
		unknown: make(map[uint32]time.Time), accepted: -1,
	}
}

// Run works until the context ends. infomart.ErrPositionMoved says that another
// owner has the partition; any other error says that an operator must act, or that
// there is a bug.
func (p *Partition[T]) Run(ctx context.Context) error {
	p.metrics.waiting(p.cfg, false)
	p.metrics.paused(p.cfg, false)
	p.metrics.begin(p.cfg)
	defer p.metrics.forget(p.cfg)
	defer p.dropAhead()
	p.loop = p.cfg.Watch.Loop(p.cfg.name())
	defer p.loop.End()
	if err := p.open(ctx); err != nil {
		return err
	}
	idleSince := time.Now()
	for ctx.Err() == nil {
		p.loop.Beat()
		if err := p.gather(ctx); err != nil {
			return err
		}
		if len(p.pending) > 0 {
			if err := p.step(ctx); err != nil {
				return err
			}
			idleSince = time.Now()
			continue
		}
		p.caughtUp()
		if p.behind() && time.Since(idleSince) >= p.cfg.IdlePersist {
			if err := p.persist(ctx); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// step decodes what is pending and applies the records before the first that has
// to wait; where that is the first one, it waits.
func (p *Partition[T]) step(ctx context.Context) error {
	b, n, err := p.decode(ctx)
	if n == 0 {
		return p.standStill(ctx, err)
	}
	p.resume()
	if err := p.apply(ctx, b, n); err != nil {
		return err
	}
	p.caughtUp()
	return nil
}

// behind reports whether the log was read past the stored position, over markers.
func (p *Partition[T]) behind() bool {
	if p.stored == nil {
		return false
	}
	return p.fetched > p.stored.Next
}

// caughtUp ends the time in which the partition was held up, once it has read and applied all there is.
func (p *Partition[T]) caughtUp() {
	if len(p.pending) == 0 && p.fetched >= p.end {
		p.held = time.Time{}
		p.status.reached()
	}
}

// hold notes that the partition is held up from now on.
func (p *Partition[T]) hold() {
	p.doubtful = true
	if p.held.IsZero() {
		p.held = time.Now()
	}
}
