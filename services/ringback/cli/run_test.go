package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/sqlite"
	"github.com/ringback/ringback/services/ringback/cli"
	"github.com/ringback/ringback/services/ringback/pipeline"
	"github.com/ringback/ringback/services/ringback/scenario"
)

// ringback runs a command and returns its exit code and what it printed.
func ringback(t testing.TB, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = cli.Run(t.Context(), "test", args, cli.IO{In: strings.NewReader(stdin), Out: &out, Err: &err, Env: config.Environment{}})
	return code, out.String(), err.String()
}

// runOnce runs ringback run --once and returns its summary.
func runOnce(t testing.TB, dir, stdin string, args ...string) pipeline.Summary {
	t.Helper()
	code, stdout, stderr := ringback(t, stdin, append([]string{"run", "--once", "--data", dir}, args...)...)
	require.Zero(t, code, stderr)
	var s pipeline.Summary
	dec := json.NewDecoder(strings.NewReader(stdout))
	dec.DisallowUnknownFields()
	require.NoError(t, dec.Decode(&s))
	require.False(t, dec.More(), "standard output holds ONE JSON object")
	requireBalance(t, &s)
	return s
}

// requireBalance holds invariant 2 against the counts of a run.
func requireBalance(t testing.TB, s *pipeline.Summary) {
	t.Helper()
	e := s.Enricher
	require.Equal(t, e.Read, e.Applied+e.AlreadyApplied+e.DeadLettered+e.Ticks, "enricher")
	for name, c := range map[string][4]int64{
		"infomart": {s.Infomart.Read, s.Infomart.Applied, s.Infomart.AlreadyApplied, s.Infomart.DeadLettered},
		"tserver":  {s.TServer.Read, s.TServer.Applied, s.TServer.AlreadyApplied, s.TServer.DeadLettered},
	} {
		require.Equal(t, c[0], c[1]+c[2]+c[3], name)
	}
}

func open(t testing.TB, dir string) *sqlite.Reader {
	t.Helper()
	r, err := sqlite.OpenReader(t.Context(), sqlite.Config{Path: pipeline.PathsOf(dir).Store})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

func lines(t testing.TB, name string) []string {
	t.Helper()
	raw, err := scenario.Lines(name)
	require.NoError(t, err)
	text := make([]string, len(raw))
	for i, line := range raw {
		text[i] = string(line)
	}
	return text
}

// requireLatest holds a row of CALLBACK_LATEST against the UserEvent it must show, column by column.
func requireLatest(t testing.TB, row infomart.Row, want *scenario.UserEvent) {
	t.Helper()
	for k := range callback.KVP(callback.NumKVPs) {
		info := k.Info()
		if info.Table == "" || strings.HasPrefix(info.Column, "RESOURCE_KEY") {
			continue
		}
		column, _, _ := strings.Cut(info.Column, ";")
		expected, ok := want.KVPs[info.Name]
		if !ok {
			expected = absent(info)
		}
		got, there := row[column]
		require.True(t, there, "CALLBACK_LATEST has no column %s", column)
		require.Equal(t, expected, got, "%s (%s) of %v", column, info.Name, row["SERVICE_ID"])
	}
	for column, expected := range want.Columns {
		require.Equal(t, expected, row[column], "%s of %v", column, row["SERVICE_ID"])
	}
	if name, ok := want.KVPs["_CB_DIM_VQ"]; ok {
		require.Equal(t, name, row["RESOURCE_NAME"])
	}
}

// absent is what a column holds where its KVP is absent.
func absent(info *callback.Info) any {
	switch {
	case info.Column == "TENANT_KEY":
		return int64(-1)
	case info.Kind != callback.String:
		return int64(0)
	case info.Table == "CALLBACK_FACT":
		return nil
	default:
		return "UNKNOWN"
	}
}

// requireScenario holds the store against the golden result. Where the lines came in
// lifecycle order, every UserEvent has its row; in another order only the last counts.
func requireScenario(t testing.TB, dir, name string, inOrder bool) {
	t.Helper()
	golden, err := scenario.Golden(name)
	require.NoError(t, err)
	store := open(t, dir)
	for i := range golden.Sessions {
		session := &golden.Sessions[i]
		latest := session.Latest()
		row, found, err := store.Latest(t.Context(), session.ServiceID)
		require.NoError(t, err)
		if latest == nil || len(latest.Missing) > 0 {
			require.False(t, found, "%s must have no row", session.ServiceID)
			continue
		}
		if !inOrder && session.Open {
			continue // START carries what was known when it was due
		}
		require.True(t, found, "%s has no row", session.ServiceID)
		requireLatest(t, row, latest)
		if !inOrder {
			continue
		}
		facts, err := store.Facts(t.Context(), session.ServiceID)
		require.NoError(t, err)
		require.Len(t, facts, len(session.UserEvents), session.ServiceID)
		for n, fact := range facts {
			require.EqualValues(t, session.UserEvents[n].Sequence, fact["EVENT_SEQUENCE"])
		}
	}
}

func TestEveryScenarioEndsAsItsGoldenResult(t *testing.T) {
	t.Parallel()
	for _, name := range append(scenario.Names(), scenario.Sample) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := lines(t, name)
			random := rand.New(rand.NewPCG(1, uint64(len(in))))

			dir := t.TempDir()
			first := runOnce(t, dir, strings.Join(in, "\n"), "--import", "-")
			require.EqualValues(t, len(in), first.Files[0].Events)
			requireScenario(t, dir, name, true)
			code, stdout, _ := ringback(t, "", "verify", "--data", dir)
			require.Zero(t, code, stdout)
			if name != scenario.Sample {
				return // the sample is all of them: it is repeated and shuffled for all
			}
			again := runOnce(t, dir, strings.Join(in, "\n"), "--import", "-")
			require.Zero(t, again.Enricher.Applied, "the same file again is no news")
			require.Equal(t, first.Store, again.Store)

			shuffled := append(append([]string(nil), in...), in[:len(in)/2]...)
			random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			shuffled = slices.DeleteFunc(shuffled, conflicting(in))
			dir = t.TempDir()
			runOnce(t, dir, strings.Join(shuffled, "\n"), "--import", "-")
			requireScenario(t, dir, name, false)
		})
	}
}

// conflicting reports whether a line has the id of another with other content: of
// two such events the first to come stays, so that their order would count.
func conflicting(in []string) func(string) bool {
	key := func(line string) string {
		var e struct{ ID, Source string }
		if json.Unmarshal([]byte(line), &e) != nil {
			return line
		}
		return e.Source + "\x00" + e.ID
	}
	first := map[string]string{}
	for _, line := range in {
		if _, ok := first[key(line)]; !ok {
			first[key(line)] = line
		}
	}
	return func(line string) bool { return first[key(line)] != line }
}

func TestInLifecycleOrderEveryEndedSessionHasExactlyTwoRows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(t.TempDir(), "events.jsonl")
	f, err := os.Create(file)
	require.NoError(t, err)
	counts, err := scenario.Generate(11, 300, f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	s := runOnce(t, dir, "", "--import", file)
	require.EqualValues(t, counts.Events, s.Enricher.Applied)
	require.EqualValues(t, 2*counts.Sessions, s.Store.CallbackFact)
	require.EqualValues(t, counts.Sessions, s.Store.Final)
	store := open(t, dir)
	dispositions := map[string]int{}
	for row, err := range store.AllLatest(t.Context()) {
		require.NoError(t, err)
		require.EqualValues(t, 2, row["EVENT_SEQUENCE"])
		require.EqualValues(t, 1, row["FINAL_RECORD"])
		dispositions[row["DISPOSITION"].(string)]++
	}
	require.Equal(t, counts.Dispositions, dispositions)
}

func TestARefusedLineIsNamedAndItsNeighboursGoOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := lines(t, "immediate")
	bad := []string{
		`not json`,
		`{"specversion":"1.0","id":"1","source":"/x","type":"callback.teleported","subject":"s","time":"2026-03-02T09:00:00Z"}`,
		`{"specversion":"1.0","id":"2","source":"/x","type":"callback.offered","subject":"s","time":1772442000000}`,
		`{"specversion":"1.0","id":"3","source":"/x","type":"callback.offered","subject":"s","time":"2026-03-02T09:00:00Z","data":{"ewt":"long"}}`,
		`{"specversion":"1.0","id":"4","source":"/x","type":"callback.offered","subject":"s","time":"2099-03-02T09:00:00Z"}`,
		"{\"specversion\":\"1.0\",\"id\":\"5\",\"source\":\"/x\",\"type\":\"callback.offered\",\"subject\":\"s\\u0000t\",\"time\":\"2026-03-02T09:00:00Z\"}",
		`{"specversion":"1.0","id":"6","source":"/x","type":"callback.offered","subject":"s","time":"2026-03-02T09:00:00Z","data":{"customer_ani":"` + strings.Repeat("5", 2<<20) + `"}}`,
		string([]byte{0xff, 0xfe, 0x00, 0x01}),
	}
	mixed := append(append(append([]string(nil), in[:2]...), bad...), in[2:]...)
	code, stdout, stderr := ringback(t, strings.Join(mixed, "\n"), "run", "--once", "--data", dir, "--import", "-")
	require.Zero(t, code, stderr)
	var s pipeline.Summary
	require.NoError(t, json.Unmarshal([]byte(stdout), &s))
	require.EqualValues(t, len(in), s.Files[0].Events)
	require.EqualValues(t, len(bad), s.Files[0].Refused)
	for i := range bad {
		require.Contains(t, stderr, fmt.Sprintf("-, line %d: ", i+3))
	}
	requireScenario(t, dir, "immediate", true)

	code, list, _ := ringback(t, "", "deadletters", "list", "--data", dir)
	require.Zero(t, code)
	require.Equal(t, 1+len(bad), strings.Count(list, "\n"))
	for _, reason := range []callback.Reason{callback.ReasonNotCloudEvent, callback.ReasonUnknownType, callback.ReasonInvalidField, callback.ReasonFutureTime} {
		require.Contains(t, list, string(reason))
	}
	id := regexp.MustCompile(`import/-#[0-9a-f]{8}/0/6`).FindString(list)
	code, one, _ := ringback(t, "", "deadletters", "show", id, "--data", dir)
	require.Zero(t, code)
	require.Contains(t, one, "ewt")
	require.Contains(t, one, `"record_value": "{\"specversion\"`)
	require.NotContains(t, one, "base64")
	id = regexp.MustCompile(`import/-#[0-9a-f]{8}/0/10`).FindString(list)
	_, one, _ = ringback(t, "", "deadletters", "show", id, "--data", dir)
	require.Contains(t, one, `"record_value_base64": "//4AAQ=="`)
	require.NotContains(t, one, `"record_value"`)

	again := runOnce(t, dir, strings.Join(mixed, "\n"), "--import", "-")
	require.EqualValues(t, len(bad), again.Files[0].Refused)
	_, list2, _ := ringback(t, "", "deadletters", "list", "--data", dir)
	require.Equal(t, strings.Count(list, "\n"), strings.Count(list2, "\n"), "the same line is one dead letter")
}

func TestMisuseIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "never-made")
	compressed := filepath.Join(t.TempDir(), "events.jsonl.gz")
	require.NoError(t, os.WriteFile(compressed, []byte("\x1f\x8b\x08\x00"), 0o600))
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no such file":    {[]string{"run", "--once", "--data", dir, "--import", "/nowhere.jsonl"}, "/nowhere.jsonl"},
		"a directory":     {[]string{"run", "--once", "--data", dir, "--import", "/"}, "is a directory"},
		"compressed":      {[]string{"run", "--once", "--data", dir, "--import", compressed}, "gunzip -c"},
		"no address":      {[]string{"run", "--data", dir, "--addr", "nonsense"}, "--addr: must be host:port"},
		"no admin port":   {[]string{"run", "--data", dir, "--admin-addr", "127.0.0.1:port"}, "--admin-addr: must be host:port"},
		"no such flag":    {[]string{"run", "--wonce"}, "wonce"},
		"no data":         {[]string{"verify", "--data", dir}, "holds no store"},
		"no topics":       {[]string{"deadletters", "list", "--data", dir}, "holds no topics"},
		"nothing running": {[]string{"import", "--data", dir, os.Args[0]}, "no pipeline runs in"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := ringback(t, "", c.args...)
			require.Equal(t, cli.ExitMisusage, code, stderr)
			require.Contains(t, stderr, c.says)
			require.NoDirExists(t, dir)
		})
	}
}
