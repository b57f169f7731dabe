package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
)

// insertFacts takes a pass from the incoming table. Invariant 6: a row that arrives
// after a newer one is not final, whatever it says.
var insertFacts = func() string {
	var into, from []string
	for _, c := range infomart.FactColumns() {
		into = append(into, c.Name)
		switch c.Name {
		case "DS_AUDIT_KEY", "CREATE_AUDIT_KEY":
			from = append(from, "$2::bigint")
		case "UPDATE_AUDIT_KEY":
			from = append(from, "0")
		case "FINAL_RECORD":
			from = append(from, `CASE WHEN t.FINAL_RECORD = 1 AND EXISTS (
				SELECT 1 FROM CALLBACK_FACT n WHERE n.SERVICE_ID = t.SERVICE_ID AND n.EVENT_SEQUENCE > t.EVENT_SEQUENCE
			) THEN 0 ELSE t.FINAL_RECORD END`)
		default:
			from = append(from, "t."+c.Name)
		}
	}
	return "INSERT INTO CALLBACK_FACT (" + strings.Join(into, ", ") + ") SELECT " + strings.Join(from, ", ") +
		" FROM incoming_fact t WHERE t.pass = $1 ON CONFLICT (SERVICE_ID, EVENT_SEQUENCE) DO NOTHING RETURNING PRODUCER_BATCH_ID::bigint"
}()

// The statements below look up each of many keys by CALLBACK_FACT's primary key. OFFSET 0
// keeps the planner from turning the look-up round, into a walk through all the table.

// olderFinals finds the final records that a newer row takes the place of: nearly always none.
const olderFinals = `SELECT o.SERVICE_ID, o.EVENT_SEQUENCE
	FROM unnest($1::text[], $2::integer[]) AS n (service, sequence)
	CROSS JOIN LATERAL (
		SELECT f.SERVICE_ID, f.EVENT_SEQUENCE FROM CALLBACK_FACT f
		WHERE f.SERVICE_ID = n.service AND f.EVENT_SEQUENCE < n.sequence AND f.FINAL_RECORD = 1 OFFSET 0
	) o`

// clearFinal is the only update there is of a fact.
const clearFinal = "UPDATE CALLBACK_FACT SET FINAL_RECORD = 0 WHERE SERVICE_ID = $1 AND EVENT_SEQUENCE = $2"

// storedFacts reads what stands in the way of the facts that were not inserted.
var storedFacts = func() string {
	columns := []string{"EXISTS (SELECT 1 FROM CALLBACK_FACT m WHERE m.SERVICE_ID = f.SERVICE_ID AND m.EVENT_SEQUENCE > f.EVENT_SEQUENCE)"}
	for _, c := range infomart.FactColumns() {
		if c.Type == infomart.Key {
			columns = append(columns, "0 AS "+c.Name) // tells how the row got there; never compared
			continue
		}
		columns = append(columns, "f."+c.Name)
	}
	return `SELECT n.ordinal, o.* FROM unnest($1::text[], $2::integer[]) WITH ORDINALITY AS n (service, sequence, ordinal)
		CROSS JOIN LATERAL (SELECT ` + strings.Join(columns, ", ") + `
			FROM CALLBACK_FACT f WHERE f.SERVICE_ID = n.service AND f.EVENT_SEQUENCE = n.sequence OFFSET 0
		) o`
}()

// writePass writes facts of which each key occurs once.
func (b *batch) writePass(ctx context.Context, tx pgx.Tx, facts []*infomart.Fact, o *outcome) error {
	b.pass++
	if err := b.copyIn(ctx, tx, facts); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, insertFacts, b.pass, b.audit)
	if err != nil {
		return err
	}
	inserted, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	fresh := make(map[int64]bool, len(inserted))
	for _, source := range inserted {
		fresh[source] = true
	}
	var there []*infomart.Fact
	newest := make(map[string]int32) // of services that may have an older row
	for _, f := range facts {
		if !fresh[f.Source] {
			there = append(there, f)
			continue
		}
		o.added = append(o.added, f)
		if f.Sequence > 1 && f.Sequence > newest[f.ServiceID] {
			newest[f.ServiceID] = f.Sequence
		}
	}
	if err := clearFinals(ctx, tx, newest); err != nil {
		return err
	}
	return b.compare(ctx, tx, there, o)
}

// clearFinals leaves a service one final record at most, the newest (invariant 6);
// newest is the highest EVENT_SEQUENCE of each service that was added.
func clearFinals(ctx context.Context, tx pgx.Tx, newest map[string]int32) error {
	if len(newest) == 0 {
		return nil
	}
	services, sequences := make([]string, 0, len(newest)), make([]int32, 0, len(newest))
	for service, sequence := range newest {
		services, sequences = append(services, service), append(sequences, sequence)
	}
	rows, err := tx.Query(ctx, olderFinals, services, sequences)
	if err != nil {
		return err
	}
	older, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (k factKey, err error) {
		err = row.Scan(&k.service, &k.sequence)
		return k, err
	})
	if err != nil || len(older) == 0 {
		return err
	}
	batch := &pgx.Batch{}
	for _, k := range older {
		batch.Queue(clearFinal, k.service, k.sequence)
	}
	return tx.SendBatch(ctx, batch).Close()
}

// copyIn fills the incoming table. Within a pass only a service's newest row is final.
func (b *batch) copyIn(ctx context.Context, tx pgx.Tx, facts []*infomart.Fact) error {
	newest := make(map[string]int32)
	for _, f := range facts {
		newest[f.ServiceID] = max(newest[f.ServiceID], f.Sequence)
	}
	row := make([]any, len(incoming)+1)
	i := 0
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"incoming_fact"}, incomingNames, pgx.CopyFromFunc(func() ([]any, error) {
		if i == len(facts) {
			return nil, nil
		}
		f := facts[i]
		i++
		row[0] = b.pass
		for n, column := range incoming {
			row[n+1] = f.Values[column]
		}
		if f.Sequence < newest[f.ServiceID] {
			row[incomingFinal] = int64(0)
		}
		return row, nil
	}))
	return err
}

// incomingFinal is the place of FINAL_RECORD in a row of the incoming table, after the pass.
var incomingFinal = slices.Index(incoming, infomart.ColumnFinal) + 1

// compare tells the facts that are there already from those that are there with other content.
func (b *batch) compare(ctx context.Context, tx pgx.Tx, facts []*infomart.Fact, o *outcome) error {
	if len(facts) == 0 {
		return nil
	}
	services, sequences := make([]string, len(facts)), make([]int32, len(facts))
	for i, f := range facts {
		services[i], sequences[i] = f.ServiceID, f.Sequence
	}
	rows, err := tx.Query(ctx, storedFacts, services, sequences)
	if err != nil {
		return err
	}
	defer rows.Close()
	same := make([]bool, len(facts))
	found := 0
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return err
		}
		for i, v := range values {
			if n, ok := v.(int32); ok {
				values[i] = int64(n)
			}
		}
		f := values[0].(int64) - 1
		same[f] = facts[f].SameContent(values[2:], values[1].(bool))
		found++
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if found != len(facts) {
		return fmt.Errorf("%d facts were not inserted, but %d of them are there", len(facts), found)
	}
	for i, f := range facts {
		if same[i] {
			o.already++
		} else {
			o.conflicts = append(o.conflicts, f.Conflict())
		}
	}
	return nil
}

// customData is a UserEvent whose KVPs go to G_CUSTOM_DATA_S.
type customData struct {
	event   *callback.UserEvent
	source  int64
	addedTS int64
}

var customColumns = []string{"id", "tenantid", "keyname", "value", "added_ts", "gsys_seq"}

func (b *batch) writeCustom(ctx context.Context, tx pgx.Tx, events []customData) error {
	keep := b.store.keep
	if len(keep) == 0 || len(events) == 0 {
		return nil
	}
	row := make([]any, len(customColumns))
	event, key := 0, 0
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"g_custom_data_s"}, customColumns, pgx.CopyFromFunc(func() ([]any, error) {
		for event < len(events) {
			e := &events[event]
			if key == 0 {
				row[1], row[4], row[5] = nil, e.addedTS, e.source
				if tenant := &e.event.KVPs[callback.KeyTenantDBID]; tenant.Set {
					row[1] = tenant.Int
				}
			}
			for key < len(keep) {
				k := keep[key]
				id := infomart.CustomDataID(b.audit, b.custom+key)
				key++
				if e.event.KVPs[k].Set {
					row[0], row[2], row[3] = id, k.String(), e.event.KVPs.Text(k)
					return row, nil
				}
			}
			key = 0
			event++
			b.custom += len(keep)
		}
		return nil, nil
	}))
	return err
}
