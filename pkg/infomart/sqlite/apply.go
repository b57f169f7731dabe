package sqlite

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
)

// batch is one Apply under way.
type batch struct {
	store    *Store
	db       *session
	in       *infomart.Batch
	audit    int64          // key of its CTL_AUDIT_LOG row
	args     []any          // of a statement, used again
	kvps     []callback.KVP // of a UserEvent, used again
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
	keys, err := s.resolve(ctx, plan.Facts)
	if err != nil {
		return infomart.Result{}, err
	}
	b := &batch{store: s, in: &in}
	err = s.transaction(ctx, "apply", func(db *session) error {
		b.db = db
		return b.write(ctx, plan, keys, beforeCommit)
	})
	if err != nil {
		return infomart.Result{}, err
	}
	return b.result, nil
}

func (b *batch) write(ctx context.Context, plan infomart.Plan, keys map[string]int64, beforeCommit func(context.Context, []infomart.Rejection) error) error {
	if err := movePosition(b.db, b.in.PositionKey, b.in.Expected, b.in.To); err != nil {
		return err
	}
	var err error
	if b.audit, err = nextAudit(b.db); err != nil {
		return err
	}
	before, err := lastCustom(b.db)
	if err != nil {
		return err
	}
	b.discards = plan.Discards
	facts := make([]*infomart.Fact, 0, len(plan.Facts))
	for _, f := range plan.Facts {
		if !f.SetKeys(keys) {
			b.discards = append(b.discards, f.Reject(callback.ReasonRefused, "the database refused a dimension row"))
			continue
		}
		f.SetAudit(b.audit)
		facts = append(facts, f)
	}
	err = infomart.Bisect(facts, b.try, isData, func(f *infomart.Fact, err error) {
		b.discards = append(b.discards, f.Reject(callback.ReasonRefused, refusal(err)))
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(b.discards, func(x, y infomart.Discard) int { return cmp.Compare(x.Offset, y.Offset) })
	if err := b.writeDiscards(); err != nil {
		return err
	}
	if err := b.writeAudit(before); err != nil {
		return err
	}
	for _, d := range b.discards {
		b.result.Rejected = append(b.result.Rejected, d.Rejection)
	}
	if beforeCommit == nil {
		return nil
	}
	return beforeCommit(ctx, b.result.Rejected)
}

// try writes the facts in a savepoint, and leaves nothing behind where it fails.
func (b *batch) try(facts []*infomart.Fact) error {
	if _, err := b.db.exec("SAVEPOINT facts"); err != nil {
		return err
	}
	applied, already := 0, 0
	var added []*infomart.Fact
	var conflicts []infomart.Discard
	for _, f := range facts {
		fresh, same, err := b.writeFact(f)
		if err != nil {
			if _, failed := b.db.exec("ROLLBACK TO facts"); failed != nil {
				return failed
			}
			return err
		}
		switch {
		case fresh:
			applied++
			added = append(added, f)
		case same:
			already++
		default:
			conflicts = append(conflicts, f.Conflict())
		}
	}
	if _, err := b.db.exec("RELEASE facts"); err != nil {
		return err
	}
	b.result.Applied += applied
	b.result.AlreadyApplied += already
	b.facts = append(b.facts, added...)
	b.discards = append(b.discards, conflicts...)
	return nil
}

var (
	insertFact = factInsert()
	selectFact = "SELECT " + factColumnNames() + ", EXISTS (SELECT 1 FROM CALLBACK_FACT n WHERE n.SERVICE_ID = f.SERVICE_ID AND n.EVENT_SEQUENCE > f.EVENT_SEQUENCE)" +
		" FROM CALLBACK_FACT f WHERE SERVICE_ID = ? AND EVENT_SEQUENCE = ?"
)

const clearFinals = "UPDATE CALLBACK_FACT SET FINAL_RECORD = 0 WHERE SERVICE_ID = ? AND EVENT_SEQUENCE < ? AND FINAL_RECORD = 1"

func factColumnNames() string {
	var names []string
	for _, c := range infomart.FactColumns() {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}

// factInsert is the insertion of a fact. Its parameters are the values in order, where
// FINAL_RECORD is preceded by the service and its sequence: a row that arrives after a
// newer one is not final, whatever it says (invariant 6).
func factInsert() string {
	values := make([]string, len(infomart.FactColumns()))
	for i := range values {
		values[i] = "?"
		if i == infomart.ColumnFinal {
			values[i] = "CASE WHEN EXISTS (SELECT 1 FROM CALLBACK_FACT WHERE SERVICE_ID = ? AND EVENT_SEQUENCE > ?) THEN 0 ELSE ? END"
		}
	}
	return "INSERT INTO CALLBACK_FACT (" + factColumnNames() + ") VALUES (" + strings.Join(values, ", ") +
		") ON CONFLICT (SERVICE_ID, EVENT_SEQUENCE) DO NOTHING"
}

// writeFact writes a fact that is new (fresh), or says whether the one that is there is the same.
func (b *batch) writeFact(f *infomart.Fact) (fresh, same bool, err error) {
	args := b.args[:0]
	for i := range infomart.FactColumns() {
		if i == infomart.ColumnFinal {
			args = append(args, f.ServiceID, int64(f.Sequence))
		}
		args = append(args, f.Value(i))
	}
	b.args = args
	inserted, err := b.db.exec(insertFact, args...)
	if err != nil {
		return false, false, err
	}
	if inserted == 0 {
		row, err := b.db.row(selectFact, f.ServiceID, int64(f.Sequence))
		if err != nil {
			return false, false, err
		}
		n := len(infomart.FactColumns())
		return false, f.SameContent(row[:n], row[n] == int64(1)), nil
	}
	if f.Sequence > 1 {
		// Invariant 6: one final record a service, the newest.
		if _, err := b.db.exec(clearFinals, f.ServiceID, int64(f.Sequence)); err != nil {
			return false, false, err
		}
	}
	return true, false, b.writeCustom(f.Event, f.Source, f.AddedTS)
}

// insertCustom is the insertion of the rows of one UserEvent that has these KVPs: one
// statement that names the keys itself and takes their values, more than twice as fast
// as one statement a row. Its parameters have no numbers, by which the driver would look
// each one up.
func insertCustom(kvps []callback.KVP) string {
	rows := make([]string, len(kvps))
	for i, k := range kvps {
		rows[i] = "('" + k.String() + "', ?)"
	}
	return "INSERT INTO G_CUSTOM_DATA_S (TenantID, KeyName, Value, Added_ts, GSYS_SEQ)" +
		" SELECT ?, column1, column2, ?, ? FROM (VALUES " + strings.Join(rows, ", ") + ")"
}

// kvpSet is a set of KVPs.
type kvpSet [(callback.NumKVPs + 63) / 64]uint64

// maxCustomStatements bounds the statements that are kept. Sessions come to a few dozen
// sets of KVPs; one more than that is inserted as a statement a row.
const maxCustomStatements = 256

func (b *batch) writeCustom(u *callback.UserEvent, source, addedTS int64) error {
	var set kvpSet
	args := append(b.args[:0], nil, addedTS, source)
	if tenant := &u.KVPs[callback.KeyTenantDBID]; tenant.Set {
		args[0] = tenant.Int
	}
	b.kvps = b.kvps[:0]
	for _, k := range b.store.keep {
		v := &u.KVPs[k]
		if !v.Set {
			continue
		}
		set[k/64] |= 1 << (k % 64)
		b.kvps = append(b.kvps, k)
		if k.Info().Kind == callback.String {
			args = append(args, v.Str)
		} else {
			args = append(args, v.Int) // the column makes text of it, as Text would
		}
	}
	b.args = args
	if len(b.kvps) == 0 {
		return nil
	}
	statement, ok := b.store.customs[set]
	if !ok && len(b.store.customs) < maxCustomStatements {
		statement, ok = insertCustom(b.kvps), true
		b.store.customs[set] = statement
	}
	if ok {
		_, err := b.db.exec(statement, args...)
		return err
	}
	for i := range b.kvps {
		if _, err := b.db.exec(insertCustom(b.kvps[i:i+1]), args[0], args[1], args[2], args[3+i]); err != nil {
			return err
		}
	}
	return nil
}

const insertDiscard = `INSERT INTO STG_TRANSFORM_DISCARDS
	(TOPIC, PARTITION_ID, OFFSET_ID, REASON, DETAIL, MISSING_KVPS, SERVICE_ID, EVENT_SEQUENCE, CREATED_TS, CREATE_AUDIT_KEY, PRODUCER_BATCH_ID)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`

// writeDiscards writes what makes no fact, and its custom data with it: a record that
// is read again finds its discard there, and adds no second set of rows.
func (b *batch) writeDiscards() error {
	all := slices.Clone(b.discards)
	for _, r := range b.in.SetAside {
		source, err := infomart.ProducerBatchID(b.in.Partition, r.Offset)
		if err != nil {
			return err
		}
		all = append(all, infomart.Discard{Rejection: r, Source: source})
	}
	for _, d := range all {
		fresh, err := b.db.exec(insertDiscard, append([]any{b.in.Topic, int64(b.in.Partition), d.Offset}, d.Columns(b.store.cfg.Now(), b.audit)...)...)
		if err != nil {
			return err
		}
		if fresh == 1 && d.Event != nil {
			if err := b.writeCustom(d.Event, d.Source, d.AddedTS); err != nil {
				return err
			}
		}
	}
	return nil
}
