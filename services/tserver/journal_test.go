package tserver

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// put writes n messages of that size and returns the last number.
func put(t *testing.T, j *journal, n, size int) uint64 {
	t.Helper()
	var last uint64
	for range n {
		require.NoError(t, j.write(func(b []byte, seq *uint64) []byte {
			*seq++
			last = *seq
			b = fmt.Appendf(b, "@0: message EventACK\n\tAttributeEventSequenceNumber\t%016x\n", last)
			if size > 0 {
				b = fmt.Appendf(b, "\t\t'k'\t'%s'\n", strings.Repeat("x", size))
			}
			return b
		}))
	}
	return last
}

func reopen(t *testing.T, path string, maxBytes int64) *journal {
	t.Helper()
	j, err := openJournal(path, maxBytes)
	require.NoError(t, err)
	t.Cleanup(func() { _ = j.close() })
	return j
}

func TestSequenceGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"small messages": 0, "a message longer than a chunk": 200_000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "log")
			j := reopen(t, path, 0)
			require.Equal(t, uint64(1), put(t, j, 1, size))
			require.NoError(t, j.close())
			j = reopen(t, path, 0)
			require.Equal(t, uint64(3), put(t, j, 2, size))
			require.NoError(t, j.close())
			// Nothing was written since the last start but the banner.
			require.NoError(t, reopen(t, path, 0).close())
			require.Equal(t, uint64(4), put(t, reopen(t, path, 0), 1, size))
		})
	}
}

// The number is found wherever it lies to the chunks in which the file is read backwards.
func TestSequenceIsFoundAcrossChunks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for shift := range 60 {
		path := filepath.Join(dir, fmt.Sprint("log", shift))
		text := "@0: message EventACK\n\tAttributeEventSequenceNumber\t00000000000000ab\n"
		text += strings.Repeat("y", 64<<10-30+shift-len("\n")) + "\n"
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		seq, err := lastSequence(path)
		require.NoError(t, err)
		require.Equal(t, uint64(0xab), seq, shift)
	}
}

// A crash leaves a line unfinished, at any byte: it is cut off, and never taken for a number.
func TestTornLineIsCutOff(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	j := reopen(t, path, 0)
	put(t, j, 2, 10)
	require.NoError(t, j.close())
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	second := strings.LastIndex(string(whole), "@0")
	number := strings.LastIndex(string(whole), "0002\n") + len("0002\n")
	for end := second; end < len(whole); end++ {
		torn := filepath.Join(t.TempDir(), "log")
		require.NoError(t, os.WriteFile(torn, whole[:end], 0o600))
		j, err := openJournal(torn, 0)
		require.NoError(t, err)
		want := uint64(2)
		if end >= number {
			want = 3
		}
		require.Equal(t, want, put(t, j, 1, 0), "cut at %d", end)
		require.NoError(t, j.close())
		text, err := os.ReadFile(torn)
		require.NoError(t, err)
		kept := string(whole[:strings.LastIndexByte(string(whole[:end]), '\n')+1])
		require.Equal(t, kept+"-- "+Banner+"\n@0: message EventACK\n\tAttributeEventSequenceNumber\t"+fmt.Sprintf("%016x", want)+"\n", string(text))
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log[1]")
	require.NoError(t, os.WriteFile(path+".gz", nil, 0o600)) // no part of the log
	j := reopen(t, path, 1000)
	put(t, j, 3, 300)
	require.NoError(t, j.close())
	// A single message may be larger than the limit; no empty file is put aside.
	j = reopen(t, path, 1000)
	put(t, j, 2, 3000)
	require.NoError(t, j.close())
	parts, err := Parts(path)
	require.NoError(t, err)
	require.Equal(t, []string{path + ".000001", path + ".000002", path + ".000003", path}, parts)

	// The number goes on from what was put aside, too.
	require.NoError(t, os.Remove(path))
	seq, err := lastSequence(path)
	require.NoError(t, err)
	require.Equal(t, uint64(4), seq)
	j = reopen(t, path, 1000)
	require.Equal(t, uint64(5), put(t, j, 1, 0))

	// Somebody else has taken the file away.
	require.NoError(t, os.Rename(path, path+".old"))
	put(t, j, 1, 3000)
	require.FileExists(t, path)
}

func TestPartsOfManyFilesAreInOrder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	for _, name := range []string{".1000000", ".000002", ".999999", ".000010", ".12", ".00000x"} {
		require.NoError(t, os.WriteFile(path+name, nil, 0o600))
	}
	parts, err := Parts(path)
	require.NoError(t, err)
	require.Equal(t, []string{path + ".000002", path + ".000010", path + ".999999", path + ".1000000"}, parts)
}

// What cannot be written is not acknowledged; and what a failed write has left is gone before the next one.
func TestFailedWriteIsNotAcknowledgedAndLeavesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	j := reopen(t, path, 0)
	put(t, j, 1, 0)
	before, err := os.ReadFile(path)
	require.NoError(t, err)

	good := j.file
	j.file, err = os.Open(path) // cannot be written
	require.NoError(t, err)
	require.Error(t, j.write(func(b []byte, seq *uint64) []byte { return append(b, "lost\n"...) }))
	require.NoError(t, j.file.Close())
	j.file = good

	// As if a part of the batch had got into the file.
	_, err = good.WriteString("lo")
	require.NoError(t, err)
	j.torn = true
	require.NoError(t, j.write(func(b []byte, seq *uint64) []byte { return append(b, "kept\n"...) }))
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(before)+"kept\n", string(after))
}
