package cli_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/intake"
	"github.com/ringback/ringback/services/ringback/cli"
)

// An import outlasts a producer that cannot write just now, says what it waits for, and counts nothing twice.
func TestImportWaitsForAProducerThatCannotWrite(t *testing.T) {
	t.Parallel()
	const token = "4f0c9be1d2a7"
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch n := asked.Add(1); {
		case r.Header.Get("Authorization") != "Bearer "+token:
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{}`)
		case n == 1:
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, `{"status":503,"code":"UNAVAILABLE","detail":"Kafka is away."}`)
		case n == 2:
			w.WriteHeader(http.StatusMultiStatus)
			fmt.Fprint(w, `{"accepted":1,"events":[{"index":0,"status":202},{"index":1,"status":429,"problem":{"code":"QUEUE_FULL","detail":"Later."}}]}`)
		default:
			w.WriteHeader(http.StatusAccepted)
			fmt.Fprint(w, `{"accepted":2,"events":[{"index":0,"status":202},{"index":1,"status":202}]}`)
		}
	}))
	t.Cleanup(server.Close)
	tokens := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(tokens, []byte("# who may write\n\n"+token+"\t101 sales desk\nanother\n"), 0o600))

	code, _, stderr := ringback(t, "{}\n{}\n", "import", "--url", server.URL, "--token-file", tokens, "-")
	require.Zero(t, code, stderr)
	require.Contains(t, stderr, "waiting   the producer answered 503 UNAVAILABLE: Kafka is away.\n")
	require.Contains(t, stderr, "waiting   the producer answered 429 QUEUE_FULL: Later.\n")
	require.Contains(t, stderr, "imported  -: 2 accepted, 0 refused\n")
	require.EqualValues(t, 3, asked.Load())
}

// A line that would spoil the batch it is in is refused alone, whatever is wrong with it.
func TestImportSendsNoLineThatSpoilsItsBatch(t *testing.T) {
	t.Parallel()
	var events atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		elements, refusal := intake.Split(body, 1000)
		if refusal != nil {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"status":400,"code":"NOT_A_CLOUDEVENT","detail":%q}`, refusal.Error())
			return
		}
		events.Add(int64(len(elements)))
		fates := make([]string, len(elements))
		for i := range fates {
			fates[i] = fmt.Sprintf(`{"index":%d,"status":202}`, i)
		}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, `{"accepted":%d,"events":[%s]}`, len(fates), strings.Join(fates, ","))
	}))
	t.Cleanup(server.Close)
	tokens := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(tokens, []byte("4f0c9be1d2a7\n"), 0o600))
	bad := []string{"{},{}", "]", `{"a":`, "{\"a\":\"\x01\"}", strings.Repeat("[", 31) + "{}" + strings.Repeat("]", 31), strings.Repeat("[", 500) + strings.Repeat("]", 500), "01", "nul"}
	good := []string{"{}", "7", strings.Repeat("[", 30) + "{}" + strings.Repeat("]", 30)}
	var input []string
	for i, line := range bad {
		input = append(input, line, good[i%len(good)])
	}
	code, _, stderr := ringback(t, strings.Join(input, "\n"), "import", "--url", server.URL, "--token-file", tokens, "-")
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, stderr, fmt.Sprintf("imported  -: %d accepted, %d refused\n", len(bad), len(bad)))
	require.EqualValues(t, len(bad), events.Load())
}

func TestImportNamesATokenFileWithoutAToken(t *testing.T) {
	t.Parallel()
	tokens := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(tokens, []byte("# none\n"), 0o600))
	code, _, stderr := ringback(t, "", "import", "--url", "http://127.0.0.1:1", "--token-file", tokens, "-")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "holds no token")
}

// A fault of the configuration is told, once, before anything is written.
func TestFaultsOfTheConfigurationAreToldOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "never-made")
	for variable, fault := range map[string]string{"ENRICHER_SETTLE": "x", "ENRICHER_SETTEL": "5s", "ENRICHER_SESSION_TIMEOUT": "-1s"} {
		var stderr strings.Builder
		code := cli.Run(t.Context(), "test", []string{"run", "--once", "--data", dir},
			cli.IO{In: strings.NewReader(""), Out: io.Discard, Err: &stderr, Env: config.Environment{variable: fault}})
		require.Equal(t, cli.ExitMisusage, code, stderr.String())
		require.Equal(t, 1, strings.Count(stderr.String(), variable+":"), stderr.String())
		require.NoDirExists(t, dir)
	}
}

// The exit codes are API.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for line, says := range map[string]string{
		"nonsense":                     `ringback has no command "nonsense"`,
		"runn":                         "did you mean run?",
		"deadletters lst":              `ringback deadletters has no command "lst"; did you mean list?`,
		"deadletters show":             "ringback deadletters show ID",
		"run extra":                    "ringback run",
		"import":                       "ringback import FILE...",
		"import nowhere.jsonl":         "import: open nowhere.jsonl: no such file",
		"run --once --import nowhere":  "--import: open nowhere: no such file",
		"run --onec":                   "unknown flag",
		"verify --data " + dir:         "holds no store",
		"deadletters list --data /nix": "/nix holds no topics",
	} {
		code, stdout, stderr := ringback(t, "", strings.Fields(line)...)
		require.Equal(t, 2, code, line)
		require.Contains(t, stderr, says, line)
		require.Empty(t, stdout, line)
	}
	for _, line := range []string{"", "deadletters", "help", "run --help"} {
		code, stdout, _ := ringback(t, "", strings.Fields(line)...)
		require.Zero(t, code, line)
		require.Contains(t, stdout, "Usage:", line)
	}
	_, stop := live(t, dir)
	code, stdout, stderr := ringback(t, "", "run", "--once", "--data", dir)
	require.Equal(t, 1, code, "it may be free later")
	require.Contains(t, stderr, "data directory is in use")
	require.Empty(t, stdout)
	require.Zero(t, stop())
}
