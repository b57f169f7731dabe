package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	patience = 5 * time.Minute // for a block; one in the background, until its output is there
	farewell = time.Minute     // for what ran in the background, once it is told to stop
)

// reader does what a document says, as somebody would who reads it from top to bottom.
type reader struct {
	state       string // file with what the blocks before have exported, their functions, and where they went
	environment []string
	directory   string
	beside      []*exec.Cmd // in the background
	ran         int
}

func newReader(directory, state string, environment []string) *reader {
	return &reader{state: filepath.Join(state, "state"), environment: environment, directory: directory}
}

func (r *reader) read(ctx context.Context, all []block) (err error) {
	defer func() { err = errors.Join(err, r.stop()) }()
	for i, b := range all {
		var want string
		if o := outputOf(all, i); o != nil {
			want = o.text
		}
		switch b.kind {
		case run:
			err = r.run(ctx, b, want)
		case background:
			err = r.start(ctx, b, want)
		default:
			continue
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", b.line, err)
		}
		r.ran++
	}
	return nil
}

// command makes a bash that goes on where the block before ended.
func (r *reader) command(ctx context.Context, b block, out *transcript) *exec.Cmd {
	script := fmt.Sprintf("[[ ! -f %[1]q ]] || . %[1]q\nset -euo pipefail\n%[2]s", r.state, b.text)
	if b.kind == run {
		script += fmt.Sprintf("\n{ declare -px; declare -f; printf 'cd %%q\\n' \"$PWD\"; } >%q\n", r.state)
	}
	c := exec.CommandContext(ctx, "bash", "-c", script)
	c.Dir, c.Env, c.Stdout, c.Stderr = r.directory, r.environment, out, out
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	return c
}

func (r *reader) run(ctx context.Context, b block, want string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out := newTranscript()
	if err := r.command(ctx, b, out).Run(); err != nil {
		return fmt.Errorf("%w:\n%s%s", err, b.text, out.tail())
	}
	if line := missingLine(want, out.String()); line != "" {
		return fmt.Errorf("the output lacks %q:\n%s%s", line, b.text, out.tail())
	}
	return nil
}

func (r *reader) start(ctx context.Context, b block, want string) error {
	out := newTranscript()
	c := r.command(ctx, b, out)
	if err := c.Start(); err != nil {
		return err
	}
	r.beside = append(r.beside, c)
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		line := missingLine(want, out.String())
		if line == "" {
			return nil
		}
		select {
		case <-out.more:
		case <-late.C:
			return fmt.Errorf("the output still lacks %q:\n%s%s", line, b.text, out.tail())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// stop presses Ctrl-C in every other terminal.
func (r *reader) stop() error {
	var err error
	for _, c := range r.beside {
		group := -c.Process.Pid
		_ = syscall.Kill(group, syscall.SIGINT) // it may have ended
		kill := time.AfterFunc(farewell, func() { _ = syscall.Kill(group, syscall.SIGKILL) })
		_ = c.Wait() // its code is that of an interrupt
		if !kill.Stop() {
			err = errors.Join(err, fmt.Errorf("%s did not stop within %s", c.Args[len(c.Args)-1], farewell))
		}
	}
	r.beside = nil
	return err
}

var port = regexp.MustCompile(`(localhost|127\.0\.0\.1):\d+`)

// missingLine finds the first line of want that does not come in its turn; ports may be others.
func missingLine(want, got string) string {
	lines := strings.Split(port.ReplaceAllString(got, "$1:PORT"), "\n")
	for line := range strings.SplitSeq(port.ReplaceAllString(want, "$1:PORT"), "\n") {
		if line = strings.TrimRight(line, " "); line == "" {
			continue
		}
		for len(lines) > 0 && strings.TrimRight(lines[0], " ") != line {
			lines = lines[1:]
		}
		if len(lines) == 0 {
			return line
		}
		lines = lines[1:]
	}
	return ""
}

// transcript keeps what a block prints, and says when there is more.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{}
}

func newTranscript() *transcript { return &transcript{more: make(chan struct{}, 1)} }

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case t.more <- struct{}{}:
	default:
	}
	return t.text.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

func (t *transcript) tail() string {
	text := t.String()
	if cut := len(text) - 4000; cut > 0 {
		text = "…" + text[cut:]
	}
	return "-- printed:\n" + text
}

// checkout copies what belongs to the repository: as on a machine that has nothing else of it.
func checkout(ctx context.Context, root, to string) error {
	if err := os.MkdirAll(to, 0o750); err != nil {
		return err
	}
	c := exec.CommandContext(ctx, "bash", "-c", `set -o pipefail; git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$0"`, to)
	c.Dir = root
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("copy the checkout: %w: %s", err, out)
	}
	return nil
}
