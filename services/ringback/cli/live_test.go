package cli_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/services/ringback/cli"
	"github.com/ringback/ringback/services/ringback/pipeline"
)

// watched keeps what is written to it and tells when a text, unless it is empty, is in it.
type watched struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	text string
	seen chan struct{}
}

func watch(text string) *watched { return &watched{text: text, seen: make(chan struct{})} }

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := strings.Contains(w.buf.String(), w.text)
	w.buf.Write(b)
	if w.text != "" && !before && strings.Contains(w.buf.String(), w.text) {
		close(w.seen)
	}
	return len(b), nil
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// live starts ringback run at a free port and returns once it is up; stop ends it and returns its exit code.
func live(t *testing.T, dir string, args ...string) (screen *watched, stop func() int) {
	t.Helper()
	return start(t, dir, append([]string{"--addr", "127.0.0.1:0"}, args...)...)
}

func start(t *testing.T, dir string, args ...string) (screen *watched, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	screen = watch("press Ctrl-C to stop")
	done := make(chan int, 1)
	go func() {
		done <- cli.Run(ctx, "test", append([]string{"run", "--data", dir}, args...),
			cli.IO{In: strings.NewReader(""), Out: io.Discard, Err: screen, Env: config.Environment{}})
	}()
	select {
	case <-screen.seen:
	case code := <-done:
		t.Fatalf("ringback run ended with %d: %s", code, screen)
	}
	var once sync.Once
	var code int
	stop = func() int {
		once.Do(func() { cancel(); code = <-done })
		return code
	}
	t.Cleanup(func() { stop() })
	return screen, stop
}

func TestANewDirectoryIsGivenTheSampleAndTakesEventsIn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	screen, stop := live(t, dir)
	require.Contains(t, screen.String(), "playing the sample scenario")
	require.Contains(t, screen.String(), "SIMULATED T-Server")
	requireScenario(t, dir, "immediate", false)

	file := filepath.Join(t.TempDir(), "more.jsonl")
	in := strings.ReplaceAll(strings.Join(lines(t, "scheduled"), "\n"), `"subject":"`, `"subject":"again-`)
	require.NoError(t, os.WriteFile(file, []byte(in+"\nno event\n{\"id\":\"7\"}\n"), 0o600))
	code, _, stderr := ringback(t, "", "import", "--data", dir, file)
	require.Equal(t, cli.ExitFailed, code, "two lines were refused")
	require.Contains(t, stderr, "refused   "+file)
	require.Contains(t, stderr, "specversion")
	accepted := len(lines(t, "scheduled"))
	require.Contains(t, stderr, "2 refused")
	require.Contains(t, stderr, fmt.Sprintf(": %d accepted", accepted))

	// A second process reads the dead letters of the one that runs.
	code, list, stderr := ringback(t, "", "deadletters", "list", "--data", dir)
	require.Zero(t, code, stderr)
	require.Contains(t, list, "CONFLICT")

	e, err := pipeline.ReadEndpoints(dir)
	require.NoError(t, err)
	// So does one that is told of the cluster as a service is.
	cluster := config.Environment{"KAFKA_BROKERS": strings.Join(e.Brokers, ","), "REGISTRY_URL": e.Registry}
	var same, fault bytes.Buffer
	require.Zero(t, cli.Run(t.Context(), "test", []string{"deadletters", "list"}, cli.IO{Out: &same, Err: &fault, Env: cluster}), fault.String())
	require.Equal(t, list, same.String())
	cluster["REGISTRY_URI"] = "http://127.0.0.1:1"
	require.Equal(t, cli.ExitMisusage, cli.Run(t.Context(), "test", []string{"deadletters", "list"}, cli.IO{Out: &same, Err: &fault, Env: cluster}))
	require.Contains(t, fault.String(), "did you mean REGISTRY_URL?")
	res, err := http.Post(e.HTTP+"/v1/events", "application/cloudevents+json", strings.NewReader("{}"))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusUnauthorized, res.StatusCode, "without the directory's token nothing is taken in")

	code, _, stderr = ringback(t, "", "run", "--data", t.TempDir(), "--addr", strings.TrimPrefix(e.HTTP, "http://"))
	require.Equal(t, cli.ExitMisusage, code, "the address is in use")
	require.Contains(t, stderr, "choose another with --addr")
	require.Contains(t, screen.String(), e.Registry)

	code, _, stderr = ringback(t, "", "run", "--once", "--data", dir)
	require.NotZero(t, code, "the directory is in use")
	require.Contains(t, stderr, "lock")
	code, _, stderr = ringback(t, "", "deadletters", "list", "--data", dir)
	require.Zero(t, code, "the one that runs can still be reached: %s", stderr)
	litter(t, e.Brokers)
	code, all, stderr := ringback(t, "", "deadletters", "list", "--data", dir)
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, stderr, "dead letter in partition 0 at offset")
	require.Equal(t, list, all, "one that cannot be read hides no other")
	require.Zero(t, stop(), screen.String())

	// What was accepted is there after a restart, and nothing is played again.
	s := runOnce(t, dir, "")
	require.Empty(t, s.Files)
	r := open(t, dir)
	found := 0
	for row, err := range r.AllLatest(t.Context()) {
		require.NoError(t, err)
		if strings.HasPrefix(row["SERVICE_ID"].(string), "again-") {
			found++
		}
	}
	require.Positive(t, found)
}

// litter writes to the topic of dead letters what is none.
func litter(t *testing.T, brokers []string) {
	t.Helper()
	client, err := kafka.New(kafka.Config{Brokers: brokers, ClientID: "litter"})
	require.NoError(t, err)
	defer client.Close()
	producer := client.NewProducer(kafka.ProducerConfig{})
	for _, d := range producer.Produce(t.Context(), []kafka.Record{{Topic: topic.DeadLetters, Partition: 0, Value: []byte("garbage")}}) {
		require.NoError(t, d.Err)
	}
	require.NoError(t, producer.Close(t.Context()))
}

// Where nobody named an address and the default is taken, another is, and the banner says which.
func TestTheDefaultAddressIsTaken(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:8080")
	if err == nil { // else somebody else has it, which is as good
		defer taken.Close()
	}
	dir := t.TempDir()
	screen, stop := start(t, dir)
	e, err := pipeline.ReadEndpoints(dir)
	require.NoError(t, err)
	require.NotContains(t, e.HTTP, ":8080")
	require.Contains(t, screen.String(), e.HTTP)
	require.Zero(t, stop(), screen.String())
}

// A log that was put aside is read, too, whatever characters its directory's name holds.
func TestVerifyReadsTheLogThatWasPutAside(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a[b]*")
	runOnce(t, dir, strings.Join(lines(t, "immediate"), "\n"), "--import", "-")
	log := pipeline.PathsOf(dir).TServerLog
	require.NoError(t, os.Rename(log, log+".000001"))
	code, report, stderr := ringback(t, "", "verify", "--data", dir)
	require.Zero(t, code, report+stderr)
	require.Contains(t, report, "2 EventUserEvent for 1 services")
}

func TestVerifyFailsWhereAStageHasLostSomething(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(t *testing.T, paths pipeline.Paths)
		check string
	}{
		"T-Server log": {func(t *testing.T, p pipeline.Paths) {
			log, err := os.ReadFile(p.TServerLog)
			require.NoError(t, err)
			cut := bytes.LastIndex(log, []byte("distribute user event"))
			require.NoError(t, os.WriteFile(p.TServerLog, log[:bytes.LastIndexByte(log[:cut], '\n')+1], 0o600))
		}, "1. FAILED  T-Server log"},
		"G_CUSTOM_DATA_S": {spoilStore("DELETE FROM G_CUSTOM_DATA_S WHERE GSYS_SEQ = (SELECT MAX(GSYS_SEQ) FROM G_CUSTOM_DATA_S)"), "2. FAILED  G_CUSTOM_DATA_S"},
		"CALLBACK_FACT":   {spoilStore("DELETE FROM CALLBACK_FACT WHERE EVENT_SEQUENCE = 1"), "3. FAILED  CALLBACK_FACT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			runOnce(t, dir, strings.Join(lines(t, "immediate"), "\n"), "--import", "-")
			code, out, _ := ringback(t, "", "verify", "--data", dir)
			require.Zero(t, code, out)
			c.spoil(t, pipeline.PathsOf(dir))
			code, out, _ = ringback(t, "", "verify", "--data", dir)
			require.Equal(t, cli.ExitFailed, code)
			require.Contains(t, out, c.check)
			code, out, _ = ringback(t, "", "verify", "--json", "--data", dir)
			require.Equal(t, cli.ExitFailed, code)
			require.Contains(t, out, `"ok":false`)
		})
	}
}

func spoilStore(statement string) func(*testing.T, pipeline.Paths) {
	return func(t *testing.T, p pipeline.Paths) {
		db, err := sql.Open("sqlite", p.Store)
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
		require.NoError(t, db.Close())
	}
}
