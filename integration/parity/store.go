package parity

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/ringback/ringback/pkg/infomart"
)

// store is a store of either kind.
type store interface {
	infomart.Reader
	Rows(ctx context.Context, statement string, args ...any) iter.Seq2[infomart.Row, error]
}

// given are the columns of CALLBACK_FACT that do not come from the UserEvent alone: keys of rows in the order of their
// making, the batch that a row came with, and ADDED_TS, when the UserEvent was written to its topic.
var given = []string{"ADDED_TS", "RESOURCE_KEY", "DS_AUDIT_KEY", "CREATE_AUDIT_KEY", "UPDATE_AUDIT_KEY", "PRODUCER_BATCH_ID"}

// factsWithDimensions is every column of CALLBACK_FACT but those, and in place of keys what they refer to.
func factsWithDimensions() string {
	left := map[string]bool{}
	for _, c := range given {
		left[c] = true
	}
	var columns []string
	var joins strings.Builder
	for i, d := range infomart.Dimensions() {
		left[d.KeyColumn()] = true
		fmt.Fprintf(&joins, " LEFT JOIN %s d%d ON d%d.ID = f.%s", d.Table, i, i, d.KeyColumn())
		for _, a := range d.Attributes {
			columns = append(columns, fmt.Sprintf("d%d.%s AS D%d_%s", i, a.Name, i, a.Name))
		}
	}
	for _, c := range infomart.FactColumns() {
		if !left[c.Name] {
			columns = append(columns, "f."+c.Name)
		}
	}
	for _, c := range infomart.ResourceColumns {
		columns = append(columns, "r."+c)
	}
	return "SELECT " + strings.Join(columns, ", ") + " FROM CALLBACK_FACT f" + joins.String() +
		" LEFT JOIN RESOURCE_ r ON r.RESOURCE_KEY = f.RESOURCE_KEY"
}

func (c *Contents) readStore(ctx context.Context, s store) error {
	c.Facts, c.Custom, c.Discards = map[string]infomart.Row{}, map[string]map[string]string{}, map[string]infomart.Row{}
	key := func(row infomart.Row) string { return fmt.Sprintf("%v/%v", row["SERVICE_ID"], row["EVENT_SEQUENCE"]) }
	for row, err := range s.Rows(ctx, factsWithDimensions()) {
		if err != nil {
			return err
		}
		if c.Facts[key(row)] != nil {
			return fmt.Errorf("two facts of %s", key(row))
		}
		c.Facts[key(row)] = row
	}
	source := map[any]string{} // UserEvents by PRODUCER_BATCH_ID
	for row, err := range s.AllFacts(ctx) {
		if err != nil {
			return err
		}
		source[row["PRODUCER_BATCH_ID"]] = key(row)
	}
	for row, err := range s.Discards(ctx) {
		if err != nil {
			return err
		}
		source[row["PRODUCER_BATCH_ID"]] = key(row)
		if c.Discards[key(row)] != nil {
			return fmt.Errorf("two discards of %s", key(row))
		}
		for _, column := range append([]string{"OFFSET_ID", "CREATED_TS"}, given...) { // where it lay, and when
			delete(row, column)
		}
		c.Discards[key(row)] = row
	}
	for data, err := range s.AllCustomData(ctx) {
		if err != nil {
			return err
		}
		of, ok := source[data.Source]
		if !ok || c.Custom[of] != nil {
			return fmt.Errorf("G_CUSTOM_DATA_S has %q twice, or of no fact and no discard: GSYS_SEQ %d", of, data.Source)
		}
		c.Custom[of] = data.Values
	}
	check, err := s.Check(ctx)
	if err == nil && check != (infomart.Check{}) {
		err = fmt.Errorf("the store is not sound: %+v", check)
	}
	return err
}
