package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/ringback/ringback/pkg/fault"
)

func start(t testing.TB, dir string) (*Server, *sr.Client) {
	t.Helper()
	s, err := Start(Config{Dir: dir})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	c, err := sr.NewClient(sr.URLs(s.URL()))
	require.NoError(t, err)
	return s, c
}

func avroSchema(fields string) sr.Schema {
	return sr.Schema{Schema: `{"type":"record","name":"R","fields":[` + fields + `]}`, Type: sr.TypeAvro}
}

var (
	empty    = avroSchema(``)
	optional = avroSchema(`{"name":"a","type":["null","int"],"default":null}`)
	required = avroSchema(`{"name":"a","type":"int"}`)
	text     = avroSchema(`{"name":"a","type":"string"}`)
)

func requireCode(t *testing.T, err error, status, code int) {
	t.Helper()
	var re *sr.ResponseError
	require.ErrorAs(t, err, &re)
	require.Equal(t, status, re.StatusCode, re.Message)
	require.Equal(t, code, re.ErrorCode, re.Message)
	require.NotEmpty(t, re.Message)
}

func TestRegisterAndRead(t *testing.T) {
	t.Parallel()
	_, c := start(t, t.TempDir())
	ctx := t.Context()

	first, err := c.CreateSchema(ctx, "t-value", empty)
	require.NoError(t, err)
	require.Equal(t, 1, first.ID)
	require.Equal(t, 1, first.Version)
	again, err := c.CreateSchema(ctx, "t-value", sr.Schema{Schema: " { \"name\" : \"R\", \"fields\":[], \"type\":\"record\" } "})
	require.NoError(t, err)
	require.Equal(t, 1, again.ID, "white space and the order of keys make no other schema")
	second, err := c.CreateSchema(ctx, "t-value", optional)
	require.NoError(t, err)
	require.Equal(t, 2, second.ID)
	require.Equal(t, 2, second.Version)
	elsewhere, err := c.CreateSchema(ctx, "a/b c-value", empty)
	require.NoError(t, err)
	require.Equal(t, 1, elsewhere.ID, "a schema has one id in all subjects")

	s, err := c.SchemaByID(ctx, 2)
	require.NoError(t, err)
	require.Equal(t, optional.Schema, s.Schema)
	require.Equal(t, sr.TypeAvro, s.Type)
	body, err := c.SchemaTextByID(ctx, 2)
	require.NoError(t, err)
	require.Equal(t, optional.Schema, body)
	subjects, err := c.Subjects(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"a/b c-value", "t-value"}, subjects)
	versions, err := c.SubjectVersions(ctx, "t-value")
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, versions)
	latest, err := c.SchemaByVersion(ctx, "t-value", -1)
	require.NoError(t, err)
	require.Equal(t, sr.SubjectSchema{Subject: "t-value", Version: 2, ID: 2, Schema: sr.Schema{Schema: optional.Schema}}, latest)
	body, err = c.SchemaTextByVersion(ctx, "t-value", 1)
	require.NoError(t, err)
	require.Equal(t, empty.Schema, body)
	found, err := c.LookupSchema(ctx, "t-value", optional)
	require.NoError(t, err)
	require.Equal(t, 2, found.Version)
	uses, err := c.SchemaVersionsByID(ctx, 1)
	require.NoError(t, err)
	require.Equal(t, []sr.SubjectVersion{{Subject: "a/b c-value", Version: 1}, {Subject: "t-value", Version: 1}}, uses)
	names, err := c.SubjectsByID(ctx, 1)
	require.NoError(t, err)
	require.Equal(t, []string{"a/b c-value", "t-value"}, names)
	all, err := c.AllSchemas(ctx)
	require.NoError(t, err)
	require.Len(t, all, 3)
	all, err = c.AllSchemas(sr.WithParams(ctx, sr.LatestOnly, sr.SubjectPrefix("t-")))
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, 2, all[0].Version)
	types, err := c.SupportedTypes(ctx)
	require.NoError(t, err)
	require.Equal(t, []sr.SchemaType{sr.TypeAvro}, types)
	references, err := c.SchemaReferences(ctx, "t-value", 1)
	require.NoError(t, err)
	require.Empty(t, references)
	contexts, err := c.Contexts(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"."}, contexts)
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	_, c := start(t, t.TempDir())
	ctx := t.Context()
	_, err := c.SchemaByID(ctx, 1)
	requireCode(t, err, 404, 40403)
	_, err = c.SubjectVersions(ctx, "s")
	requireCode(t, err, 404, 40401)
	_, err = c.SchemaByVersion(ctx, "s", 1)
	requireCode(t, err, 404, 40401)
	_, err = c.LookupSchema(ctx, "s", empty)
	requireCode(t, err, 404, 40401)
	_, err = c.CreateSchema(ctx, "s", empty)
	require.NoError(t, err)
	_, err = c.SchemaByVersion(ctx, "s", 2)
	requireCode(t, err, 404, 40402)
	_, err = c.LookupSchema(ctx, "s", optional)
	requireCode(t, err, 404, 40403)
	err = c.Do(ctx, http.MethodGet, "/subjects/s/versions/none", nil, nil)
	requireCode(t, err, 422, 42202)
	err = c.Do(ctx, http.MethodGet, "/nothing/here", nil, nil)
	requireCode(t, err, 404, 404)
	err = c.Do(ctx, http.MethodGet, "/schemas/ids/x", nil, nil)
	requireCode(t, err, 404, 404)
}

func TestRefusesSchemas(t *testing.T) {
	t.Parallel()
	_, c := start(t, t.TempDir())
	ctx := t.Context()
	for name, tc := range map[string]struct {
		schema sr.Schema
		code   int
	}{
		"no JSON":          {sr.Schema{Schema: "nope{"}, 42201},
		"no Avro":          {sr.Schema{Schema: `{"type":"nope"}`}, 42201},
		"empty":            {sr.Schema{}, 42201},
		"JSON schema":      {sr.Schema{Schema: `{}`, Type: sr.TypeJSON}, 42201},
		"with a reference": {sr.Schema{Schema: empty.Schema, References: []sr.SchemaReference{{Name: "x", Subject: "y", Version: 1}}}, 42201},
		"too large":        {sr.Schema{Schema: strings.Repeat(" ", MaxBody)}, 42209},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := c.RegisterSchema(ctx, "s", tc.schema, -1, -1)
			requireCode(t, err, 422, tc.code)
			_, err = c.CheckCompatibility(ctx, "s", -2, tc.schema)
			requireCode(t, err, 422, tc.code)
		})
	}
	_, err := c.RegisterSchema(ctx, "s", empty, 77, -1)
	requireCode(t, err, 422, 42205)
	_, err = c.RegisterSchema(ctx, "s", empty, 0, 3)
	requireCode(t, err, 422, 42202)
	_, err = c.RegisterSchema(ctx, strings.Repeat("s", 2000), empty, -1, -1)
	requireCode(t, err, 422, 42208)
	subjects, err := c.Subjects(ctx)
	require.NoError(t, err)
	require.Empty(t, subjects, "what was refused left no trace")
}

func TestCompatibility(t *testing.T) {
	t.Parallel()
	// second may follow first where the level asks for no more than is true of them.
	for _, tc := range []struct {
		name          string
		first, second sr.Schema
		back, forward bool // second reads first; first reads second
	}{
		{"an optional field is added", empty, optional, true, true},
		{"a required field is added", empty, required, false, true},
		{"a required field is dropped", required, empty, true, false},
		{"a type is changed", required, text, false, false},
		{"a type is widened", required, avroSchema(`{"name":"a","type":"long"}`), true, false},
	} {
		for _, level := range levels {
			t.Run(tc.name+"/"+level, func(t *testing.T) {
				t.Parallel()
				_, c := start(t, t.TempDir())
				ctx := t.Context()
				var l sr.CompatibilityLevel
				require.NoError(t, l.UnmarshalText([]byte(level)))
				require.NoError(t, c.SetCompatibility(ctx, sr.SetCompatibility{Level: l}, "s")[0].Err)
				_, err := c.CreateSchema(ctx, "s", tc.first)
				require.NoError(t, err)
				want := level == "NONE" ||
					(strings.HasPrefix(level, "BACKWARD") && tc.back) || (strings.HasPrefix(level, "FORWARD") && tc.forward) ||
					(strings.HasPrefix(level, "FULL") && tc.back && tc.forward)
				for _, version := range []int{1, -1, -2} {
					got, err := c.CheckCompatibility(sr.WithParams(ctx, sr.Verbose), "s", version, tc.second)
					require.NoError(t, err)
					require.Equal(t, want, got.Is)
					require.Equal(t, want, len(got.Messages) == 0, "%v", got.Messages)
				}
				_, err = c.CreateSchema(ctx, "s", tc.second)
				if want {
					require.NoError(t, err)
				} else {
					requireCode(t, err, 409, 409)
				}
			})
		}
	}
}

func TestTransitive(t *testing.T) {
	t.Parallel()
	// The third cannot read the first: a was a number there. Between them it is gone.
	for level, want := range map[string]bool{"BACKWARD": true, "BACKWARD_TRANSITIVE": false} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			_, c := start(t, t.TempDir())
			ctx := t.Context()
			var l sr.CompatibilityLevel
			require.NoError(t, l.UnmarshalText([]byte(level)))
			require.NoError(t, c.SetCompatibility(ctx, sr.SetCompatibility{Level: l})[0].Err)
			for _, s := range []sr.Schema{required, empty} {
				_, err := c.CreateSchema(ctx, "s", s)
				require.NoError(t, err)
			}
			_, err := c.CreateSchema(ctx, "s", avroSchema(`{"name":"a","type":"string","default":""}`))
			if want {
				require.NoError(t, err)
			} else {
				requireCode(t, err, 409, 409)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	_, c := start(t, t.TempDir())
	ctx := t.Context()
	global := c.Compatibility(ctx)[0]
	require.NoError(t, global.Err)
	require.Equal(t, sr.CompatFullTransitive, global.Level)
	requireCode(t, c.Compatibility(ctx, "s")[0].Err, 404, 40408)
	requireCode(t, c.ResetCompatibility(ctx, "s")[0].Err, 404, 40408)
	own := c.Compatibility(sr.WithParams(ctx, sr.DefaultToGlobal), "s")[0]
	require.Equal(t, sr.CompatFullTransitive, own.Level)
	require.NoError(t, c.SetCompatibility(ctx, sr.SetCompatibility{Level: sr.CompatBackward}, "s")[0].Err)
	require.NoError(t, c.SetCompatibility(ctx, sr.SetCompatibility{Level: sr.CompatNone})[0].Err)
	require.Equal(t, sr.CompatBackward, c.Compatibility(ctx, "s")[0].Level)
	require.Equal(t, sr.CompatNone, c.Compatibility(ctx)[0].Level)
	require.Equal(t, sr.CompatBackward, c.ResetCompatibility(ctx, "s")[0].Level)
	requireCode(t, c.Compatibility(ctx, "s")[0].Err, 404, 40408)
	require.NoError(t, c.ResetCompatibility(ctx)[0].Err)
	require.Equal(t, sr.CompatFullTransitive, c.Compatibility(ctx)[0].Level)
	requireCode(t, c.Do(ctx, http.MethodPut, "/config", map[string]string{"compatibility": "SOME"}, nil), 422, 42203)
	subjects, err := c.Subjects(ctx)
	require.NoError(t, err)
	require.Empty(t, subjects, "a setting alone makes no subject")
}

func TestMode(t *testing.T) {
	t.Parallel()
	_, c := start(t, t.TempDir())
	ctx := t.Context()
	require.Equal(t, sr.ModeReadWrite, c.Mode(ctx)[0].Mode)
	requireCode(t, c.Mode(ctx, "s")[0].Err, 404, 40409)
	require.NoError(t, c.SetMode(ctx, sr.ModeReadOnly, "s")[0].Err)
	_, err := c.CreateSchema(ctx, "s", empty)
	requireCode(t, err, 422, 42205)
	_, err = c.CreateSchema(ctx, "other", empty)
	require.NoError(t, err)
	require.NoError(t, c.ResetMode(ctx, "s")[0].Err)
	_, err = c.CreateSchema(ctx, "s", empty)
	require.NoError(t, err)
	override := map[string]string{"mode": "READONLY_OVERRIDE"}
	require.NoError(t, c.Do(ctx, http.MethodPut, "/mode", override, nil))
	_, err = c.CreateSchema(ctx, "s", optional)
	requireCode(t, err, 422, 42205)
	_, err = c.DeleteSubject(ctx, "s", sr.SoftDelete)
	requireCode(t, err, 422, 42205)
	_, err = c.CreateSchema(ctx, "s", empty)
	require.NoError(t, err, "what is registered already is found in every mode")
	require.NoError(t, c.Do(ctx, http.MethodDelete, "/mode", nil, nil)) // sr does not know the mode that it answers
	require.Equal(t, sr.ModeReadWrite, c.Mode(ctx)[0].Mode)
	requireCode(t, c.SetMode(ctx, sr.ModeImport)[0].Err, 422, 42204)
	requireCode(t, c.Do(ctx, http.MethodPut, "/mode/s", override, nil), 422, 42204)
}

func TestDelete(t *testing.T) {
	t.Parallel()
	_, c := start(t, t.TempDir())
	ctx := t.Context()
	for _, s := range []sr.Schema{empty, optional} {
		_, err := c.CreateSchema(ctx, "s", s)
		require.NoError(t, err)
	}
	_, err := c.DeleteSubject(ctx, "none", sr.SoftDelete)
	requireCode(t, err, 404, 40401)
	_, err = c.DeleteSubject(ctx, "s", sr.HardDelete)
	requireCode(t, err, 404, 40405)
	requireCode(t, c.DeleteSchema(ctx, "s", 2, sr.HardDelete), 404, 40407)
	require.NoError(t, c.DeleteSchema(ctx, "s", -1, sr.SoftDelete))
	requireCode(t, c.DeleteSchema(ctx, "s", 2, sr.SoftDelete), 404, 40406)
	versions, err := c.SubjectVersions(ctx, "s")
	require.NoError(t, err)
	require.Equal(t, []int{1}, versions)
	versions, err = c.SubjectVersions(sr.WithParams(ctx, sr.ShowDeleted), "s")
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, versions)
	require.NoError(t, c.DeleteSchema(ctx, "s", 2, sr.HardDelete))

	back, err := c.CreateSchema(ctx, "s", optional)
	require.NoError(t, err)
	require.Equal(t, 2, back.ID, "an id is for good")
	require.Equal(t, 3, back.Version, "the number of a version is not used again")

	gone, err := c.DeleteSubject(ctx, "s", sr.SoftDelete)
	require.NoError(t, err)
	require.Equal(t, []int{1, 3}, gone)
	_, err = c.DeleteSubject(ctx, "s", sr.SoftDelete)
	requireCode(t, err, 404, 40404)
	_, err = c.SubjectVersions(ctx, "s")
	requireCode(t, err, 404, 40401)
	gone, err = c.DeleteSubject(ctx, "s", sr.HardDelete)
	require.NoError(t, err)
	require.Equal(t, []int{1, 3}, gone)
	_, err = c.SchemaByID(ctx, 2)
	require.NoError(t, err, "records with that id may still be there")
	back, err = c.CreateSchema(ctx, "s", text)
	require.NoError(t, err, "nothing is left to be compatible with")
	require.Equal(t, 3, back.ID)
}

// Whoever reads an id, before or after a restart, gets the same schema.
func TestSurvivesRestart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a[") // no pattern
	s, c := start(t, dir)
	ctx := t.Context()
	_, err := c.CreateSchema(ctx, "s", empty)
	require.NoError(t, err)
	_, err = c.CreateSchema(ctx, "s", optional)
	require.NoError(t, err)
	require.NoError(t, c.SetCompatibility(ctx, sr.SetCompatibility{Level: sr.CompatNone}, "s")[0].Err)
	require.NoError(t, s.Close())

	// What a killed process left half-written beside the file does no harm, and goes.
	require.NoError(t, os.WriteFile(filepath.Join(dir, fileName+".123"), []byte(`{"format":1,"sch`), 0o644))
	_, c = start(t, dir)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	got, err := c.SchemaByID(ctx, 2)
	require.NoError(t, err)
	require.Equal(t, optional.Schema, got.Schema)
	require.Equal(t, sr.CompatNone, c.Compatibility(ctx, "s")[0].Level)
	next, err := c.CreateSchema(ctx, "s", text)
	require.NoError(t, err)
	require.Equal(t, 3, next.ID)
	require.Equal(t, 3, next.Version)
}

// A change that could not be written was not made, and is not answered as made.
func TestFailedWriteChangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, c := start(t, dir)
	ctx := t.Context()
	_, err := c.CreateSchema(ctx, "s", empty)
	require.NoError(t, err)
	s.store.dir = filepath.Join(dir, "gone")
	_, err = c.CreateSchema(ctx, "s", optional)
	requireCode(t, err, 500, 50001)
	_, err = c.SchemaByID(ctx, 2)
	requireCode(t, err, 404, 40403)
	s.store.dir = dir
	got, err := c.CreateSchema(ctx, "s", optional)
	require.NoError(t, err)
	require.Equal(t, 2, got.ID)
}

func TestDamagedFile(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"no JSON":           `{"format":1`,
		"another format":    `{"format":2}`,
		"an id without one": `{"format":1,"schemas":[],"subjects":{"s":{"versions":[{"version":1,"id":1}],"last":1}}}`,
		"versions twice":    `{"format":1,"schemas":["{}"],"subjects":{"s":{"versions":[{"version":1,"id":1},{"version":1,"id":1}],"last":1}}}`,
		"a null subject":    `{"format":1,"subjects":{"s":null}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, fileName)
			require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
			_, err := Start(Config{Dir: dir})
			require.ErrorContains(t, err, path)
			require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
			left, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, content, string(left), "a damaged file is left for its owner")
		})
	}
}

func TestPortTaken(t *testing.T) {
	t.Parallel()
	s, _ := start(t, t.TempDir())
	var port int
	_, err := fmt.Sscanf(s.addr, "127.0.0.1:%d", &port)
	require.NoError(t, err)
	_, err = Start(Config{Dir: t.TempDir(), Port: port})
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
}

// However many register the same schemas at once, each has one id.
func TestConcurrentRegistration(t *testing.T) {
	t.Parallel()
	_, c := start(t, t.TempDir())
	var wg sync.WaitGroup
	ids := make([]int, 40)
	for i := range ids {
		wg.Go(func() {
			schema := avroSchema(fmt.Sprintf(`{"name":"f%d","type":["null","int"],"default":null}`, i%4))
			id, err := c.RegisterSchema(context.Background(), fmt.Sprintf("s%d", i%3), schema, -1, -1)
			if err == nil {
				ids[i] = id
			}
		})
	}
	wg.Wait()
	for i := range ids {
		require.NotZero(t, ids[i])
		require.Equal(t, ids[i%4], ids[i])
		require.LessOrEqual(t, ids[i], 4)
	}
}

func FuzzHandler(f *testing.F) {
	for i, body := range []string{`{"schema":"{\"type\":\"record\",\"name\":\"R\",\"fields\":[]}"}`, `{"schema":1}`, `{"compatibility":"NONE"}`, `{"mode":"READONLY"}`, `[`, `{} {}`} {
		f.Add(uint8(i), "subject", []byte(body))
	}
	st, err := openStore(f.TempDir())
	require.NoError(f, err)
	handler := (&Server{store: st}).Handler()
	targets := []struct{ method, path string }{
		{"POST", "/subjects/%s/versions"}, {"POST", "/subjects/%s"}, {"PUT", "/config/%s"}, {"PUT", "/mode/%s"},
		{"POST", "/compatibility/subjects/%s/versions"}, {"POST", "/compatibility/subjects/%s/versions/latest"}, {"PUT", "/config"},
		{"GET", "/subjects/s/versions/%s"}, {"GET", "/schemas/ids/%s"}, {"DELETE", "/subjects/s/versions/%s"},
	}
	f.Fuzz(func(t *testing.T, which uint8, name string, body []byte) {
		target := targets[int(which)%len(targets)]
		r := httptest.NewRequest(target.method, "http://registry/", bytes.NewReader(body))
		r.URL = r.URL.JoinPath(strings.Split(fmt.Sprintf(target.path, "\x00"), "\x00")[0], name, strings.Split(fmt.Sprintf(target.path, "\x00"), "\x00")[1])
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code >= 300 && w.Code < 400 {
			return // the mux cleans a path
		}
		require.Less(t, w.Code, 500, "%s", w.Body)
		var answer any
		raw, err := io.ReadAll(w.Body)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(raw, &answer), "%s", raw)
		if w.Code != 200 {
			require.Contains(t, answer, "error_code")
			require.Contains(t, answer, "message")
		}
		require.NoError(t, st.read().check())
	})
}
