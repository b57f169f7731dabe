package sqlite

import (
	"context"
	"strings"

	"github.com/ringback/ringback/pkg/infomart"
)

// resolve returns the keys of what the facts refer to, by Ref ID, and makes the rows
// that are absent, in a transaction of their own: a key is remembered only once its row
// is committed. A reference whose row the database refuses is absent from the map.
func (s *Store) resolve(ctx context.Context, facts []*infomart.Fact) (map[string]int64, error) {
	keys, unknown := s.keys.Lookup(facts)
	if len(unknown) == 0 {
		return keys, nil
	}
	made := make(map[string]int64, len(unknown))
	err := s.transaction(ctx, "write dimensions", func(db *session) error {
		d := &dimensions{db: db, now: s.cfg.Now().Unix()}
		return infomart.Bisect(unknown, func(refs []*infomart.Ref) error {
			return d.try(refs, made)
		}, isData, func(*infomart.Ref, error) {})
	})
	if err != nil {
		return nil, err
	}
	s.keys.Add(s.keys.Generation(), made) // one file, one history
	for id, key := range made {
		keys[id] = key
	}
	return keys, nil
}

// dimensions finds and makes dimension rows.
type dimensions struct {
	db    *session
	now   int64
	audit int64 // key of the CTL_AUDIT_LOG row of the rows made; 0: none made yet
}

func (d *dimensions) try(refs []*infomart.Ref, made map[string]int64) error {
	if _, err := d.db.exec("SAVEPOINT dimensions"); err != nil {
		return err
	}
	audit := d.audit
	found := make(map[string]int64, len(refs))
	for _, ref := range refs {
		key, err := d.key(ref)
		if err != nil {
			d.audit = audit
			if _, failed := d.db.exec("ROLLBACK TO dimensions"); failed != nil {
				return failed
			}
			return err
		}
		found[ref.ID()] = key
	}
	for id, key := range found {
		made[id] = key
	}
	_, err := d.db.exec("RELEASE dimensions")
	return err
}

func (d *dimensions) key(ref *infomart.Ref) (int64, error) {
	switch ref.Kind {
	case infomart.RefResource:
		return d.resource(ref.Resource())
	case infomart.RefTenant:
		return d.tenant(ref.Values()[0].(int64))
	case infomart.RefDay:
		return d.day(ref.Values()[0].(int64))
	default:
		return d.combination(&infomart.Dimensions()[ref.Kind], ref.Values())
	}
}

// auditKey is the key of the transaction's CTL_AUDIT_LOG row, which it writes when first asked.
func (d *dimensions) auditKey() (int64, error) {
	if d.audit != 0 {
		return d.audit, nil
	}
	audit, err := nextAudit(d.db)
	if err != nil {
		return 0, err
	}
	_, err = d.db.exec(insertAudit, audit, infomart.JobDimensions, d.now, int64(infomart.StatusCommitted), nil, nil, int64(0), int64(0), nil, nil, nil, nil, nil, nil)
	d.audit = audit
	return audit, err
}

// insert runs an INSERT that ends with the audit key, RETURNING the key of the row.
func (d *dimensions) insert(query string, args ...any) (int64, error) {
	audit, err := d.auditKey()
	if err != nil {
		return 0, err
	}
	return d.db.number(query, append(args, audit)...)
}

func (d *dimensions) combination(dim *infomart.Dimension, values []any) (int64, error) {
	names := make([]string, len(dim.Attributes))
	for i, a := range dim.Attributes {
		names[i] = a.Name
	}
	row, err := d.db.row("SELECT ID FROM "+dim.Table+" WHERE "+strings.Join(names, " = ? AND ")+" = ?", values...)
	if err != nil || row != nil {
		return first(row), err
	}
	return d.insert("INSERT INTO "+dim.Table+" ("+strings.Join(names, ", ")+", CREATE_AUDIT_KEY) VALUES (?"+
		strings.Repeat(", ?", len(names))+") RETURNING ID", append([]any(nil), values...)...)
}

func first(row []any) int64 {
	if len(row) == 0 {
		return 0
	}
	n, _ := row[0].(int64)
	return n
}

func (d *dimensions) tenant(dbid int64) (int64, error) {
	row, err := d.db.row("SELECT ID FROM TENANT WHERE ID = ?", dbid)
	if err != nil || row != nil {
		return first(row), err
	}
	return d.insert("INSERT INTO TENANT (ID, CREATE_AUDIT_KEY) VALUES (?, ?) RETURNING ID", dbid)
}

func (d *dimensions) day(start int64) (int64, error) {
	row, err := d.db.row("SELECT DATE_TIME_KEY FROM DATE_TIME WHERE DATE_TIME_KEY = ?", start)
	if err != nil || row != nil {
		return first(row), err
	}
	query := "INSERT INTO DATE_TIME (" + strings.Join(infomart.DateTimeColumns, ", ") + ", CREATE_AUDIT_KEY) VALUES (?" +
		strings.Repeat(", ?", len(infomart.DateTimeColumns)) + ") RETURNING DATE_TIME_KEY"
	for _, values := range infomart.DateTimeRows(start) {
		if _, err := d.insert(query, values...); err != nil {
			return 0, err
		}
	}
	return start, nil
}

// resource finds a virtual queue by its DBID where one is given, else by name. A row
// that had only the name takes the DBID on, and one without a type the type: so that it
// does not matter which of its UserEvents came first.
func (d *dimensions) resource(r *infomart.Resource) (int64, error) {
	const of = "SELECT RESOURCE_KEY FROM RESOURCE_ WHERE "
	if r.DBID == nil {
		// The oldest of the name: newer ones of other DBIDs do not change what it means.
		row, err := d.db.row(of+"RESOURCE_NAME = ? AND RESOURCE_KEY > 0 ORDER BY RESOURCE_KEY LIMIT 1", r.Name)
		return d.completed(row, r, err)
	}
	row, err := d.db.row(of+"RESOURCE_CFG_DBID = ?", *r.DBID)
	if err == nil && row == nil {
		row, err = d.db.row(of+"RESOURCE_NAME = ? AND RESOURCE_CFG_DBID IS NULL AND RESOURCE_KEY > 0", r.Name)
	}
	return d.completed(row, r, err)
}

// completed gives the row that was found what it lacks, or makes one where none was.
func (d *dimensions) completed(found []any, r *infomart.Resource, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	if found == nil {
		return d.insertResource(r)
	}
	lacking, err := d.db.row(`SELECT 1 FROM RESOURCE_ WHERE RESOURCE_KEY = ? AND (RESOURCE_CFG_DBID IS NULL AND ? IS NOT NULL
		OR RESOURCE_CFG_TYPE_ID IS NULL AND ? IS NOT NULL OR RESOURCE_CFG_TYPE IS NULL AND ? IS NOT NULL)`, first(found), r.ID(), r.TypeID(), r.Type())
	if err != nil || lacking == nil {
		return first(found), err
	}
	audit, err := d.auditKey()
	if err != nil {
		return 0, err
	}
	_, err = d.db.exec(`UPDATE RESOURCE_ SET RESOURCE_CFG_DBID = COALESCE(RESOURCE_CFG_DBID, ?), RESOURCE_CFG_TYPE_ID = COALESCE(RESOURCE_CFG_TYPE_ID, ?),
		RESOURCE_CFG_TYPE = COALESCE(RESOURCE_CFG_TYPE, ?), UPDATE_AUDIT_KEY = ? WHERE RESOURCE_KEY = ?`,
		r.ID(), r.TypeID(), r.Type(), audit, first(found))
	return first(found), err
}

func (d *dimensions) insertResource(r *infomart.Resource) (int64, error) {
	// From 1: without a key, the one after -1 would be 0.
	return d.insert(`INSERT INTO RESOURCE_ (RESOURCE_KEY, RESOURCE_NAME, RESOURCE_CFG_DBID, RESOURCE_CFG_TYPE_ID, RESOURCE_CFG_TYPE, CREATE_AUDIT_KEY)
		VALUES ((SELECT MAX(0, MAX(RESOURCE_KEY)) + 1 FROM RESOURCE_), ?, ?, ?, ?, ?) RETURNING RESOURCE_KEY`, r.Name, r.ID(), r.TypeID(), r.Type())
}
