package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Spec is how a process is started, each time.
type Spec struct {
	Name string // of its log file
	Path string
	Args []string
	// Env is its whole environment, beside PATH, HOME and TMPDIR: nothing of the test's own gets in.
	Env map[string]string
	// Logs is the directory of its log, which goes on over restarts.
	Logs string
	// Ready is the URL that answers 200 once it is ready. Metrics is where its metrics are.
	Ready, Metrics string
}

// Process is a program that can be ended and started again. It may be used from many goroutines.
type Process struct {
	Spec

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{}
	err    error
}

// New describes a process without starting it.
func New(s Spec) *Process { return &Process{Spec: s} }

// Start starts it, and does not wait until it is ready.
func (p *Process) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.alive() {
		return fmt.Errorf("process: %s runs already", p.Name)
	}
	log, err := p.openLog()
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(p.Path, p.Args...)
	cmd.Env = []string{}
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	for name, value := range p.Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Stdout, cmd.Stderr = log, log
	fmt.Fprintf(log, "--- %s start\n", time.Now().UTC().Format(time.RFC3339Nano))
	if err := start(cmd); err != nil {
		return fmt.Errorf("process: %s: %w", p.Name, err)
	}
	exited := make(chan struct{})
	p.cmd, p.exited = cmd, exited
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		close(exited)
	}()
	return nil
}

func (p *Process) openLog() (*os.File, error) {
	if err := os.MkdirAll(p.Logs, 0o755); err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	log, err := os.OpenFile(p.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	return log, nil
}

// LogFile is where its output is kept.
func (p *Process) LogFile() string { return filepath.Join(p.Logs, p.Name+".log") }

func (p *Process) note(what string) {
	if log, err := p.openLog(); err == nil {
		fmt.Fprintf(log, "--- %s %s\n", time.Now().UTC().Format(time.RFC3339Nano), what)
		_ = log.Close() // a note for whoever reads the log
	}
}

// alive reports whether it runs; the caller holds mu.
func (p *Process) alive() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Running reports whether it has been started and has not ended.
func (p *Process) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.alive()
}

// PID is the process id, 0 where it does not run.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.alive() {
		return 0
	}
	return p.cmd.Process.Pid
}

// Exited is closed when the process that was last started has ended.
func (p *Process) Exited() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exited
}

// Kill ends it at once (SIGKILL) and returns when it is gone.
func (p *Process) Kill() error { return p.end(context.Background(), syscall.SIGKILL) }

// Stop asks it to end (SIGTERM) and returns when it has; it is killed when ctx ends first, which is an error, as
// is an exit code other than 0.
func (p *Process) Stop(ctx context.Context) error { return p.end(ctx, syscall.SIGTERM) }

func (p *Process) end(ctx context.Context, with syscall.Signal) error {
	if err := p.signal(with); err != nil {
		return err
	}
	exited := p.Exited()
	select {
	case <-exited:
	case <-ctx.Done():
		if err := p.signal(syscall.SIGKILL); err == nil {
			<-exited
		}
		return fmt.Errorf("process: %s did not stop: %w", p.Name, ctx.Err())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if with == syscall.SIGKILL {
		return nil
	}
	if p.err != nil {
		return fmt.Errorf("process: %s: %w", p.Name, p.err)
	}
	return nil
}

// Pause stops it where it is (SIGSTOP): it keeps its connections and answers nothing.
func (p *Process) Pause() error { return p.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (p *Process) Resume() error { return p.signal(syscall.SIGCONT) }

// ErrNotRunning says that there is no process to send a signal to.
var ErrNotRunning = errors.New("process: does not run")

func (p *Process) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.alive() {
		return fmt.Errorf("%s: %w", p.Name, ErrNotRunning)
	}
	p.note(s.String())
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("process: %s: %s: %w", p.Name, s, err)
	}
	return nil
}
