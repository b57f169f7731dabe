package registry_test

import (
	"context"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	embedded "github.com/ringback/ringback/pkg/embedded/registry"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/registry"
)

const schema = `{"type":"record","name":"R","fields":[]}`

func newClient(t *testing.T, url string) *registry.Client {
	t.Helper()
	c, err := registry.New(registry.Config{URL: url, Timeout: 5 * time.Second})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func TestRegisterAndLookUp(t *testing.T) {
	t.Parallel()
	server, err := embedded.Start(embedded.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	c := newClient(t, server.URL())
	id, err := c.Register(t.Context(), "s-value", schema)
	require.NoError(t, err)
	again, err := c.Register(t.Context(), "s-value", schema)
	require.NoError(t, err)
	require.Equal(t, id, again)

	got, err := newClient(t, server.URL()).SchemaByID(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, schema, got)
	_, err = c.SchemaByID(t.Context(), id+1)
	require.ErrorIs(t, err, registry.ErrUnknownSchema)

	_, err = c.Register(t.Context(), "s-value", `{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`)
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	require.ErrorContains(t, err, "incompatible")
	_, err = c.Register(t.Context(), "s-value", `{`)
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))

	// What is known of an id holds for good: no registry is asked for it.
	require.NoError(t, server.Close())
	got, err = c.SchemaByID(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, schema, got)
	// Invariant 7: what is not known is not therefore bad.
	_, err = c.SchemaByID(t.Context(), id+1)
	require.Equal(t, fault.Outage, fault.ClassOf(err))
	require.NotErrorIs(t, err, registry.ErrUnknownSchema)
}

// Invariant 7: an answer that is not the registry's own word on the id is an outage.
func TestClassesOfAnswers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		body   string
		class  fault.Class
		is     error
	}{
		"unknown id":                {404, `{"error_code":40403,"message":"Schema 7 not found"}`, fault.Bug, registry.ErrUnknownSchema},
		"404 of something else":     {404, `<html>not here</html>`, fault.Outage, nil},
		"404 with another code":     {404, `{"error_code":40401,"message":"Subject not found"}`, fault.Outage, nil},
		"500":                       {500, `{"error_code":50001,"message":"store"}`, fault.Outage, nil},
		"503 of a proxy":            {503, strings.Repeat("x", 10_000), fault.Outage, nil},
		"429":                       {429, ``, fault.Outage, nil},
		"401":                       {401, `{"error_code":401,"message":"Unauthorized"}`, fault.Misconfiguration, nil},
		"403":                       {403, ``, fault.Misconfiguration, nil},
		"200 that is no JSON":       {200, `<html>welcome</html>`, fault.Outage, nil},
		"200 without a schema":      {200, `{}`, fault.Outage, nil},
		"a schema of another type":  {200, `{"schema":"{}","schemaType":"JSON"}`, fault.Bug, registry.ErrUnsupportedSchema},
		"a schema with a reference": {200, `{"schema":"{}","references":[{"name":"a","subject":"b","version":1}]}`, fault.Bug, registry.ErrUnsupportedSchema},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tc.status)
				_, _ = w.Write([]byte(tc.body))
			})
			_, err := newClient(t, s.URL).SchemaByID(t.Context(), 7)
			require.Error(t, err)
			require.Equal(t, tc.class, fault.ClassOf(err), "%v", err)
			if tc.is != nil {
				require.ErrorIs(t, err, tc.is)
			}
			require.Less(t, len(err.Error()), 1000)
		})
	}
}

func TestRegisterWithoutAnID(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) })
	_, err := newClient(t, s.URL).Register(t.Context(), "s", schema)
	require.Equal(t, fault.Outage, fault.ClassOf(err))
}

func TestTimeoutIsAnOutage(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	c, err := registry.New(registry.Config{URL: s.URL, Timeout: 20 * time.Millisecond})
	require.NoError(t, err)
	_, err = c.SchemaByID(t.Context(), 1)
	require.Equal(t, fault.Outage, fault.ClassOf(err))
	_, err = c.Register(t.Context(), "s", schema)
	require.Equal(t, fault.Outage, fault.ClassOf(err))
}

// Many who ask for one id at once are one request; one who goes away fails none of the others.
func TestConcurrentLookupsAreOneRequest(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	asked, release := make(chan struct{}, 100), make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		asked <- struct{}{}
		<-release
		_, _ = w.Write([]byte(`{"schema":"\"int\""}`))
	})
	c := newClient(t, s.URL)

	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := c.SchemaByID(ctx, 5)
		left <- err
	}()
	<-asked
	var wg sync.WaitGroup
	var failed atomic.Int32
	for range 20 {
		wg.Go(func() {
			if got, err := c.SchemaByID(context.Background(), 5); err != nil || got != `"int"` {
				failed.Add(1)
			}
		})
	}
	leave()
	err := <-left
	require.Equal(t, fault.Outage, fault.ClassOf(err))
	require.True(t, errors.Is(err, context.Canceled))
	close(release)
	wg.Wait()
	require.Zero(t, failed.Load())
	require.EqualValues(t, 1, requests.Load())
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "ringback" || password != "s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"schema":"\"int\""}`))
	})
	file := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(file, []byte("s3cret\n"), 0o600))
	c, err := registry.New(registry.Config{URL: s.URL, Username: "ringback", PasswordFile: file})
	require.NoError(t, err)
	_, err = c.SchemaByID(t.Context(), 1)
	require.NoError(t, err)
}

func TestMisconfigurations(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	noPEM := filepath.Join(dir, "ca.pem")
	require.NoError(t, os.WriteFile(noPEM, []byte("x"), 0o600))
	for name, cfg := range map[string]registry.Config{
		"no URL":           {URL: " , "},
		"no password file": {URL: "http://r", Username: "u"},
		"no user name":     {URL: "http://r", PasswordFile: noPEM},
		"no CA file":       {URL: "http://r", CAFile: filepath.Join(dir, "none")},
		"no certificate":   {URL: "http://r", CAFile: noPEM},
		"a secret in it":   {URL: "http://user:s3cret@r"},
		"no scheme":        {URL: "registry:8081"},
		"another scheme":   {URL: "http://r,tcp://r:8081"},
		"no host":          {URL: "http:///r"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := registry.New(cfg)
			require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
			require.NotContains(t, err.Error(), "s3cret", "invariant 10")
		})
	}
}

func TestTrustsTheCA(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"schema":"\"int\""}`)) }))
	t.Cleanup(s.Close)
	_, err := newClient(t, s.URL).SchemaByID(t.Context(), 1)
	require.Equal(t, fault.Outage, fault.ClassOf(err), "a certificate of a stranger")
	file := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(file, pemOf(s), 0o600))
	c, err := registry.New(registry.Config{URL: s.URL, CAFile: file})
	require.NoError(t, err)
	_, err = c.SchemaByID(t.Context(), 1)
	require.NoError(t, err)
}

func pemOf(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}
