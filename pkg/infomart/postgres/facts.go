package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
)

// copyFacts is the COPY of a pass: what it copies must not be there.
var copyFacts = func() string {
	names := make([]string, 0, len(infomart.FactColumns()))
	for _, c := range infomart.FactColumns() {
		names = append(names, c.Name)
	}
	return "COPY CALLBACK_FACT (" + strings.Join(names, ", ") + ") FROM STDIN (FORMAT binary)"
}()

// standing finds the rows that services have already, as where they end their START.
const standing = "SELECT SERVICE_ID, EVENT_SEQUENCE, FINAL_RECORD FROM CALLBACK_FACT WHERE SERVICE_ID = ANY ($1)"

// clearFinal is the only update there is of a fact.
const clearFinal = "UPDATE CALLBACK_FACT SET FINAL_RECORD = 0 WHERE SERVICE_ID = $1 AND EVENT_SEQUENCE = $2"

// storedFacts reads what stands in the way of the facts that were not inserted, each looked
// up by CALLBACK_FACT's primary key. OFFSET 0 keeps the planner from turning the look-up
// round, into a walk through all the table.
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

// service is what a pass has, and the table holds, of one service.
type service struct {
	newest int32          // highest EVENT_SEQUENCE of both
	stored map[int32]bool // EVENT_SEQUENCEs that are there; nil where none is
	final  int32          // the stored final record; 0 where there is none
	asked  bool
}

// writePass writes facts of which each key occurs once. Nearly always none of them is
// there, and a COPY takes them all; those that are found there are told apart before it.
// What is there and was not found makes the COPY fail, and the pass is tried again.
func (b *batch) writePass(ctx context.Context, tx pgx.Tx, facts []*infomart.Fact, services map[string]*service, o *outcome) error {
	fresh := make([]*infomart.Fact, 0, len(facts))
	var there []*infomart.Fact
	for _, f := range facts {
		if services[f.ServiceID].stored[f.Sequence] {
			there = append(there, f)
		} else {
			fresh = append(fresh, f)
		}
	}
	if err := b.copyIn(ctx, tx, fresh, services); err != nil {
		return err
	}
	b.clearFinals(services)
	o.added = append(o.added, fresh...)
	if len(there) == 0 {
		b.store.careful.Store(false)
		return nil
	}
	if err := b.flush(ctx, tx); err != nil {
		return err
	}
	return b.compare(ctx, tx, there, o)
}

// standing reads what is there of the facts' services.
func (b *batch) standing(ctx context.Context, tx pgx.Tx, facts []*infomart.Fact) (map[string]*service, error) {
	services, names := b.servicesOf(facts)
	if len(names) == 0 {
		return services, nil
	}
	rows, err := tx.Query(ctx, standing, names)
	if err != nil {
		return nil, err
	}
	return services, readStanding(rows, services)
}

// servicesOf are the facts' services, and the names of those that are to be looked for. A
// service that begins has nothing there that matters: its first row, unless it is final,
// changes no other and is changed by none. It is looked for all the same where rows are
// being read again.
func (b *batch) servicesOf(facts []*infomart.Fact) (map[string]*service, []string) {
	careful := b.careful || b.store.careful.Load()
	services := make(map[string]*service, len(facts))
	room := make([]service, 0, len(facts)) // one piece of memory for all
	names := make([]string, 0, len(facts))
	for _, f := range facts {
		s, ok := services[f.ServiceID]
		if !ok {
			room = append(room, service{})
			s = &room[len(room)-1]
			services[f.ServiceID] = s
		}
		s.newest = max(s.newest, f.Sequence)
		if !s.asked && (careful || f.Sequence > 1 || f.Final()) {
			s.asked = true
			names = append(names, f.ServiceID)
		}
	}
	return services, names
}

func readStanding(rows pgx.Rows, services map[string]*service) error {
	var name string
	var sequence, final int32
	_, err := pgx.ForEachRow(rows, []any{&name, &sequence, &final}, func() error {
		s := services[name]
		if s == nil {
			return errors.New("a row of a service that was not asked for")
		}
		if s.stored == nil {
			s.stored = make(map[int32]bool)
		}
		s.stored[sequence] = true
		s.newest = max(s.newest, sequence)
		if final == 1 {
			s.final = sequence
		}
		return nil
	})
	return err
}

// clearFinals leaves a service one final record at most, the newest (invariant 6): nearly
// always there is none to be cleared.
func (b *batch) clearFinals(services map[string]*service) {
	for name, s := range services {
		if s.final != 0 && s.final < s.newest {
			b.queue.Queue(clearFinal, name, s.final)
		}
	}
}

// copyIn copies the facts. Invariant 6: a row that has a newer one, in the table or beside
// it, is not final, whatever it says.
func (b *batch) copyIn(ctx context.Context, tx pgx.Tx, facts []*infomart.Fact, services map[string]*service) error {
	if len(facts) == 0 {
		return nil
	}
	columns := infomart.FactColumns()
	next := 0
	return copyInto(ctx, tx, copyFacts, func(buf []byte) ([]byte, bool) {
		if next == len(facts) {
			return buf, false
		}
		f := facts[next]
		next++
		buf = appendRow(buf, len(columns))
		for i := range columns {
			cell := f.Cell(i)
			if i == infomart.ColumnFinal && f.Sequence < services[f.ServiceID].newest {
				cell.Int = 0
			}
			buf = appendCell(buf, columns[i].Type, &cell)
		}
		return buf, true
	})
}

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

const (
	copyCustom    = "COPY G_CUSTOM_DATA_S (ID, TenantID, KeyName, Value, Added_ts, GSYS_SEQ) FROM STDIN (FORMAT binary)"
	customColumns = 6
)

func (b *batch) writeCustom(ctx context.Context, tx pgx.Tx, events []customData) error {
	keep := b.store.keep
	if len(keep) == 0 || len(events) == 0 {
		return nil
	}
	event, key := 0, 0
	return copyInto(ctx, tx, copyCustom, func(buf []byte) ([]byte, bool) {
		for ; event < len(events); event++ {
			e := &events[event]
			for key < len(keep) {
				k := keep[key]
				id := infomart.CustomDataID(b.audit, b.custom+key)
				key++
				if v := &e.event.KVPs[k]; v.Set {
					return e.append(buf, id, k, v), true
				}
			}
			key = 0
			b.custom += len(keep)
		}
		return buf, false
	})
}

func (e *customData) append(b []byte, id int64, k callback.KVP, v *callback.Value) []byte {
	b = appendBigint(appendRow(b, customColumns), id)
	if tenant := &e.event.KVPs[callback.KeyTenantDBID]; tenant.Set {
		b = appendInteger(b, tenant.Int)
	} else {
		b = appendNull(b)
	}
	b = appendKVP(appendText(b, k.String()), k, v)
	return appendBigint(appendInteger(b, e.addedTS), e.source)
}
