package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDeadLinks(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "docs/a"), 0o750))
	page := "# A: the `first`, and \"last\"\n## Two words\n" + fenced("sh", "# no heading\n")
	require.NoError(t, os.WriteFile(filepath.Join(root, "docs/p.md"), []byte(page), 0o600))

	good := "[a](docs/p.md) [b](docs/p.md#two-words) [c](docs/p.md#a-the-first-and-last) [d](docs/a) [e](https://a.example/#x) [f](#here)\n# Here\n" + fenced("text", "[g](gone)\n")
	require.NoError(t, deadLinks(root, "README.md", good))
	require.NoError(t, deadLinks(root, "docs/q.md", "[a](p.md#two-words) [b](../docs/p.md)"))
	for _, bad := range []string{"docs/gone.md", "docs/p.md#three-words", "docs/p.md#no-heading", "#there", "docs/a#x"} {
		require.ErrorContains(t, deadLinks(root, "README.md", "# Here\n[a]("+bad+")"), bad)
	}
}
