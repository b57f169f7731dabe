package storetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/infomart"
)

// testColumns: the migrated tables have the columns of the schema, no more and no less.
func testColumns(t *testing.T, b *bundle) {
	b.apply(t, Batch(nil, UserEvent("s1", 1, false)))
	var fact []string
	for _, c := range infomart.FactColumns() {
		fact = append(fact, c.Name)
	}
	rows := b.db.Rows(t, "SELECT * FROM CALLBACK_FACT")
	require.ElementsMatch(t, fact, slices.Collect(maps.Keys(rows[0])))

	latest := append(slices.Clone(fact), infomart.ResourceColumns...)
	for _, d := range infomart.Dimensions() {
		names := []string{"ID", "CREATE_AUDIT_KEY"}
		for _, a := range d.Attributes {
			names = append(names, a.Name)
		}
		latest = append(latest, names[2:]...)
		rows := b.db.Rows(t, "SELECT * FROM "+d.Table)
		require.ElementsMatch(t, names, slices.Collect(maps.Keys(rows[0])), d.Table)
	}
	require.ElementsMatch(t, latest, slices.Collect(maps.Keys(b.latest(t, "s1"))))

	rows = b.db.Rows(t, "SELECT * FROM DATE_TIME LIMIT 1")
	require.ElementsMatch(t, append(slices.Clone(infomart.DateTimeColumns), "CREATE_AUDIT_KEY", "UPDATE_AUDIT_KEY"), slices.Collect(maps.Keys(rows[0])))
	for _, table := range infomart.Tables() {
		require.Contains(t, b.counts(t).Tables, table)
	}
}

// testDefaults: a column that is left out has its documented default, and none that is
// mandatory can be NULL.
func testDefaults(t *testing.T, b *bundle) {
	insert := func(service string, leaveOut func(infomart.Column) bool, null string) error {
		var names, values []string
		for _, c := range infomart.FactColumns() {
			if leaveOut(c) {
				continue
			}
			value := "7"
			if c.Type == infomart.Text {
				value = "'" + service + "'"
			}
			if c.Name == null {
				value = "NULL"
			}
			names, values = append(names, c.Name), append(values, value)
		}
		return b.db.Exec(fmt.Sprintf("INSERT INTO CALLBACK_FACT (%s) VALUES (%s)", strings.Join(names, ", "), strings.Join(values, ", ")))
	}
	hasDefault := func(c infomart.Column) bool { return c.Default != nil || !c.NotNull }
	require.NoError(t, insert("s", hasDefault, ""))
	row := b.db.Rows(t, "SELECT * FROM CALLBACK_FACT")[0]
	for _, c := range infomart.FactColumns() {
		if hasDefault(c) {
			require.Equal(t, c.Default, row[c.Name], c.Name)
		}
	}
	none := func(infomart.Column) bool { return false }
	for i, c := range infomart.FactColumns() {
		err := insert(fmt.Sprintf("s%d", i), none, c.Name)
		require.Equal(t, c.NotNull, err != nil, c.Name)
	}
	require.NoError(t, b.db.Exec("DELETE FROM CALLBACK_FACT"))
}
