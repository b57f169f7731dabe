// Package query reads an Info Mart-shaped store through database/sql. Its statements
// are the same for each database; a dialect says how a parameter is written.
package query

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
)

// Dialect is what differs between databases.
type Dialect struct {
	// Parameter writes the n-th parameter of a statement, from 1.
	Parameter func(n int) string
	// Classify gives a database error its class.
	Classify func(ctx context.Context, doing string, err error) error
}

// Reader implements [infomart.Reader]. It closes no database.
type Reader struct {
	db      *sql.DB
	dialect Dialect
}

var _ infomart.Reader = (*Reader)(nil)

// New makes a reader of db, whose session can write nothing.
func New(db *sql.DB, dialect Dialect) *Reader { return &Reader{db: db, dialect: dialect} }

// param replaces each ? of a statement as the dialect has it.
func (r *Reader) param(statement string) string {
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(statement, "?") {
		if n > 0 {
			b.WriteString(r.dialect.Parameter(n))
		}
		b.WriteString(part)
		n++
	}
	return b.String()
}

// Rows iterates over the rows of a statement, whose parameters are written ?; the first error ends it.
func (r *Reader) Rows(ctx context.Context, statement string, args ...any) iter.Seq2[infomart.Row, error] {
	return func(yield func(infomart.Row, error) bool) {
		rows, err := r.db.QueryContext(ctx, r.param(statement), args...)
		if err != nil {
			yield(nil, r.dialect.Classify(ctx, "read", err))
			return
		}
		defer rows.Close() //nolint:errcheck // reading is over; Err has told
		types, err := rows.ColumnTypes()
		if err != nil {
			yield(nil, r.dialect.Classify(ctx, "read", err))
			return
		}
		values := make([]any, len(types))
		into := make([]any, len(types))
		for i := range values {
			into[i] = &values[i]
		}
		for rows.Next() {
			if err := rows.Scan(into...); err != nil {
				yield(nil, r.dialect.Classify(ctx, "read", err))
				return
			}
			row := make(infomart.Row, len(types))
			for i, t := range types {
				v, err := value(values[i], t.DatabaseTypeName())
				if err != nil {
					yield(nil, fmt.Errorf("infomart: column %s: %w", t.Name(), err))
					return
				}
				row[strings.ToUpper(t.Name())] = v
			}
			if !yield(row, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(nil, r.dialect.Classify(ctx, "read", err))
		}
	}
}

// value brings what a driver gives to an int64, a string or nil.
func value(v any, databaseType string) (any, error) {
	if b, ok := v.([]byte); ok {
		v = string(b)
	}
	if s, ok := v.(string); ok && databaseType == "NUMERIC" {
		return strconv.ParseInt(s, 10, 64)
	}
	switch v := v.(type) {
	case nil, int64, string:
		return v, nil
	case int32:
		return int64(v), nil
	case time.Time:
		return v.UTC().Format(time.DateTime), nil
	}
	return nil, fmt.Errorf("a value of type %T", v)
}

func (r *Reader) all(ctx context.Context, statement string, args ...any) ([]infomart.Row, error) {
	var found []infomart.Row
	for row, err := range r.Rows(ctx, statement, args...) {
		if err != nil {
			return nil, err
		}
		found = append(found, row)
	}
	return found, nil
}

func (r *Reader) number(ctx context.Context, statement string, args ...any) (int64, error) {
	var n sql.NullInt64
	if err := r.db.QueryRowContext(ctx, r.param(statement), args...).Scan(&n); err != nil {
		return 0, r.dialect.Classify(ctx, "count", err)
	}
	return n.Int64, nil
}

// Counts implements [infomart.Reader].
func (r *Reader) Counts(ctx context.Context) (infomart.Counts, error) {
	c := infomart.Counts{Tables: make(map[string]int64)}
	for _, table := range infomart.Tables() {
		n, err := r.number(ctx, "SELECT COUNT(*) FROM "+table)
		if err != nil {
			return c, err
		}
		c.Tables[table] = n
	}
	c.Facts, c.CustomData, c.Discards = c.Tables["CALLBACK_FACT"], c.Tables["G_CUSTOM_DATA_S"], c.Tables["STG_TRANSFORM_DISCARDS"]
	var errServices, errFinals error
	c.Services, errServices = r.number(ctx, "SELECT COUNT(DISTINCT SERVICE_ID) FROM CALLBACK_FACT")
	c.Finals, errFinals = r.number(ctx, "SELECT COUNT(*) FROM CALLBACK_FACT WHERE FINAL_RECORD = 1")
	return c, errors.Join(errServices, errFinals)
}

// Latest implements [infomart.Reader].
func (r *Reader) Latest(ctx context.Context, serviceID string) (infomart.Row, bool, error) {
	rows, err := r.all(ctx, "SELECT * FROM CALLBACK_LATEST WHERE SERVICE_ID = ?", serviceID)
	if err != nil || len(rows) == 0 {
		return nil, false, err
	}
	return rows[0], true, nil
}

// AllLatest implements [infomart.Reader].
func (r *Reader) AllLatest(ctx context.Context) iter.Seq2[infomart.Row, error] {
	return r.Rows(ctx, "SELECT * FROM CALLBACK_LATEST ORDER BY SERVICE_ID")
}

// Facts implements [infomart.Reader].
func (r *Reader) Facts(ctx context.Context, serviceID string) ([]infomart.Row, error) {
	return r.all(ctx, "SELECT * FROM CALLBACK_FACT WHERE SERVICE_ID = ? ORDER BY EVENT_SEQUENCE", serviceID)
}

// CustomData implements [infomart.Reader].
func (r *Reader) CustomData(ctx context.Context, serviceID string, sequence int32) (map[string]string, error) {
	facts, err := r.all(ctx, "SELECT CREATE_AUDIT_KEY, PRODUCER_BATCH_ID FROM CALLBACK_FACT WHERE SERVICE_ID = ? AND EVENT_SEQUENCE = ?", serviceID, sequence)
	if err != nil || len(facts) == 0 {
		return map[string]string{}, err
	}
	data := make(map[string]string)
	batch, err := r.all(ctx, "SELECT MIN_CUSTOM_DATA_ID, MAX_CUSTOM_DATA_ID FROM CTL_AUDIT_LOG WHERE AUDIT_KEY = ?", facts[0]["CREATE_AUDIT_KEY"])
	if err != nil || len(batch) == 0 {
		return data, err
	}
	for row, err := range r.Rows(ctx, "SELECT KeyName, Value FROM G_CUSTOM_DATA_S WHERE ID >= ? AND ID <= ? AND GSYS_SEQ = ?",
		batch[0]["MIN_CUSTOM_DATA_ID"], batch[0]["MAX_CUSTOM_DATA_ID"], facts[0]["PRODUCER_BATCH_ID"]) {
		if err != nil {
			return nil, err
		}
		value, _ := row["VALUE"].(string)
		data[row["KEYNAME"].(string)] = value
	}
	return data, nil
}

// AllCustomData implements [infomart.Reader].
func (r *Reader) AllCustomData(ctx context.Context) iter.Seq2[infomart.CustomData, error] {
	return func(yield func(infomart.CustomData, error) bool) {
		// A batch numbers its rows UserEvent by UserEvent: those of one lie together.
		var one infomart.CustomData
		for row, err := range r.Rows(ctx, "SELECT GSYS_SEQ, KeyName, Value FROM G_CUSTOM_DATA_S ORDER BY ID") {
			if err != nil {
				yield(infomart.CustomData{}, err)
				return
			}
			source, _ := row["GSYS_SEQ"].(int64)
			if one.Values == nil || source != one.Source {
				if one.Values != nil && !yield(one, nil) {
					return
				}
				one = infomart.CustomData{Source: source, Values: make(map[string]string, callback.NumKVPs)}
			}
			value, _ := row["VALUE"].(string)
			one.Values[row["KEYNAME"].(string)] = value
		}
		if one.Values != nil {
			yield(one, nil)
		}
	}
}

// AllFacts implements [infomart.Reader].
func (r *Reader) AllFacts(ctx context.Context) iter.Seq2[infomart.Row, error] {
	return r.Rows(ctx, "SELECT SERVICE_ID, EVENT_SEQUENCE, FINAL_RECORD, PRODUCER_BATCH_ID FROM CALLBACK_FACT ORDER BY SERVICE_ID, EVENT_SEQUENCE")
}

// Discards implements [infomart.Reader].
func (r *Reader) Discards(ctx context.Context) iter.Seq2[infomart.Row, error] {
	return r.Rows(ctx, "SELECT * FROM STG_TRANSFORM_DISCARDS ORDER BY TOPIC, PARTITION_ID, OFFSET_ID")
}

// Unsent implements [infomart.Reader].
func (r *Reader) Unsent(ctx context.Context) iter.Seq2[infomart.Row, error] {
	return r.Rows(ctx, "SELECT SERVICE_ID, EVENT_SEQUENCE FROM RINGBACK_TSERVER_LEDGER WHERE EVENT_SEQUENCE > 0 AND STATE IN "+
		fmt.Sprintf("('%s', '%s', '%s')", infomart.StateSkippedOld, infomart.StateDisabled, infomart.StateRefused))
}

// Check implements [infomart.Reader].
func (r *Reader) Check(ctx context.Context) (infomart.Check, error) {
	var c infomart.Check
	kept, err := r.markedBy(ctx)
	if err != nil {
		return c, err
	}
	checks := []struct {
		into      *int64
		statement string
	}{
		{&c.FactsWithoutCustomData, "SELECT COUNT(*) FROM (SELECT PRODUCER_BATCH_ID FROM CALLBACK_FACT EXCEPT SELECT GSYS_SEQ FROM G_CUSTOM_DATA_S" + kept + ") absent"},
		{&c.ServicesWithTwoFinals, "SELECT COUNT(*) FROM (SELECT SERVICE_ID FROM CALLBACK_FACT WHERE FINAL_RECORD = 1 GROUP BY SERVICE_ID HAVING COUNT(*) > 1) twice"},
		{&c.FinalsNotLatest, "SELECT COUNT(*) FROM CALLBACK_FACT f WHERE FINAL_RECORD = 1 AND EXISTS (SELECT 1 FROM CALLBACK_FACT n WHERE n.SERVICE_ID = f.SERVICE_ID AND n.EVENT_SEQUENCE > f.EVENT_SEQUENCE)"},
	}
	for _, check := range checks {
		if *check.into, err = r.number(ctx, check.statement); err != nil {
			return c, err
		}
	}
	references := [][3]string{
		{"RESOURCE_KEY", "RESOURCE_", "RESOURCE_KEY"}, {"TENANT_KEY", "TENANT", "ID"},
		{"START_DATE_TIME_KEY", "DATE_TIME", "DATE_TIME_KEY"}, {"CREATE_AUDIT_KEY", "CTL_AUDIT_LOG", "AUDIT_KEY"},
	}
	for _, d := range infomart.Dimensions() {
		references = append(references, [3]string{d.KeyColumn(), d.Table, "ID"})
	}
	for _, ref := range references {
		n, err := r.number(ctx, fmt.Sprintf("SELECT COUNT(*) FROM CALLBACK_FACT f WHERE NOT EXISTS (SELECT 1 FROM %s d WHERE d.%s = f.%s)", ref[1], ref[2], ref[0]))
		if err != nil {
			return c, err
		}
		c.DanglingKeys += n
	}
	return c, nil
}

// markedBy narrows G_CUSTOM_DATA_S to one row a UserEvent, by a mandatory KVP that is
// kept there; all rows where none is.
func (r *Reader) markedBy(ctx context.Context) (string, error) {
	rows, err := r.all(ctx, fmt.Sprintf("SELECT KeyName FROM G_CUSTOM_DATA_S ORDER BY ID DESC LIMIT %d", callback.NumKVPs))
	if err != nil {
		return "", err
	}
	for _, k := range callback.Mandatory() {
		if slices.ContainsFunc(rows, func(row infomart.Row) bool { return row["KEYNAME"] == k.String() }) {
			return " WHERE KeyName = '" + k.String() + "'", nil
		}
	}
	return "", nil
}
