package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func fenced(info, text string) string { return "```" + info + "\n" + text + "```\n" }

func TestBlocks(t *testing.T) {
	t.Parallel()
	document := "# A\n<!-- docs-test: mkdir a -->\n" + fenced("sh background", "serve\n") + "text\n    goes on\n" + fenced("text output", "ready\n") +
		"1. Then:\n   ```sh\n   cat <<E\n     b\n   E\n   ```\n" + fenced("sh cluster", "helm\n") + fenced("sh tested-by=a/b", "c\n") + fenced("json", "{}\n")
	got, err := blocks(document)
	require.NoError(t, err)
	require.Equal(t, []block{
		{line: 2, kind: run, text: "mkdir a\n"},
		{line: 3, kind: background, text: "serve\n"},
		{line: 8, kind: output, text: "ready\n"},
		{line: 12, kind: run, text: "cat <<E\n  b\nE\n"},
		{line: 17, kind: cluster, text: "helm\n"},
		{line: 20, kind: elsewhere, by: "a/b", text: "c\n"},
		{line: 23, kind: other, text: "{}\n"},
	}, got)
}

func TestBlocksWithoutAClass(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ document, want string }{
		"no language":         {fenced("", "ls\n"), "names no language"},
		"unknown language":    {fenced("console", "$ ls\n"), "no kind of block"},
		"unknown mark":        {fenced("sh untested", "ls\n"), "no kind of block"},
		"no end":              {"```sh\nls\n", "does not end"},
		"output of nothing":   {fenced("text output", "a\n"), "of no block that is run"},
		"output of a cluster": {fenced("sh cluster", "a\n") + fenced("text output", "a\n"), "of no block that is run"},
		"silent background":   {fenced("sh background", "a\n") + fenced("sh", "b\n") + fenced("text output", "b\n"), "must show its output"},
		"indented":            {"text\n\n    ls\n", "line 3: the block is indented, not fenced: ls"},
		"indented by a tab":   {"text\n\n\tls\n", "not fenced"},
		"open comment":        {"<!-- docs-test: ls\n-->\n", "does not end on its line"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := blocks(c.document)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestTestedElsewhere(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "names"), []byte("awk docs/a.md"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(root, "repeats"), []byte("step make test\n"), 0o600))
	b := block{kind: elsewhere, by: "names", text: "x\n"}
	require.NoError(t, testedElsewhere(root, "docs/a.md", b))
	require.ErrorContains(t, testedElsewhere(root, "docs/b.md", b), `nor has "x"`)
	b = block{kind: elsewhere, by: "repeats", text: "make test    # all\n"}
	require.NoError(t, testedElsewhere(root, "docs/b.md", b))
	b.by = "gone"
	require.ErrorIs(t, testedElsewhere(root, "docs/b.md", b), os.ErrNotExist)
}

func TestMissingLine(t *testing.T) {
	t.Parallel()
	want := "Kafka at 127.0.0.1:9092\n\n3 rows\n"
	for name, c := range map[string]struct{ got, missing string }{
		"another port, more lines": {"new\nKafka at 127.0.0.1:40331  \nand\n3 rows\nmore\n", ""},
		"another number":           {"Kafka at 127.0.0.1:40331\n4 rows\n", "3 rows"},
		"another order":            {"3 rows\nKafka at 127.0.0.1:40331\n", "3 rows"},
		"nothing":                  {"", "Kafka at 127.0.0.1:PORT"},
	} {
		require.Equal(t, c.missing, missingLine(want, c.got), name)
	}
}

func TestReader(t *testing.T) {
	t.Parallel()
	r := newReader(t.TempDir(), t.TempDir(), []string{"PATH=/usr/bin:/bin"})
	document := fenced("sh", "export A=b\nf() { echo $A; }\nmkdir c\ncd c\n") + fenced("sh background", "echo ready on localhost:1\nexec cat <<E\n$A\nE\n") +
		fenced("text output", "ready on localhost:2222\n") + fenced("sh", "f\nbasename $PWD\n") + fenced("text output", "b\nc\n")
	all, err := blocks(document)
	require.NoError(t, err)
	require.NoError(t, r.read(t.Context(), all))

	for commands, want := range map[string]string{
		"false\ntrue\n":                  "exit status 1",
		"echo b\n```\n```text output\nd": `"d"`,
	} {
		all, err := blocks(fenced("sh", strings.TrimSuffix(commands, "\n")+"\n"))
		require.NoError(t, err)
		require.ErrorContains(t, newReader(t.TempDir(), t.TempDir(), nil).read(t.Context(), all), want)
	}
}
