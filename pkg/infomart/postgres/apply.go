package postgres

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
)

// batch is one Apply under way.
type batch struct {
	store    *Store
	in       *infomart.Batch
	tx       pgx.Tx
	audit    int64     // key of its CTL_AUDIT_LOG row
	custom   int       // rows of G_CUSTOM_DATA_S so far
	careful  bool      // look for every row
	whole    bool      // without savepoints: a fault among the facts ends the transaction
	queue    pgx.Batch // statements whose answers are not waited for one by one
	result   infomart.Result
	facts    []*infomart.Fact // the new ones
	discards []infomart.Discard
}

// Apply implements [infomart.Store].
func (s *Store) Apply(ctx context.Context, in infomart.Batch, beforeCommit func(context.Context, []infomart.Rejection) error) (infomart.Result, error) {
	plan, err := infomart.NewPlan(&in)
	if err != nil {
		return infomart.Result{}, err
	}
	for range reconnections {
		var result infomart.Result
		if result, err = s.apply(ctx, &in, plan, beforeCommit); !errors.Is(err, errForgotten) {
			return result, err
		}
	}
	return infomart.Result{}, fault.Outagef("postgres: apply: %w", err)
}

// errForgotten says that the keys of dimension rows were forgotten since they were looked
// up: a session was opened, perhaps of a server that was promoted and lacks those rows,
// or has others under their keys.
var errForgotten = errors.New("sessions are opened all the time; no key of a dimension row holds")

// reconnections bounds how often a batch begins again for that.
const reconnections = 20

func (s *Store) apply(ctx context.Context, in *infomart.Batch, plan infomart.Plan, beforeCommit func(context.Context, []infomart.Rejection) error) (infomart.Result, error) {
	keys, generation, err := s.resolve(ctx, plan.Facts)
	if err != nil {
		return infomart.Result{}, err
	}
	// Nearly always the database takes every fact, and what would tell apart those that it
	// does not is not worth its round trips: where it refuses one, the batch begins again with that.
	for _, whole := range []bool{true, false} {
		b := &batch{store: s, in: in, whole: whole}
		var refused error
		err = s.transaction(ctx, "apply", func(ctx context.Context, tx pgx.Tx) error {
			if s.keys.Generation() != generation {
				return &hookError{errForgotten}
			}
			b.tx = tx
			refused = b.write(ctx, plan, keys, beforeCommit)
			return refused
		})
		switch {
		case err == nil:
			return b.result, nil
		case isTaken(refused):
			s.careful.Store(true)
		case !isData(refused):
			return infomart.Result{}, err
		}
	}
	return infomart.Result{}, err
}

func (b *batch) write(ctx context.Context, plan infomart.Plan, keys map[string]int64, beforeCommit func(context.Context, []infomart.Rejection) error) error {
	b.discards = slices.Clone(plan.Discards)
	facts := make([]*infomart.Fact, 0, len(plan.Facts))
	for _, f := range plan.Facts {
		if !f.SetKeys(keys) {
			b.discards = append(b.discards, f.Reject(callback.ReasonRefused, "the database refused a dimension row"))
			continue
		}
		facts = append(facts, f)
	}
	parts := passes(facts)
	first, err := b.begin(ctx, parts)
	if err != nil {
		return err
	}
	for _, f := range facts {
		f.SetAudit(b.audit)
	}
	if b.whole {
		err = b.putAll(ctx, b.tx, parts, first)
	} else {
		err = infomart.Bisect(facts, func(facts []*infomart.Fact) error { return b.try(ctx, facts) }, isData, func(f *infomart.Fact, err error) {
			b.discards = append(b.discards, f.Reject(callback.ReasonRefused, refusal(err)))
		})
	}
	if err != nil {
		return err
	}
	slices.SortStableFunc(b.discards, func(x, y infomart.Discard) int { return cmp.Compare(x.Offset, y.Offset) })
	if err := b.writeDiscards(ctx); err != nil {
		return err
	}
	b.writeAudit()
	if err := b.flush(ctx, b.tx); err != nil {
		return err
	}
	for _, d := range b.discards {
		b.result.Rejected = append(b.result.Rejected, d.Rejection)
	}
	if beforeCommit == nil {
		return nil
	}
	if err := beforeCommit(ctx, b.result.Rejected); err != nil {
		return &hookError{err}
	}
	return nil
}

// outcome is what a savepoint came to.
type outcome struct {
	added     []*infomart.Fact
	already   int
	conflicts []infomart.Discard
}

// try writes the facts in a savepoint, and leaves nothing behind where it fails. Where a
// row of the same key was there all the same, it begins again and looks for every row: the
// topic is read again, or another writer has put it in meanwhile, as another group's sink may.
func (b *batch) try(ctx context.Context, facts []*infomart.Fact) (err error) {
	for range attempts {
		if err = b.tryOnce(ctx, facts); !isTaken(err) {
			break
		}
		b.careful = true
		b.store.careful.Store(true)
	}
	return err
}

func (b *batch) tryOnce(ctx context.Context, facts []*infomart.Fact) error {
	custom := b.custom
	err := pgx.BeginFunc(ctx, b.tx, func(tx pgx.Tx) error { return b.putAll(ctx, tx, passes(facts), nil) })
	if err != nil {
		b.custom, b.queue = custom, pgx.Batch{}
	}
	return err
}

// putAll writes the facts of the passes and their custom data. first is what the first pass
// found there, nil where it has not looked.
func (b *batch) putAll(ctx context.Context, tx pgx.Tx, parts [][]*infomart.Fact, first map[string]*service) error {
	var o outcome
	for _, part := range parts {
		services := first
		if first = nil; services == nil {
			var err error
			if services, err = b.standing(ctx, tx, part); err != nil {
				return err
			}
		}
		if err := b.writePass(ctx, tx, part, services, &o); err != nil {
			return err
		}
	}
	rows := make([]customData, len(o.added))
	for i, f := range o.added {
		rows[i] = customData{f.Event, f.Source, f.AddedTS}
	}
	if err := b.writeCustom(ctx, tx, rows); err != nil {
		return err
	}
	if !b.whole { // within its savepoint
		if err := b.flush(ctx, tx); err != nil {
			return err
		}
	}
	b.result.Applied += len(o.added)
	b.result.AlreadyApplied += o.already
	b.facts = append(b.facts, o.added...)
	b.discards = append(b.discards, o.conflicts...)
	return nil
}

// flush runs the statements that are queued.
func (b *batch) flush(ctx context.Context, tx pgx.Tx) error {
	if b.queue.Len() == 0 {
		return nil
	}
	queue := b.queue
	b.queue = pgx.Batch{}
	return tx.SendBatch(ctx, &queue).Close()
}

// begin moves the position, takes an audit key, and, of a whole batch, looks for what the
// services of the first pass have there, in one round trip.
func (b *batch) begin(ctx context.Context, parts [][]*infomart.Fact) (first map[string]*service, err error) {
	var queue pgx.Batch
	// First: the row lock makes another owner wait here, and find the position moved.
	query, args := positionMove(b.in.PositionKey, b.in.Expected, b.in.To)
	queue.Queue(query, args...)
	audited := len(b.in.Inputs)+len(b.in.SetAside) > 0
	if audited {
		queue.Queue(nextAuditKey)
	}
	var names []string
	if b.whole && len(parts) > 0 {
		first, names = b.servicesOf(parts[0])
		if len(names) > 0 {
			queue.Queue(standing, names)
		}
	}
	results := b.tx.SendBatch(ctx, &queue)
	defer func() { err = cmp.Or(err, results.Close()) }()
	if err := moved(results.Exec()); err != nil {
		return nil, err
	}
	if audited {
		if err := results.QueryRow().Scan(&b.audit); err != nil {
			return nil, err
		}
	}
	if len(names) > 0 {
		rows, err := results.Query()
		if err != nil {
			return nil, err
		}
		return first, readStanding(rows, first)
	}
	return first, nil
}

type factKey struct {
	service  string
	sequence int32
}

// passes parts the facts so that each part has each (SERVICE_ID, EVENT_SEQUENCE) once:
// of two in one statement the second would vanish without a word. Nearly always there is one part.
func passes(facts []*infomart.Fact) [][]*infomart.Fact {
	var parts [][]*infomart.Fact
	seen := make(map[factKey]int, len(facts))
	for _, f := range facts {
		k := factKey{f.ServiceID, f.Sequence}
		n := seen[k]
		seen[k] = n + 1
		if n == len(parts) {
			parts = append(parts, nil)
		}
		parts[n] = append(parts[n], f)
	}
	return parts
}

const insertDiscard = `INSERT INTO STG_TRANSFORM_DISCARDS
	(TOPIC, PARTITION_ID, OFFSET_ID, REASON, DETAIL, MISSING_KVPS, SERVICE_ID, EVENT_SEQUENCE, CREATED_TS, CREATE_AUDIT_KEY, PRODUCER_BATCH_ID)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`

// writeDiscards writes what makes no fact, and its custom data with it: a record that
// is read again finds its discard there, and adds no second set of rows.
func (b *batch) writeDiscards(ctx context.Context) error {
	all := slices.Clone(b.discards)
	for _, r := range b.in.SetAside {
		source, err := infomart.ProducerBatchID(b.in.Partition, r.Offset)
		if err != nil {
			return err
		}
		all = append(all, infomart.Discard{Rejection: r, Source: source})
	}
	if len(all) == 0 {
		return nil
	}
	queue := &pgx.Batch{}
	for _, d := range all {
		queue.Queue(insertDiscard, append([]any{b.in.Topic, b.in.Partition, d.Offset}, d.Columns(b.store.cfg.Now(), b.audit)...)...)
	}
	results := b.tx.SendBatch(ctx, queue)
	var rows []customData
	for _, d := range all {
		tag, err := results.Exec()
		if err != nil {
			return cmp.Or(err, results.Close())
		}
		if tag.RowsAffected() == 1 && d.Event != nil {
			rows = append(rows, customData{d.Event, d.Source, d.AddedTS})
		}
	}
	if err := results.Close(); err != nil {
		return err
	}
	return b.writeCustom(ctx, b.tx, rows)
}

const nextAuditKey = "SELECT nextval('ctl_audit_key')"

func nextAudit(ctx context.Context, tx pgx.Tx) (key int64, err error) {
	err = tx.QueryRow(ctx, nextAuditKey).Scan(&key)
	return key, err
}

const insertAudit = `INSERT INTO CTL_AUDIT_LOG
	(AUDIT_KEY, JOB_ID, CREATED_TS, PROCESSING_STATUS, MIN_START_DATE_TIME_KEY, MAX_START_DATE_TIME_KEY,
	 FACT_COUNT, DISCARD_COUNT, MIN_CUSTOM_DATA_ID, MAX_CUSTOM_DATA_ID, CONSUMER_GROUP, TOPIC, PARTITION_ID, NEXT_OFFSET)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`

// writeAudit queues the batch's row of CTL_AUDIT_LOG, to which the audit keys of its rows point.
func (b *batch) writeAudit() {
	if b.audit == 0 {
		return
	}
	first, last := infomart.StartRange(b.facts)
	var minCustom, maxCustom any
	if b.custom > 0 {
		minCustom, maxCustom = infomart.CustomDataID(b.audit, 0), infomart.CustomDataID(b.audit, b.custom-1)
	}
	b.queue.Queue(insertAudit, b.audit, infomart.JobFacts, b.store.cfg.Now().Unix(), infomart.StatusCommitted, first, last,
		len(b.facts), len(b.discards)+len(b.in.SetAside), minCustom, maxCustom, b.in.Group, b.in.Topic, b.in.Partition, b.in.To.Next)
}
