package postgres

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/ringback/ringback/pkg/infomart"
)

// attempts bounds how often a transaction on dimension rows is tried that a deadlock ended.
const attempts = 3

// resourceLock is the advisory lock under which RESOURCE_ rows are made. It keeps their
// keys in the order of their commits: an older row of a name never turns up later.
const resourceLock = 0x5245534f55524345

// resolve returns the keys of what the facts refer to, by Ref ID, and makes the rows
// that are absent, in a transaction of their own: a key is remembered only once its row
// is committed. A reference whose row the database refuses is absent from the map.
//
// generation is that of the cache in which all the keys are good; a session that was
// opened meanwhile may be of a server that lacks their rows.
func (s *Store) resolve(ctx context.Context, facts []*infomart.Fact) (keys map[string]int64, generation int, err error) {
	generation = s.keys.Generation()
	keys, unknown := s.keys.Lookup(facts)
	if len(unknown) == 0 {
		return keys, generation, nil
	}
	var made map[string]int64
	for range attempts {
		made = make(map[string]int64, len(unknown))
		err = s.transaction(ctx, "write dimensions", func(ctx context.Context, tx pgx.Tx) error {
			d := &dimensions{tx: tx, now: s.cfg.Now().Unix(), made: made}
			return infomart.Bisect(unknown, func(refs []*infomart.Ref) error { return d.try(ctx, refs) }, isData, func(*infomart.Ref, error) {})
		})
		if err == nil || !isRetriable(err) {
			break
		}
	}
	if err != nil {
		return nil, 0, err
	}
	s.keys.Add(generation, made)
	maps.Copy(keys, made)
	return keys, generation, nil
}

// dimensions finds and makes dimension rows.
type dimensions struct {
	tx    pgx.Tx
	now   int64
	made  map[string]int64
	audit int64 // key of the CTL_AUDIT_LOG row of the rows made; 0: none made yet
}

func (d *dimensions) try(ctx context.Context, refs []*infomart.Ref) error {
	audit, outer := d.audit, d.tx
	found := make(map[string]int64, len(refs))
	err := pgx.BeginFunc(ctx, outer, func(tx pgx.Tx) error {
		d.tx = tx
		var rest []*infomart.Ref
		for _, ref := range refs {
			if ref.Kind != infomart.RefResource {
				rest = append(rest, ref)
				continue
			}
			key, err := d.resource(ctx, ref.Resource())
			if err != nil {
				return err
			}
			found[ref.ID()] = key
		}
		return d.rows(ctx, rest, found)
	})
	d.tx = outer
	if err != nil {
		d.audit = audit
		return err
	}
	maps.Copy(d.made, found)
	return nil
}

// rows finds the rows, makes those that are absent, and finds those that another sink
// made meanwhile: its INSERT is waited for, and the next statement sees its row.
func (d *dimensions) rows(ctx context.Context, refs []*infomart.Ref, found map[string]int64) error {
	absent, err := d.find(ctx, refs, found)
	if err != nil || len(absent) == 0 {
		return err
	}
	if err := d.insert(ctx, absent); err != nil {
		return err
	}
	absent, err = d.find(ctx, absent, found)
	if err == nil && len(absent) > 0 {
		err = fmt.Errorf("%d dimension rows are neither there nor can they be made", len(absent))
	}
	return err
}

func (d *dimensions) find(ctx context.Context, refs []*infomart.Ref, found map[string]int64) (absent []*infomart.Ref, err error) {
	if len(refs) == 0 {
		return nil, nil
	}
	batch := &pgx.Batch{}
	for _, ref := range refs {
		batch.Queue(statements[ref.Kind].find, ref.Values()...)
	}
	results := d.tx.SendBatch(ctx, batch)
	for _, ref := range refs {
		rows, err := results.Query()
		if err != nil {
			return nil, firstError(err, results.Close())
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return nil, firstError(err, results.Close())
		}
		if len(ids) == 0 {
			absent = append(absent, ref)
			continue
		}
		found[ref.ID()] = ids[0]
	}
	return absent, results.Close()
}

// firstError is the error that tells the cause: closing what has failed repeats it.
func firstError(err, _ error) error { return err }

func (d *dimensions) insert(ctx context.Context, refs []*infomart.Ref) error {
	audit, err := d.auditKey(ctx)
	if err != nil {
		return err
	}
	batch := &pgx.Batch{}
	for _, ref := range refs {
		if ref.Kind != infomart.RefDay {
			batch.Queue(statements[ref.Kind].insert, append([]any{audit}, ref.Values()...)...)
			continue
		}
		for _, row := range infomart.DateTimeRows(ref.Values()[0].(int64)) {
			batch.Queue(statements[ref.Kind].insert, append([]any{audit}, row...)...)
		}
	}
	return d.tx.SendBatch(ctx, batch).Close()
}

// auditKey is the key of the transaction's CTL_AUDIT_LOG row, which it writes when first asked.
func (d *dimensions) auditKey(ctx context.Context) (int64, error) {
	if d.audit != 0 {
		return d.audit, nil
	}
	audit, err := nextAudit(ctx, d.tx)
	if err != nil {
		return 0, err
	}
	_, err = d.tx.Exec(ctx, insertAudit, audit, infomart.JobDimensions, d.now, infomart.StatusCommitted, nil, nil, 0, 0, nil, nil, nil, nil, nil, nil)
	d.audit = audit
	return audit, err
}

// statement finds a row by its values, and inserts one of an audit key and its values.
type statement struct{ find, insert string }

var statements = func() map[infomart.RefKind]statement {
	all := map[infomart.RefKind]statement{
		infomart.RefTenant: {"SELECT ID::bigint FROM TENANT WHERE ID = $1", insertInto("TENANT", []string{"ID"})},
		infomart.RefDay:    {"SELECT DATE_TIME_KEY::bigint FROM DATE_TIME WHERE DATE_TIME_KEY = $1", insertInto("DATE_TIME", infomart.DateTimeColumns)},
	}
	for i, dim := range infomart.Dimensions() {
		var names, conditions []string
		for n, a := range dim.Attributes {
			names = append(names, a.Name)
			condition := fmt.Sprintf("%s = $%d", a.Name, n+1)
			if a.Type == infomart.Text {
				// The digest is what the index is over; the text decides.
				condition += fmt.Sprintf(" AND RINGBACK_DIGEST(%s) = RINGBACK_DIGEST($%d)", a.Name, n+1)
			}
			conditions = append(conditions, condition)
		}
		all[infomart.RefKind(i)] = statement{
			"SELECT ID::bigint FROM " + dim.Table + " WHERE " + strings.Join(conditions, " AND "), insertInto(dim.Table, names),
		}
	}
	return all
}()

func insertInto(table string, columns []string) string {
	values := make([]string, len(columns))
	for i := range columns {
		values[i] = fmt.Sprintf("$%d", i+2)
	}
	return "INSERT INTO " + table + " (CREATE_AUDIT_KEY, " + strings.Join(columns, ", ") + ") VALUES ($1, " + strings.Join(values, ", ") + ") ON CONFLICT DO NOTHING"
}
