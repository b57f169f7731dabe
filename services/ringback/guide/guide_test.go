package guide

import (
	"bytes"
	"context"
	"database/sql"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/sqlite"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/services/ringback/scenario"
)

const document = "../../../docs/infomart-reader.md"

var update = flag.Bool("update", false, "write the guide's results anew from what SQLite gives")

// The guide's queries on SQLite, the file attached under the name dbo as the guide has it.
func TestQueriesOnSQLite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "infomart.db")
	store, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	require.NoError(t, err)
	fill(t, store)
	require.NoError(t, store.Close())

	db, err := sql.Open("sqlite", ":memory:")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	db.SetMaxOpenConns(1) // what is attached is the connection's
	_, err = db.ExecContext(t.Context(), "ATTACH ? AS dbo", path)
	require.NoError(t, err)
	tryQueries(t, db, "sqlite")
}

// fill applies what the sample scenario comes to.
func fill(t *testing.T, store infomart.Store) {
	t.Helper()
	golden, err := scenario.Golden(scenario.Sample)
	require.NoError(t, err)
	b := infomart.Batch{PositionKey: infomart.PositionKey{Group: "guide", Topic: topic.UserEvents}}
	missing := 0
	for _, s := range golden.Sessions {
		for i := range s.UserEvents {
			u := userEvent(t, &s.UserEvents[i])
			if len(s.UserEvents[i].Missing) > 0 {
				missing++
			}
			arrival := time.Date(2026, 3, 3, 8, 0, 0, 0, time.UTC)
			b.Inputs = append(b.Inputs, infomart.Input{Event: u, AddedTS: arrival.Unix(), Offset: int64(len(b.Inputs))})
		}
	}
	n := int64(len(b.Inputs))
	b.To = infomart.Position{Next: n, LastOffset: n - 1, LastTime: time.UnixMilli(0)}
	result, err := store.Apply(t.Context(), b, func(context.Context, []infomart.Rejection) error { return nil })
	require.NoError(t, err)
	require.Equal(t, int(n)-missing, result.Applied)
	require.Len(t, result.Rejected, missing)
	require.Positive(t, missing, "the sample has a UserEvent that makes no fact")
}

func userEvent(t *testing.T, g *scenario.UserEvent) *callback.UserEvent {
	t.Helper()
	u := &callback.UserEvent{Sequence: g.Sequence, Cause: callback.Cause(g.Cause), LogicVersion: 1}
	for name, value := range g.KVPs {
		k, ok := callback.KVPByName(name)
		require.True(t, ok, name)
		switch v := value.(type) {
		case int64:
			u.KVPs.SetInt(k, v, -1)
		case string:
			u.KVPs.SetStr(k, v, -1)
		default:
			t.Fatalf("%s is a %T", name, value)
		}
	}
	column := func(name string) *int64 {
		v := g.Columns[name]
		return &v
	}
	u.DesiredTime, u.PushDeliveryConfirmed = column("DESIRED_TIME_TS"), column("PUSH_DELIVERY_CONFIRMED_TS")
	u.CustomerReadyToStartIxn = column("CUSTOMER_READY_TO_START_IXN_TS")
	return u
}

// query is a block of SQL in the guide, and the result beneath it.
type query struct {
	line          int
	language      string // sql, or the one database it is for
	text          string
	result        string
	from, through int // bytes of the result in the guide; both 0 without one
}

// queries reads the guide's blocks. A block of text that follows one of SQL, with nothing between, is its result.
func queries(t *testing.T, guide string) []query {
	t.Helper()
	var all []query
	var open *query // the block that we are in
	var result bool
	at, after := 0, false // after: the last block was SQL, and only blank lines followed
	for n, line := range strings.SplitAfter(guide, "\n") {
		text := strings.TrimSuffix(line, "\n")
		switch {
		case open != nil && text == "```":
			if result {
				last := &all[len(all)-1]
				last.from, last.through, last.result = open.from, at, open.text
			} else {
				all = append(all, *open)
			}
			open, after, result = nil, !result, false
		case open != nil:
			open.text += line
		case strings.HasPrefix(text, "```"):
			language := strings.TrimPrefix(text, "```")
			result = language == "text" && after
			if result || slices.Contains([]string{"sql", "sqlite", "postgresql"}, language) {
				open = &query{line: n + 1, language: language, from: at + len(line)}
			}
		case text != "":
			after = false
		}
		at += len(line)
	}
	require.Nil(t, open, "a block does not end")
	require.Greater(t, len(all), 10, "the guide has queries")
	return all
}

func tryQueries(t *testing.T, db *sql.DB, database string) {
	content, err := os.ReadFile(document)
	require.NoError(t, err)
	all := queries(t, string(content))
	results := 0
	for i := len(all) - 1; i >= 0; i-- { // from the end, so that places stay where they are when results are written
		q := all[i]
		if q.language != "sql" && q.language != database {
			continue
		}
		got, rows := ask(t, db, q)
		require.Positive(t, rows, "%s:%d: the query finds nothing", document, q.line)
		if q.through == 0 {
			continue
		}
		results++
		if *update && database == "sqlite" {
			content = slices.Concat(content[:q.from], []byte(got), content[q.through:])
			continue
		}
		require.Equal(t, q.result, got, "%s:%d: the result is another: -update writes it", document, q.line)
	}
	require.Greater(t, results, 5, "the guide shows results")
	if *update && database == "sqlite" {
		require.NoError(t, os.WriteFile(document, content, 0o644))
	}
}

// ask runs a query and writes its rows as the guide does.
func ask(t *testing.T, db *sql.DB, q query) (table string, n int) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), q.text)
	require.NoError(t, err, "%s:%d: %s", document, q.line, q.text)
	defer rows.Close()
	names, err := rows.Columns()
	require.NoError(t, err)
	for i := range names {
		names[i] = strings.ToUpper(names[i])
	}
	lines := [][]string{names}
	for ; rows.Next(); n++ {
		values, into := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		require.NoError(t, rows.Scan(into...))
		line := make([]string, len(names))
		for i, v := range values {
			line[i] = v.String
		}
		lines = append(lines, line)
	}
	require.NoError(t, rows.Err())
	widths := make([]int, len(names))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], len(cell))
		}
	}
	var b bytes.Buffer
	for _, line := range lines {
		for i, cell := range line {
			line[i] = fmt.Sprintf("%-*s", widths[i], cell)
		}
		b.WriteString(strings.TrimRight(strings.Join(line, "  "), " ") + "\n")
	}
	return b.String(), n
}
