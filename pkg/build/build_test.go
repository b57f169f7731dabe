package build

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/schemas"
)

func TestTheLinkersWordGoesBeforeTheBuilds(t *testing.T) {
	t.Parallel()
	built := &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}}}
	for name, tc := range map[string]struct {
		before Info
		built  *debug.BuildInfo
		want   Info
	}{
		"the linker said all":     {Info{Version: "v9", Commit: "def"}, built, Info{Version: "v9", Commit: "def"}},
		"the linker said nothing": {Info{Version: "unknown"}, built, Info{Version: "v1.2.3", Commit: "abc-modified"}},
		"nobody said anything":    {Info{Version: "unknown"}, &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, Info{Version: "unknown"}},
	} {
		got := tc.before
		got.from(tc.built)
		require.Equal(t, tc.want, got, name)
	}
}

func TestTheSchemasAreTheNewest(t *testing.T) {
	t.Parallel()
	i := Read("v1.2.3")
	require.Equal(t, runtime.Version(), i.Go)
	require.Len(t, i.Schemas, len(schemas.Names()))
	for _, s := range i.Schemas {
		_, newest, err := schemas.Latest(s.Name)
		require.NoError(t, err)
		require.Equal(t, newest, s.Version, s.Name)
		require.Contains(t, i.String(), s.Name+" v")
	}
}

// Names and labels of the metrics are API.
func TestMetricsGolden(t *testing.T) {
	t.Parallel()
	r := prometheus.NewRegistry()
	Info{Version: "v1.2.3", Commit: "abc", Go: "go1.26.0", Schemas: []Schema{{"user-event", 3}, {"lifecycle-event", 2}}}.Register(r)
	const golden = "testdata/metrics.golden"
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	got := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(got, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Equal(t, string(want), got.Body.String())
}

// What the linker is told arrives, in the package of that very name.
func TestTheLinkerSetsTheCommit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	main := filepath.Join(dir, "main.go")
	require.NoError(t, os.WriteFile(main, []byte(`package main

import (
	"os"

	"github.com/ringback/ringback/pkg/build"
)

var version = "unknown"

func main() { _ = build.Read(version).Print(os.Stdout, "it") }
`), 0o600))
	args := []string{"run"}
	if built, ok := debug.ReadBuildInfo(); ok && slices.Contains(built.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		args = append(args, "-race") // with the packages that this test was built of; others would be compiled for it alone
	}
	args = append(args, "-ldflags", "-X main.version=v7 -X github.com/ringback/ringback/pkg/build.commit=c0ffee", main)
	run := exec.CommandContext(t.Context(), "go", args...)
	out, err := run.CombinedOutput()
	require.NoError(t, err, string(out))
	require.True(t, strings.HasPrefix(string(out), "it v7\ncommit   c0ffee\nbuilt by go"), string(out))
}
