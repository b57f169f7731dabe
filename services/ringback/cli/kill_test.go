package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/services/ringback/cli"
	"github.com/ringback/ringback/services/ringback/scenario"
)

const asCommand = "RINGBACK_TEST_AS_COMMAND"

// TestMain lets the test binary be ringback itself, so that a process can be killed.
func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		os.Exit(cli.Run(context.Background(), "test", os.Args[1:], cli.IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: config.Environment{}}))
	}
	os.Exit(m.Run())
}

// kill runs ringback run --once on the input and kills it with SIGKILL once it has read that share of it.
func kill(t *testing.T, dir string, input []byte, share float64) {
	t.Helper()
	c := exec.Command(os.Args[0], "run", "--once", "--data", dir, "--import", "-")
	c.Env = append(os.Environ(), asCommand+"=1")
	stdin, err := c.StdinPipe()
	require.NoError(t, err)
	stderr := watch("")
	c.Stderr = stderr
	require.NoError(t, c.Start())
	// A write returns once all but the pipe's own buffer has been read.
	_, err = io.Copy(stdin, bytes.NewReader(input[:int(share*float64(len(input)))]))
	require.NoError(t, err, stderr.String())
	require.NoError(t, c.Process.Kill())
	_ = c.Wait()
	_ = stdin.Close()
}

// Killed in the middle and run again, the result is what one run gives (invariants 2 to 6).
func TestKilledAndRunAgainGivesWhatOneRunGives(t *testing.T) {
	t.Parallel()
	const sessions = 120
	var input bytes.Buffer
	w := bufio.NewWriter(&input)
	counts, err := scenario.Generate(5, sessions, w)
	require.NoError(t, err)
	require.NoError(t, w.Flush())

	once := t.TempDir()
	want := runOnce(t, once, input.String(), "--import", "-")
	require.EqualValues(t, counts.Events, want.Enricher.Applied)

	dir := t.TempDir()
	for _, share := range []float64{0.1, 0.5, 0.9, 1} {
		kill(t, dir, input.Bytes(), share)
	}
	got := runOnce(t, dir, input.String(), "--import", "-")
	// It also reads what the killed runs had written and not dealt with.
	require.GreaterOrEqual(t, got.Enricher.Applied+got.Enricher.AlreadyApplied, int64(counts.Events))
	require.Equal(t, want.Store, got.Store)
	require.Equal(t, facts(t, once), facts(t, dir))
	code, report, _ := ringback(t, "", "verify", "--data", dir)
	require.Zero(t, code, report)
}

// facts are all rows of CALLBACK_LATEST, without what says when and by which batch they were written.
func facts(t *testing.T, dir string) []string {
	t.Helper()
	var rows []string
	for row, err := range open(t, dir).AllLatest(t.Context()) {
		require.NoError(t, err)
		rows = append(rows, describe(row))
	}
	slices.Sort(rows)
	return rows
}

func describe(row infomart.Row) string {
	var parts []string
	for column, value := range row {
		switch column {
		case "ADDED_TS", "DS_AUDIT_KEY", "CREATE_AUDIT_KEY", "UPDATE_AUDIT_KEY", "PRODUCER_BATCH_ID",
			"CALLBACK_DIM_1_KEY", "CALLBACK_DIM_2_KEY", "CALLBACK_DIM_3_KEY", "CALLBACK_DIM_4_KEY", "CALLBACK_DIAL_RESULTS_KEY", "RESOURCE_KEY":
		default:
			parts = append(parts, fmt.Sprintf("%s=%v", column, value))
		}
	}
	slices.Sort(parts)
	return fmt.Sprint(parts)
}
