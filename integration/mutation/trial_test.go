package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A real test program says what each way to end looks like.
const program = `package p

import (
	"testing"
	"time"
)

func TestPasses(*testing.T)  {}
func TestFails(t *testing.T) { t.Fatal("it differs") }
func TestPanics(*testing.T)  { panic("no") }
func TestHangs(t *testing.T) { t.Error("it differs"); time.Sleep(time.Hour) }
`

func TestJudge(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module p\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "p_test.go"), []byte(program), 0o600))
	_, err := output(context.Background(), dir, "go", "test", "-c", "-vet=off", "-o", "p.test", ".")
	require.NoError(t, err)
	for run, c := range map[string]struct {
		killed, passed bool
		fault          string
	}{
		"TestPasses": {passed: true},
		"TestFails":  {killed: true},
		"TestPanics": {killed: true},
		"TestHangs":  {fault: "the tests did not end by their deadline"},
		"TestNone":   {fault: "no test of ./p is named TestNone"},
	} {
		out, err := exec.Command(filepath.Join(dir, "p.test"), "-test.run", run, "-test.v", "-test.timeout", "1s").CombinedOutput()
		v, err := judge(trial{Package: "./p", Run: run, Timeout: time.Second}, out, err, 0, "log")
		if c.fault != "" {
			require.ErrorContains(t, err, c.fault, run)
			continue
		}
		require.NoError(t, err, run)
		require.Equal(t, c.passed, v.passed, run)
		require.Equal(t, c.killed, !v.passed && v.said != "", run)
	}
	_, err = judge(trial{}, nil, errors.New("no such file"), 0, "log")
	require.ErrorContains(t, err, "no such file")
}
