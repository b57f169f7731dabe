package guide

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// docs/metrics.md lists every metric that the golden lists freeze, once, with what it means, and no other;
// the alerts that it names are there.
func TestMetricsPageIsComplete(t *testing.T) {
	t.Parallel()
	const root = "../../.."
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		return string(text)
	}
	frozen := map[string]int{}
	var lists []string
	for _, pattern := range []string{"services/*/testdata/metrics.golden", "pkg/*/testdata/metrics.golden", "pkg/*/*/testdata/metrics.golden"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		lists = append(lists, found...)
	}
	require.Len(t, lists, 7)
	name := regexp.MustCompile(`(?m)^(?:# HELP |Desc\{fqName: ")?(ringback_[a-z_]+)`)
	for _, list := range lists {
		text, err := os.ReadFile(list)
		require.NoError(t, err)
		for _, m := range name.FindAllStringSubmatch(string(text), -1) {
			frozen[m[1]] = 1
		}
	}
	page := read("docs/metrics.md")
	listed := map[string]int{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(ringback_[a-z_]+)` \\| [^|]*\\| [^|]+\\| [^|]+\\| [^|]*\\|$").FindAllStringSubmatch(page, -1) {
		listed[m[1]]++
	}
	require.Equal(t, frozen, listed)

	rules := read("deploy/prometheus/alerts.yaml")
	for _, alert := range regexp.MustCompile(`\bRingback[A-Z][A-Za-z]+`).FindAllString(page, -1) {
		require.Contains(t, rules, "alert: "+alert+"\n")
	}
}
