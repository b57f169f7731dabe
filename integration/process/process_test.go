package process_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/integration/process"
)

// TestMain is also the program that the tests start.
func TestMain(m *testing.M) {
	switch os.Getenv("PROCESS_TEST") {
	case "wait":
		fmt.Println("waiting")
		select {}
	case "fail":
		fmt.Println("no such luck")
		os.Exit(3)
	case "parent":
		p := process.New(process.Spec{Name: "child", Path: os.Args[0], Env: map[string]string{"PROCESS_TEST": "wait"}, Logs: os.Getenv("PROCESS_LOGS")})
		if err := p.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(p.PID())
		select {}
	}
	os.Exit(m.Run())
}

func program(t *testing.T, mode string) *process.Process {
	t.Helper()
	return process.New(process.Spec{Name: "program", Path: os.Args[0], Env: map[string]string{"PROCESS_TEST": mode}, Logs: t.TempDir()})
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestKillAndStartAgain(t *testing.T) {
	t.Parallel()
	p := program(t, "wait")
	require.ErrorIs(t, p.Kill(), process.ErrNotRunning)
	for n := range 3 {
		require.NoError(t, p.Start())
		require.Error(t, p.Start(), "it runs already")
		require.NoError(t, process.Until(soon(t), func() error {
			if log := p.Tail(1 << 20); strings.Count(log, "waiting\n") != n+1 {
				return fmt.Errorf("start %d: the log goes on over restarts:\n%s", n, log)
			}
			return nil
		}))
		require.True(t, p.Running())
		rss, err := p.RSS()
		require.NoError(t, err)
		require.Positive(t, rss)
		require.NoError(t, p.Pause())
		require.NoError(t, p.Resume())
		require.NoError(t, p.Kill())
		require.False(t, p.Running())
		require.Zero(t, p.PID())
	}
}

func TestEndsByItself(t *testing.T) {
	t.Parallel()
	p := program(t, "fail")
	p.Ready = "http://127.0.0.1:1/readyz"
	require.NoError(t, p.Start())
	err := p.WaitReady(soon(t))
	require.ErrorIs(t, err, process.ErrEnded)
	require.ErrorContains(t, err, "no such luck", "it says what its log ends with")
}

func TestStopReportsTheExitCode(t *testing.T) {
	t.Parallel()
	p := program(t, "wait")
	require.NoError(t, p.Start())
	require.ErrorContains(t, p.Stop(soon(t)), "signal: terminated", "a program that does not handle SIGTERM")
}

// What was started ends with the process that started it, even where that is killed.
func TestChildDiesWithItsParent(t *testing.T) {
	t.Parallel()
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "PROCESS_TEST=parent", "PROCESS_LOGS="+t.TempDir())
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	child, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)
	require.DirExists(t, filepath.Join("/proc", strconv.Itoa(child)))
	require.NoError(t, parent.Process.Kill())
	require.Error(t, parent.Wait())
	require.NoError(t, process.Until(soon(t), func() error {
		// It may stay as a zombie where nobody waits for orphans.
		if stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(child), "stat")); err == nil && !strings.Contains(string(stat), ") Z ") {
			return fmt.Errorf("%d is still there", child)
		}
		return nil
	}))
}

func TestReadinessAndMetrics(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			http.Error(w, "restoring", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, "# HELP n\nn{a=\"1\",b=\"x\"} 2\nn{a=\"2\",b=\"x\"} 3\nother 1e3\n")
	}))
	defer server.Close()
	p := process.New(process.Spec{Name: "p", Ready: server.URL + "/readyz", Metrics: server.URL + "/metrics"})
	require.EqualError(t, p.Readiness(soon(t)), "p: not ready: restoring")
	samples, err := p.Scrape(soon(t))
	require.NoError(t, err)
	require.InDelta(t, 5, samples.Sum("n"), 0)
	require.InDelta(t, 3, samples.Sum("n", `a="2"`, `b="x"`), 0)
	require.InDelta(t, 1000, samples.Sum("other"), 0)
}

func TestProxyCutsAndMends(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "here") }))
	defer server.Close()
	proxy, err := process.NewProxies().Start("web", "", strings.TrimPrefix(server.URL, "http://"))
	require.NoError(t, err)
	defer proxy.Stop()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	get := func() error {
		res, err := client.Get("http://" + proxy.Listen)
		if err == nil {
			err = res.Body.Close()
		}
		return err
	}
	require.NoError(t, get())
	proxy.Cut()
	require.Error(t, get())
	require.NoError(t, proxy.Mend())
	require.NoError(t, get())
	require.NoError(t, proxy.Poison(process.Toxic{Type: "reset_peer", Stream: "downstream", Toxicity: 1, Attributes: map[string]any{"timeout": 0}}))
	require.Error(t, get())
	proxy.Heal(soon(t))
	require.NoError(t, get())
}
