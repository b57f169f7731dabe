package enricher

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/poison"
	"github.com/ringback/ringback/pkg/session"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/tracing"
	"github.com/ringback/ringback/pkg/watchdog"
	"github.com/ringback/ringback/pkg/wire"
)

// maxWait bounds how long a fetch waits for news, and so how late a tick may be.
const maxWait = 500 * time.Millisecond

// takeOverAgain is the pause before a partition is taken over once more by the same member.
const takeOverAgain = 500 * time.Millisecond

// owner is the work on one assigned partition, from assignment to revocation.
type owner struct {
	*Enricher
	number int32
	gen    kafka.Generation
	tx     *kafka.Transactor
	state  *session.Partition
	poison poison.Window
	label  string
	loop   *watchdog.Loop

	caughtUp bool                 // with what lay there; to fall behind later is lag, and takes no readiness
	began    time.Time            // the last batch
	behind   bool                 // there was more than it took
	ahead    *ahead               // what comes after it, being fetched; nil: nothing is
	last     session.Position     // as last counted
	accepted int64                // offset up to which an operator has accepted bad records
	unknown  map[string]time.Time // headers with a schema id that the registry does not know, and since when
}

// own is called for each assigned partition; its context ends with the assignment.
func (e *Enricher) own(ctx context.Context, gen kafka.Generation, _ string, n int32) error {
	o := &owner{Enricher: e, number: n, gen: gen, label: strconv.Itoa(int(n)), accepted: -1, unknown: map[string]time.Time{}}
	o.loop = o.watch.Loop(fmt.Sprintf("enricher: partition %d of %s", n, topic.Lifecycle))
	o.mu.Lock()
	o.loops[n] = o.loop
	o.mu.Unlock()
	defer o.leave()
	for {
		err := o.run(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case fault.ClassOf(err) == fault.Misconfiguration:
			// This partition cannot go on; the others can.
			o.park(ctx, err)
			return nil
		case errors.Is(err, kafka.ErrRebalanced):
		case errors.Is(err, kafka.ErrFenced), errors.Is(err, kafka.ErrOutcomeUnknown):
			// The broker may have put an end to a transaction that took too long, or the answer to
			// the commit is lost for good. Whoever still owns the partition goes on from what the
			// log says.
			if o.owns(ctx) && wait(ctx, takeOverAgain) {
				continue
			}
		default:
			return err
		}
		// Another member owns the partition. What was not committed is its to do.
		o.loop.Rest()
		<-ctx.Done()
		return nil
	}
}

// owns asks the group whether the partition is still this member's.
func (o *owner) owns(ctx context.Context) bool {
	_, err := retry(ctx, o.Enricher, o.number, func() (struct{}, error) { return struct{}{}, o.gen.Check(ctx) })
	return err == nil
}

func (o *owner) run(ctx context.Context) error {
	o.setStatus(o.number, false, "taking over")
	id := o.cfg.Group + "-" + strconv.Itoa(int(o.number))
	// This fences the former owner and ends its transaction, so that what is restored
	// next cannot grow any more.
	tx, err := retry(ctx, o.Enricher, o.number, func() (*kafka.Transactor, error) { return o.kafka.NewTransactor(ctx, id) })
	if err != nil {
		return err
	}
	o.tx = tx
	o.release()
	if err := o.takeOver(ctx); err != nil {
		return err
	}
	defer o.dropAhead()
	for ctx.Err() == nil {
		if err := o.poll(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// poll reads and writes one batch, or waits for one.
func (o *owner) poll(ctx context.Context) error {
	p := o.state
	pos := p.Position()
	// Under a steady load each event would else be a transaction of its own, as fast as the brokers go.
	if early := o.cfg.BatchInterval - time.Since(o.began); early > 0 && !o.behind && !wait(ctx, early) {
		return ctx.Err()
	}
	req := o.request(pos.Next, o.patience(p))
	got, ok := o.fetched(req)
	var err error
	if !ok {
		got, err = retry(ctx, o.Enricher, o.number, func() (kafka.Fetched, error) { return o.kafka.Fetch(ctx, req) })
	}
	switch {
	case errors.Is(err, kafka.ErrOffsetOutOfRange):
		return o.expired(ctx, p, err)
	case err != nil:
		return err
	}
	if len(got.Records) == 0 && got.Next == pos.Next {
		o.metrics.lag.WithLabelValues(o.label).Set(0)
		o.caughtUp = true
		o.setStatus(o.number, true, "")
		return o.tick(ctx, p)
	}
	o.began, o.behind = time.Now(), got.Next < got.LastStable
	records, next, hold, err := o.decode(ctx, got)
	if errors.Is(err, errAgain) {
		return nil
	}
	if err != nil {
		return err
	}
	if o.behind && hold == nil && !p.Parted() { // parted: this batch may well end at the same record again
		o.fetchAhead(ctx, next)
	}
	if len(records) > 0 || hold == nil {
		if err := o.apply(ctx, got.Records[:len(records)], records, next); err != nil {
			return err
		}
	}
	o.metrics.lag.WithLabelValues(o.label).Set(float64(max(0, got.LastStable-o.state.Position().Next)))
	if hold != nil {
		return o.hold(ctx, hold)
	}
	o.caughtUp = o.caughtUp || got.Next >= got.LastStable
	o.setStatus(o.number, o.caughtUp, fmt.Sprintf("%d records behind", got.LastStable-got.Next))
	return nil
}

// patience is how long a fetch may wait: not past the next deadline.
func (o *owner) patience(p *session.Partition) time.Duration {
	due, ok := p.NextDue()
	if !ok || !o.cfg.Ticks {
		return maxWait
	}
	return min(max(time.UnixMilli(due).Sub(o.now()), time.Millisecond), maxWait)
}

// tick gives a quiet partition whose deadline has passed by wall clock a record to
// move its clock. It acts only on reading it, so the log alone decides (invariant 3).
func (o *owner) tick(ctx context.Context, p *session.Partition) error {
	due, ok := p.NextDue()
	if !ok || !o.cfg.Ticks || o.now().UnixMilli() < due {
		return nil
	}
	record := wire.Tick(o.number, false)
	record.Time = o.now()
	_, err := retry(ctx, o.Enricher, o.number, func() (struct{}, error) {
		err := o.ticks.Produce(ctx, []kafka.Record{record})[0].Err
		if errors.Is(err, kafka.ErrOutcomeUnknown) || errors.Is(err, kafka.ErrQueueFull) {
			err = nil // should it not be there, the next round writes another
		}
		return struct{}{}, err
	})
	if err == nil {
		o.metrics.ticks.Inc()
	}
	return err
}

// apply takes a batch in and writes its effects in one transaction. Where that
// cannot be done, the state is thrown away: it is ahead of the changelog.
func (o *owner) apply(ctx context.Context, raw []kafka.Record, records []session.Record, next int64) (err error) {
	p := o.state
	ctx, span := tracing.Batch(ctx, o.tracer, "enrich", raw, tracing.Messaging("process", topic.Lifecycle, o.number)...)
	defer func() {
		span.End(err)
		if err != nil {
			o.forget()
		}
	}()
	fx, err := p.Process(records, next)
	if err != nil {
		return fmt.Errorf("enricher: partition %d: %w", o.number, err)
	}
	began := time.Now()
	writing, done := graced(ctx, lastWord)
	defer done()
	for _, size := range letterSizes {
		var out []kafka.Record
		if out, err = o.encode(raw, fx, size); err != nil {
			return fmt.Errorf("enricher: partition %d: %w", o.number, err)
		}
		_, err = retry(writing, o.Enricher, o.number, func() (struct{}, error) {
			// Invariant 4: outputs, state and input position are one transaction.
			return struct{}{}, o.tx.Commit(writing, kafka.Txn{
				Records: out,
				Group:   &kafka.GroupOffsets{Generation: o.gen, Topic: topic.Lifecycle, Offsets: map[int32]int64{o.number: fx.Position.Next}},
			})
		})
		// A letter that the topic does not take whole is cut: bad data never blocks (invariant 7).
		if !errors.Is(err, kafka.ErrRecordTooLarge) || len(fx.DeadLetters) == 0 {
			break
		}
	}
	if err != nil {
		return err
	}
	o.metrics.batch.Observe(time.Since(began).Seconds())
	o.count(fx)
	o.advance(o.number, fx.Position.Next)
	fx.Done()
	return nil
}

// lastWord is how long a batch may go on being written after its partition was taken away,
// well within the time that the group waits for it.
const lastWord = 5 * time.Second

// graced ends that much later than ctx. A rebalance comes in the middle of a batch more
// often than not; broken off, its state would be ahead of the changelog and worth nothing,
// and each partition would be silent until it is restored, also those that stay.
func graced(ctx context.Context, d time.Duration) (context.Context, func()) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return later, func() { stop(); cancel() }
}

// letterSizes are what the value of a dead-lettered record is cut to, in turn, while
// the broker finds the letter too large.
var letterSizes = [...]int{1 << 20, 512 << 10, 64 << 10, 0}

// park leaves the partition where it is until it is assigned anew, not ready and with the reason.
func (o *owner) park(ctx context.Context, why error) {
	o.mu.Lock()
	o.parked[o.number] = why
	close(o.moved)
	o.moved = make(chan struct{})
	o.mu.Unlock()
	o.setStatus(o.number, false, why.Error())
	o.loop.Rest() // an operator must act; a restart would not help
	o.metrics.stopped.WithLabelValues(o.label).Set(1)
	o.logger.ErrorContext(ctx, "partition stopped", "topic", topic.Lifecycle, "partition", o.number, "error", why)
	<-ctx.Done()
}

// leave forgets what is only true of a partition that is owned; its state is kept, should it come back.
func (o *owner) leave() {
	o.mu.Lock()
	delete(o.status, o.number)
	delete(o.loops, o.number)
	delete(o.parked, o.number)
	delete(o.paused, o.number)
	delete(o.sessions, o.number)
	o.mu.Unlock()
	o.loop.End()
	o.metrics.forget(o.label)
}

var phases = [...]string{"open", "ended", "closed"}

func (o *owner) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.kept, o.number)
}

// release forgets the states of partitions that this generation has given to another
// member: that one writes, and they will not come back unchanged.
func (e *Enricher) release() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for n := range e.kept {
		if _, owned := e.status[n]; !owned {
			delete(e.kept, n)
		}
	}
}

func (o *owner) count(fx *session.Effects) {
	now, m := fx.Position, o.metrics
	read := Counts{
		Read: now.Read - o.last.Read, Applied: now.Applied - o.last.Applied, AlreadyApplied: now.AlreadyApplied - o.last.AlreadyApplied,
		DeadLettered: now.DeadLettered - o.last.DeadLettered, Ticks: now.Ticks - o.last.Ticks,
		UserEvents: int64(len(fx.UserEvents)), AttachedData: int64(len(fx.Attached)),
	}
	o.last = now
	m.read.Add(float64(read.Read))
	if read.Read > 0 { // else only transaction markers were passed
		m.size.Observe(float64(read.Read))
	}
	m.records.WithLabelValues("applied").Add(float64(read.Applied))
	m.records.WithLabelValues("already_applied").Add(float64(read.AlreadyApplied))
	m.records.WithLabelValues("dead_lettered").Add(float64(read.DeadLettered))
	m.records.WithLabelValues("tick").Add(float64(read.Ticks))
	for _, d := range fx.DeadLetters {
		m.reasons.WithLabelValues(string(d.Bad.Reason)).Inc()
	}
	for i := range fx.UserEvents {
		m.userEvents.WithLabelValues(string(fx.UserEvents[i].What.Cause)).Inc()
	}
	m.attached.Add(float64(len(fx.Attached)))
	for _, terminal := range fx.Ended {
		m.ended.WithLabelValues(causeOf(terminal)).Inc()
	}
	m.ignored.Add(float64(fx.IgnoredParameters))
	m.timedOut.Add(float64(fx.TimedOut))
	held := o.state.Sessions()
	m.sessions.WithLabelValues(o.label, "open").Set(float64(held.Open))
	m.sessions.WithLabelValues(o.label, "ended").Set(float64(held.Ended))
	m.sessions.WithLabelValues(o.label, "closed").Set(float64(held.Closed))
	m.stateBytes.WithLabelValues(o.label).Set(float64(held.Bytes))
	m.position.WithLabelValues(o.label).Set(float64(fx.Position.Next))
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counts.add(read)
	o.sessions[o.number] = held
}
