package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// look is how often a condition is looked at.
const look = 50 * time.Millisecond

// Until waits until what returns nil, and gives its last error when ctx ends first.
func Until(ctx context.Context, what func() error) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		err := what()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

var probes = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

var errNotReady = errors.New("not ready")

// Readiness asks it whether it is ready; the error is its reason why not.
func (p *Process) Readiness(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Ready, nil)
	if err != nil {
		return fmt.Errorf("process: %w", err)
	}
	res, err := probes.Do(req)
	if err != nil {
		return fmt.Errorf("process: %s: %w", p.Name, err)
	}
	defer res.Body.Close()
	reason, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("process: %s: %w", p.Name, err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %w: %s", p.Name, errNotReady, strings.TrimSpace(string(reason)))
	}
	return nil
}

// ErrEnded says that a process ended that was expected to run.
var ErrEnded = errors.New("ended by itself")

// WaitReady waits until it is ready. That it ends first is an error.
func (p *Process) WaitReady(ctx context.Context) error { return p.wait(ctx, p.Readiness) }

// WaitAnswers waits until it says whether it is ready, whichever it says.
func (p *Process) WaitAnswers(ctx context.Context) error {
	return p.wait(ctx, func(ctx context.Context) error {
		if err := p.Readiness(ctx); !errors.Is(err, errNotReady) {
			return err
		}
		return nil
	})
}

func (p *Process) wait(ctx context.Context, probe func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	exited := p.Exited()
	if exited == nil {
		return fmt.Errorf("%s: %w", p.Name, ErrNotRunning)
	}
	err := Until(ctx, func() error {
		select {
		case <-exited:
			cancel(ErrEnded)
		default:
		}
		return probe(ctx)
	})
	if err != nil && errors.Is(context.Cause(ctx), ErrEnded) {
		return fmt.Errorf("process: %s: %w; its log is %s:\n%s", p.Name, ErrEnded, p.LogFile(), p.Tail(2000))
	}
	return err
}

// Scrape reads its metrics: samples by name and labels, as the text form has them.
func (p *Process) Scrape(ctx context.Context) (Samples, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Metrics, nil)
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	res, err := probes.Do(req)
	if err != nil {
		return nil, fmt.Errorf("process: %s: %w", p.Name, err)
	}
	defer res.Body.Close()
	samples := Samples{}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		if value, err := strconv.ParseFloat(line[at+1:], 64); err == nil {
			samples[line[:at]] = value
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("process: %s: metrics: %w", p.Name, err)
	}
	return samples, nil
}

// Samples are metrics by `name{label="value",…}`.
type Samples map[string]float64

// Sum adds up the samples of that name that have all these labels, each `name="value"`.
func (s Samples) Sum(name string, labels ...string) float64 {
	sum := 0.0
next:
	for sample, value := range s {
		if bare, of, _ := strings.Cut(sample, "{"); bare == name {
			for _, label := range labels {
				if !strings.Contains(of, label) {
					continue next
				}
			}
			sum += value
		}
	}
	return sum
}

// RSS is its resident memory in bytes, and PeakRSS the most that it has been.
func (p *Process) RSS() (int64, error)     { return status(p.PID(), "VmRSS:") }
func (p *Process) PeakRSS() (int64, error) { return status(p.PID(), "VmHWM:") }

func status(pid int, field string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("process: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("process: %s %w", field, err)
			}
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("process: %d has no %s", pid, field)
}

// Tail is the end of its log.
func (p *Process) Tail(n int64) string { return tail(p.LogFile(), n) }

func tail(path string, n int64) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > n {
		_, _ = f.Seek(-n, io.SeekEnd) // else all of it is shown
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
