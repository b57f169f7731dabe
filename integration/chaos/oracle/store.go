package oracle

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/sqlite"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
)

// Reader reads a store, of either kind.
type Reader interface {
	infomart.Reader
	Rows(ctx context.Context, statement string, args ...any) iter.Seq2[infomart.Row, error]
}

// Fill makes a new SQLite store of the UserEvents of a topic, once and undisturbed.
func Fill(ctx context.Context, path string, userEvents *Topic, codec *wire.Codec) error {
	db, err := sqlite.Open(ctx, sqlite.Config{Path: path})
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // every batch is committed
	for n := range userEvents.Partitions {
		var expected *infomart.Position
		records := userEvents.Partitions[n]
		for len(records) > 0 {
			part := records[:min(503, len(records))]
			records = records[len(part):]
			end := part[len(part)-1]
			b := infomart.Batch{
				PositionKey: infomart.PositionKey{Group: "oracle", Topic: topic.UserEvents, Partition: int32(n)},
				Expected:    expected,
				To:          infomart.Position{Next: end.Offset + 1, LastOffset: end.Offset, LastTime: end.Time},
			}
			for i := range part {
				u, err := codec.ParseUserEvent(ctx, &part[i])
				var bad *callback.BadRecord
				if errors.As(err, &bad) {
					b.SetAside = append(b.SetAside, infomart.Rejection{Offset: part[i].Offset, Reason: bad.Reason, ServiceID: string(part[i].Key)})
					continue
				}
				if err != nil {
					return err
				}
				b.Inputs = append(b.Inputs, infomart.Input{Event: u, AddedTS: part[i].Time.Unix(), Offset: part[i].Offset})
			}
			if _, err := db.Apply(ctx, b, func(context.Context, []infomart.Rejection) error { return nil }); err != nil {
				return err
			}
			to := b.To
			expected = &to
		}
	}
	return nil
}

// joined is the statement that gives every fact with its dimensions in place of their keys.
func joined() string {
	columns := []string{}
	keys := map[string]bool{
		"RESOURCE_KEY": true, "DS_AUDIT_KEY": true, "CREATE_AUDIT_KEY": true, "UPDATE_AUDIT_KEY": true, "PRODUCER_BATCH_ID": true,
	}
	var joins strings.Builder
	for i, d := range infomart.Dimensions() {
		keys[d.KeyColumn()] = true
		fmt.Fprintf(&joins, " JOIN %s d%d ON d%d.ID = f.%s", d.Table, i, i, d.KeyColumn())
		for _, a := range d.Attributes {
			columns = append(columns, fmt.Sprintf("d%d.%s AS D%d_%s", i, a.Name, i, a.Name))
		}
	}
	for _, c := range infomart.FactColumns() {
		if !keys[c.Name] {
			columns = append(columns, "f."+c.Name)
		}
	}
	columns = append(columns, "r.RESOURCE_NAME", "r.RESOURCE_CFG_DBID", "r.RESOURCE_CFG_TYPE_ID", "r.RESOURCE_CFG_TYPE")
	return "SELECT " + strings.Join(columns, ", ") + " FROM CALLBACK_FACT f" + joins.String() +
		" LEFT JOIN RESOURCE_ r ON r.RESOURCE_KEY = f.RESOURCE_KEY"
}

// rowKey is a UserEvent's place in the store.
type rowKey struct {
	service  string
	sequence int64
}

type contents struct {
	facts, discards map[rowKey]infomart.Row
	custom          map[rowKey]map[string]string
}

func (f *Findings) contents(ctx context.Context, which string, r Reader) (*contents, error) {
	twice := f.Check(which + ": each row once")
	c := &contents{facts: map[rowKey]infomart.Row{}, discards: map[rowKey]infomart.Row{}, custom: map[rowKey]map[string]string{}}
	key := func(row infomart.Row) rowKey {
		id, _ := row["SERVICE_ID"].(string)
		n, _ := row["EVENT_SEQUENCE"].(int64)
		return rowKey{id, n}
	}
	for row, err := range r.Rows(ctx, joined()) {
		if err != nil {
			return nil, err
		}
		k := key(row)
		if c.facts[k] != nil {
			twice("service %s, EVENT_SEQUENCE %d has two facts", k.service, k.sequence)
		}
		c.facts[k] = row
	}
	bySource := map[int64]rowKey{}
	for row, err := range r.AllFacts(ctx) {
		if err != nil {
			return nil, err
		}
		source, _ := row["PRODUCER_BATCH_ID"].(int64)
		bySource[source] = key(row)
	}
	for row, err := range r.Discards(ctx) {
		if err != nil {
			return nil, err
		}
		k := key(row)
		if row["EVENT_SEQUENCE"] == nil { // what cannot be read has its place for a name
			k.service = fmt.Sprintf("%s at %v/%v/%v", k.service, row["TOPIC"], row["PARTITION_ID"], row["OFFSET_ID"])
		}
		if c.discards[k] != nil {
			twice("service %s, EVENT_SEQUENCE %d has two discards", k.service, k.sequence)
		}
		source, _ := row["PRODUCER_BATCH_ID"].(int64)
		bySource[source] = k
		kept := infomart.Row{}
		for _, name := range []string{"SERVICE_ID", "EVENT_SEQUENCE", "TOPIC", "PARTITION_ID", "OFFSET_ID", "REASON", "MISSING_KVPS"} {
			if v, ok := row[name]; ok {
				kept[name] = v
			}
		}
		c.discards[k] = kept
	}
	for data, err := range r.AllCustomData(ctx) {
		if err != nil {
			return nil, err
		}
		k, ok := bySource[data.Source]
		if !ok || c.custom[k] != nil {
			twice("service %s, EVENT_SEQUENCE %d: G_CUSTOM_DATA_S has it twice, or of no fact or discard (GSYS_SEQ %d)", k.service, k.sequence, data.Source)
		}
		c.custom[k] = data.Values
	}
	return c, nil
}

// Stores compares two stores: facts with their dimensions joined, discards and custom data; audit keys and
// PRODUCER_BATCH_ID tell how a row got there and are left out.
func (f *Findings) Stores(ctx context.Context, got, want Reader) (facts int, err error) {
	g, err := f.contents(ctx, "the store", got)
	if err != nil {
		return 0, err
	}
	w, err := f.contents(ctx, "the store filled undisturbed", want)
	if err != nil {
		return 0, err
	}
	compare(f.Check("CALLBACK_FACT with its dimensions"), g.facts, w.facts)
	compare(f.Check("STG_TRANSFORM_DISCARDS"), g.discards, w.discards)
	compare(f.Check("G_CUSTOM_DATA_S"), g.custom, w.custom)
	unsound := f.Check("the store is sound")
	check, err := got.Check(ctx)
	if err != nil {
		return 0, err
	}
	if check != (infomart.Check{}) {
		unsound("%+v", check)
	}
	return len(g.facts), nil
}

func compare[V any](differ func(string, ...any), got, want map[rowKey]V) {
	keys := maps.Clone(got)
	maps.Copy(keys, want)
	for _, k := range slices.SortedFunc(maps.Keys(keys), func(a, b rowKey) int {
		if c := strings.Compare(a.service, b.service); c != 0 {
			return c
		}
		return int(a.sequence - b.sequence)
	}) {
		g, there := got[k]
		w, expected := want[k]
		switch {
		case !there:
			differ("service %s, EVENT_SEQUENCE %d is missing; expected %v", k.service, k.sequence, w)
		case !expected:
			differ("service %s, EVENT_SEQUENCE %d is one too many: %v", k.service, k.sequence, g)
		case !reflect.DeepEqual(g, w):
			differ("service %s, EVENT_SEQUENCE %d: there is\n  %v\n  expected\n  %v", k.service, k.sequence, g, w)
		}
	}
}
