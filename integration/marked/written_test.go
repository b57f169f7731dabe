//go:build realkafka && realpostgres && realregistry

package marked

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
)

// written is what was written outside the data path, by where.
type written map[string][]byte

func (w written) add(where string, text []byte) { w[where] = append(append(w[where], text...), '\n') }

// leaks looks for the marks, and tells where each was found.
func (w written) leaks(m *Marks) (all []string) {
	for where, text := range w {
		for _, leak := range m.In(text) {
			all = append(all, fmt.Sprintf("%s: %v", where, leak))
		}
	}
	return all
}

// health takes what a process tells on its admin port.
func (w written) health(ctx context.Context, t *testing.T, p *process.Process) {
	t.Helper()
	for _, url := range []string{p.Ready, strings.Replace(p.Ready, "/readyz", "/livez", 1), p.Metrics} {
		if url == "" {
			continue // the simulator has no metrics
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		require.NoError(t, err)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.NotEmpty(t, body, url)
		w.add(p.Name+req.URL.Path, body)
	}
}

// logs takes all that processes have printed.
func (w written) logs(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		w["log "+filepath.Base(file)] = text
	}
}

// letters takes the dead letters, without the records that they keep, and counts them by component and reason.
func (w written) letters(ctx context.Context, t *testing.T, of *world) map[string]int {
	t.Helper()
	records, err := of.read(ctx, topic.DeadLetters)
	require.NoError(t, err)
	count := map[string]int{}
	for i := range records {
		d, err := of.codec.ParseDeadLetter(ctx, &records[i])
		require.NoError(t, err)
		count[d.Component+" "+string(d.Reason)]++
		kept := *d
		kept.RecordKey, kept.RecordValue, kept.RecordHeaders = nil, nil, nil
		w.add("dead letters", fmt.Appendf(nil, "%+v", kept))
		if kept.ServiceID != nil {
			w.add("dead letters", []byte(*kept.ServiceID))
		}
	}
	return count
}

// dataTables hold what the marks are for. All other tables are searched.
var dataTables = []string{
	"callback_fact", "callback_dim_1", "callback_dim_2", "callback_dim_3", "callback_dim_4", "callback_dial_results", "resource_", "g_custom_data_s", "tenant", "date_time",
}

// tables takes every table of the store that is not the data path.
func (w written) tables(ctx context.Context, t *testing.T, url string) {
	t.Helper()
	conn, err := pgx.Connect(ctx, url)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(ctx)) }()
	rows, err := conn.Query(ctx, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'dbo' AND table_type = 'BASE TABLE' AND NOT table_name = ANY($1)", dataTables)
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Subset(t, names, []string{"ctl_audit_log", "stg_transform_discards", "ringback_position", "ringback_tserver_ledger"})
	for _, name := range names {
		rows, err := conn.Query(ctx, "SELECT t::text FROM dbo."+pgx.Identifier{name}.Sanitize()+" t")
		require.NoError(t, err)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		require.NotEmpty(t, lines, name)
		w["table "+name] = []byte(strings.Join(lines, "\n"))
	}
}

// all takes everything that the running services tell.
func (w written) all(ctx context.Context, t *testing.T, of *world) map[string]int {
	t.Helper()
	for _, p := range of.all {
		if p.Running() {
			w.health(ctx, t, p)
		}
	}
	w.add("spans", of.spans.bytes())
	w.logs(t, of.services.Logs)
	w.tables(ctx, t, of.services.Parts.Postgres)
	return w.letters(ctx, t, of)
}

// planted writes a mark where each kind of text is written from, and returns where it must be found: so the search is
// known to find a leak. Nothing of it is the services' doing.
func (w *world) planted(ctx context.Context, t *testing.T) (into written, where []string) {
	t.Helper()
	into = written{}
	line := func() string { return "level=ERROR msg=\"no such number: " + w.New("a planted leak") + "\"\n" }
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "planted.log"), append(bytes.Repeat([]byte("a line\n"), 100_000), line()...), 0o600))
	into.logs(t, dir)

	mux := http.NewServeMux()
	for _, path := range []string{"/readyz", "/livez", "/metrics"} {
		text := line()
		mux.HandleFunc(path, func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, text) })
	}
	url := serve(t, mux)
	into.health(ctx, t, process.New(process.Spec{Name: "planted", Ready: url + "/readyz", Metrics: url + "/metrics"}))

	w.spans.plant(ctx, t, line())
	into.add("spans", w.spans.bytes())

	letter, err := w.codec.DeadLetter(&callback.DeadLetter{Component: "planted", Topic: topic.Lifecycle, Reason: callback.ReasonInvalidField, Detail: line()})
	require.NoError(t, err)
	w.produce(ctx, t, []kafka.Record{letter}...)
	into.letters(ctx, t, w)

	conn, err := pgx.Connect(ctx, w.services.Parts.Postgres)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, `INSERT INTO dbo.STG_TRANSFORM_DISCARDS (TOPIC, PARTITION_ID, OFFSET_ID, REASON, DETAIL, CREATED_TS, CREATE_AUDIT_KEY, PRODUCER_BATCH_ID)
		VALUES ('planted', 0, 0, 'PLANTED', $1, 0, 0, 0)`, line())
	require.NoError(t, err)
	into.tables(ctx, t, w.services.Parts.Postgres)
	return into, []string{"log planted.log", "planted/readyz", "planted/livez", "planted/metrics", "spans", "dead letters", "table stg_transform_discards"}
}
