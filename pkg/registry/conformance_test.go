package registry_test

import (
	"crypto/rand"
	"fmt"
	"math"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/sr"

	embedded "github.com/ringback/ringback/pkg/embedded/registry"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/schemas"
)

func TestEmbeddedRegistryConforms(t *testing.T) {
	t.Parallel()
	server, err := embedded.Start(embedded.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	conformance(t, server.URL())
}

// conformance holds a registry to what Ringback needs of one, and the client to what it makes of the answers. Every
// subject is new, so that the registry may hold others.
func conformance(t *testing.T, at string) {
	for name, test := range map[string]func(*testing.T, *bundle){
		"register and look up":        registerAndLookUp,
		"ids":                         ids,
		"versions":                    versions,
		"FULL_TRANSITIVE":             fullTransitive,
		"codes":                       codes,
		"every version of every one":  everySchema,
		"many at once":                manyAtOnce,
		"outages":                     outages,
		"the other address of a list": otherAddress,
		"compatibility":               compatibility,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, err := sr.NewClient(sr.URLs(at))
			require.NoError(t, err)
			subject := "conformance-" + rand.Text() + "-value"
			set := api.SetCompatibility(t.Context(), sr.SetCompatibility{Level: sr.CompatFullTransitive}, subject)
			if set[0].Err != nil { // some take a setting only for a subject that is there
				require.Equal(t, sr.CompatFullTransitive, api.Compatibility(t.Context())[0].Level, "%v", set[0].Err)
			}
			test(t, &bundle{at: at, api: api, client: newClient(t, at), subject: subject})
		})
	}
}

type bundle struct {
	at      string
	api     *sr.Client
	client  *registry.Client
	subject string // that nobody has used, and that must stay FULL_TRANSITIVE
}

// record is a schema of its own for each name.
func record(name, fields string) string {
	return fmt.Sprintf(`{"type":"record","name":%q,"fields":[%s]}`, name, fields)
}

const (
	optionalA = `{"name":"a","type":["null","int"],"default":null}`
	optionalB = `{"name":"b","type":["null","string"],"default":null}`
	requiredB = `{"name":"b","type":"int"}`
	defaultB  = `{"name":"b","type":"int","default":0}`
)

func (b *bundle) name() string { return "R" + rand.Text() }

func (b *bundle) register(t *testing.T, schema string) int {
	t.Helper()
	id, err := b.client.Register(t.Context(), b.subject, schema)
	require.NoError(t, err)
	require.Positive(t, id)
	return id
}

func registerAndLookUp(t *testing.T, b *bundle) {
	schema := record(b.name(), "")
	id := b.register(t, schema)
	require.Equal(t, id, b.register(t, schema), "registering again changes nothing")
	got, err := newClient(t, b.at).SchemaByID(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, schema, got)
	found, err := b.api.LookupSchema(t.Context(), b.subject, sr.Schema{Schema: schema})
	require.NoError(t, err)
	require.Equal(t, id, found.ID)
	require.Equal(t, 1, found.Version)
}

// One schema has one id, whatever its subject; two have two.
func ids(t *testing.T, b *bundle) {
	name := b.name()
	first, second := b.register(t, record(name, "")), b.register(t, record(name, optionalA))
	require.NotEqual(t, first, second)
	elsewhere, err := b.client.Register(t.Context(), "other-"+b.subject, record(name, ""))
	require.NoError(t, err)
	require.Equal(t, first, elsewhere)
	require.Equal(t, second, b.register(t, record(name, optionalA)))
}

func versions(t *testing.T, b *bundle) {
	name := b.name()
	texts := []string{record(name, ""), record(name, optionalA), record(name, optionalA+","+optionalB)}
	for i, text := range texts {
		id := b.register(t, text)
		got, err := b.api.SchemaByVersion(t.Context(), b.subject, i+1)
		require.NoError(t, err)
		require.Equal(t, id, got.ID)
		require.Equal(t, text, got.Schema.Schema)
		latest, err := b.api.SchemaByVersion(t.Context(), b.subject, -1)
		require.NoError(t, err)
		require.Equal(t, i+1, latest.Version)
	}
	have, err := b.api.SubjectVersions(t.Context(), b.subject)
	require.NoError(t, err)
	require.Equal(t, []int{1, 2, 3}, have)
}

// Under FULL_TRANSITIVE each version reads, and is read by, every other; who breaks that is told where.
func fullTransitive(t *testing.T, b *bundle) {
	name := b.name()
	b.register(t, record(name, ""))
	b.register(t, record(name, defaultB))
	b.register(t, record(name, optionalA))
	for what, fields := range map[string]string{
		"a field without a default":     optionalA + "," + requiredB,
		"another type than the latest":  `{"name":"a","type":"string","default":""}`,
		"another type than an old one":  optionalA + "," + optionalB,
		"a type that only reads or not": `{"name":"a","type":["null","int","string"],"default":null}`,
	} {
		t.Run(what, func(t *testing.T) {
			id, err := b.client.Register(t.Context(), b.subject, record(name, fields))
			require.Error(t, err, "it was accepted as id %d", id)
			require.Equal(t, fault.Misconfiguration, fault.ClassOf(err), "%v", err)
			require.ErrorContains(t, err, "ncompatible")
			require.ErrorContains(t, err, "409")
			require.ErrorContains(t, err, b.subject)
			checked, err := b.api.CheckCompatibility(t.Context(), b.subject, -1, sr.Schema{Schema: record(name, fields)})
			require.NoError(t, err)
			if what != "another type than an old one" { // the newest alone would allow it
				require.False(t, checked.Is)
			}
		})
	}
	have, err := b.api.SubjectVersions(t.Context(), b.subject)
	require.NoError(t, err)
	require.Equal(t, []int{1, 2, 3}, have, "what is refused leaves nothing")
}

// The codes that tell one 404 from another, and what is refused for good from what is not there.
func codes(t *testing.T, b *bundle) {
	schema := record(b.name(), "")
	b.register(t, schema)
	other := map[string]string{"schema": record(b.name(), "")}
	for what, tc := range map[string]struct {
		method, path string
		body         any
		status, code int
	}{
		"unknown id":               {"GET", fmt.Sprintf("/schemas/ids/%d", math.MaxInt32), nil, 404, 40403},
		"unknown subject":          {"GET", "/subjects/no-" + b.subject + "/versions", nil, 404, 40401},
		"unknown version":          {"GET", "/subjects/" + b.subject + "/versions/99", nil, 404, 40402},
		"look-up, unknown subject": {"POST", "/subjects/no-" + b.subject, other, 404, 40401},
		"look-up, unknown schema":  {"POST", "/subjects/" + b.subject, other, 404, 40403},
		"not a schema":             {"POST", "/subjects/" + b.subject + "/versions", map[string]string{"schema": `{`}, 422, 42201},
		"a schema that makes no sense": {"POST", "/subjects/" + b.subject + "/versions",
			map[string]string{"schema": `{"type":"record","name":"R","fields":[{"name":"a","type":"whole"}]}`}, 422, 42201},
	} {
		t.Run(what, func(t *testing.T) {
			var re *sr.ResponseError
			require.ErrorAs(t, b.api.Do(t.Context(), tc.method, tc.path, tc.body, nil), &re)
			require.Equal(t, tc.status, re.StatusCode, re.Message)
			require.Equal(t, tc.code, re.ErrorCode, re.Message)
		})
	}
	_, err := b.client.SchemaByID(t.Context(), math.MaxInt32)
	require.ErrorIs(t, err, registry.ErrUnknownSchema)
	_, err = b.client.Register(t.Context(), b.subject, `{`)
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err), "%v", err)
}

// Ringback's own schemas, as they follow each other.
func everySchema(t *testing.T, b *bundle) {
	for _, name := range schemas.Names() {
		versions, err := schemas.Versions(name)
		require.NoError(t, err)
		for _, version := range versions {
			text, err := schemas.Text(name, version)
			require.NoError(t, err)
			id, err := b.client.Register(t.Context(), name+"-"+b.subject, text)
			require.NoError(t, err)
			got, err := newClient(t, b.at).SchemaByID(t.Context(), id)
			require.NoError(t, err)
			require.JSONEq(t, text, got)
		}
	}
}

// All services start at once, against a registry that knows nothing yet: none may be told that its schema is refused.
func manyAtOnce(t *testing.T, b *bundle) {
	schema := record(b.name(), "")
	got := make([]int, 16)
	errs := make([]error, len(got))
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			for {
				got[i], errs[i] = b.client.Register(t.Context(), b.subject, schema)
				if fault.ClassOf(errs[i]) != fault.Outage || t.Context().Err() != nil {
					return // an outage is repeated, as the services do
				}
			}
		})
	}
	wg.Wait()
	for i := range got {
		require.NoError(t, errs[i])
		require.Equal(t, got[0], got[i])
	}
	have, err := b.api.SubjectVersions(t.Context(), b.subject)
	require.NoError(t, err)
	require.Equal(t, []int{1}, have)
}

// front stands before a registry and answers in its place, as a proxy whose registry is away does.
type front struct {
	status atomic.Int32 // 0 lets requests pass, -1 cuts the connection
	pass   http.Handler
}

func newFront(t *testing.T, at string) (*front, string) {
	t.Helper()
	to, err := url.Parse(at)
	require.NoError(t, err)
	f := &front{pass: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}}
	return f, serve(t, f.ServeHTTP).URL
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch status := f.status.Load(); status {
	case 0:
		f.pass.ServeHTTP(w, r)
	case -1:
		panic(http.ErrAbortHandler)
	default:
		w.WriteHeader(int(status))
	}
}

// Invariant 7: away is not unknown, and what was refused in an outage is taken after it.
func outages(t *testing.T, b *bundle) {
	schema := record(b.name(), "")
	id := b.register(t, schema)
	f, at := newFront(t, b.at)
	c := newClient(t, at)
	next := record(b.name(), optionalA)
	for _, status := range []int32{-1, 500, 502, 503, 504, 429} {
		f.status.Store(status)
		_, err := c.SchemaByID(t.Context(), id)
		require.Equal(t, fault.Outage, fault.ClassOf(err), "%v", err)
		require.NotErrorIs(t, err, registry.ErrUnknownSchema)
		_, err = c.Register(t.Context(), "next-"+b.subject, next)
		require.Equal(t, fault.Outage, fault.ClassOf(err), "%v", err)
	}
	f.status.Store(0)
	got, err := c.SchemaByID(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, schema, got)
	_, err = c.Register(t.Context(), "next-"+b.subject, next)
	require.NoError(t, err)
	// What is known of an id is known for good: an outage does not touch it.
	f.status.Store(503)
	_, err = c.SchemaByID(t.Context(), id)
	require.NoError(t, err)
}

// Where several addresses are given, one that is ill or hangs does not keep from the others.
func otherAddress(t *testing.T, b *bundle) {
	f, ill := newFront(t, b.at)
	c := newClient(t, ill+","+b.at)
	for i, status := range []int32{503, -1, 500} {
		f.status.Store(status)
		schema := record(b.name(), "")
		id, err := c.Register(t.Context(), fmt.Sprintf("%s-%d", b.subject, i), schema)
		require.NoError(t, err)
		got, err := newClient(t, ill+","+b.at).SchemaByID(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, schema, got)
	}
}
