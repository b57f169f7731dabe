package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Server is a real part that a script of the project started and can start again.
type Server interface {
	Name() string
	PID() (int, error)
	// Kill ends it at once and returns when it is gone.
	Kill(ctx context.Context) error
	// Start starts it again, at the same address, and returns when it answers.
	Start(ctx context.Context) error
	Pause() error
	Resume() error
}

// KafkaNode is one node that scripts/kafka-up started.
type KafkaNode struct{ Dir string }

// KafkaNodes returns the nodes of a run directory of scripts/kafka-up, in order.
func KafkaNodes(run string) ([]*KafkaNode, error) {
	starts, err := filepath.Glob(filepath.Join(run, "[1-9]", "start"))
	if err != nil || len(starts) == 0 {
		return nil, fmt.Errorf("process: no Kafka node in %q: %w", run, errors.Join(err, os.ErrNotExist))
	}
	nodes := make([]*KafkaNode, len(starts))
	for i, start := range starts {
		nodes[i] = &KafkaNode{Dir: filepath.Dir(start)}
	}
	return nodes, nil
}

// Name is broker- and its number.
func (n *KafkaNode) Name() string { return "broker-" + filepath.Base(n.Dir) }

// Upstream and Advertised are the two ends of the node's proxied listener (scripts/kafka-up --proxied).
func (n *KafkaNode) Upstream() (string, error)   { return line(filepath.Join(n.Dir, "upstream")) }
func (n *KafkaNode) Advertised() (string, error) { return line(filepath.Join(n.Dir, "advertised")) }

// PID is the process that the node's start script started last.
func (n *KafkaNode) PID() (int, error) {
	text, err := line(filepath.Join(n.Dir, "pid"))
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("process: %s: %w", n.Name(), err)
	}
	// The number may belong to another process by now.
	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !bytes.Contains(args, []byte("kafka.Kafka\x00"+n.Dir+"/")) {
		return 0, fmt.Errorf("%s: %w", n.Name(), ErrNotRunning)
	}
	return pid, nil
}

func (n *KafkaNode) signal(s syscall.Signal) error {
	pid, err := n.PID()
	if err != nil {
		return err
	}
	return kill(pid, s)
}

// Kill ends the node at once.
func (n *KafkaNode) Kill(ctx context.Context) error {
	if err := n.signal(syscall.SIGKILL); err != nil {
		return err
	}
	return n.gone(ctx)
}

func (n *KafkaNode) gone(ctx context.Context) error {
	return Until(ctx, func() error {
		if _, err := n.PID(); errors.Is(err, ErrNotRunning) {
			return nil
		}
		return fmt.Errorf("process: %s still runs", n.Name())
	})
}

// Pause and Resume are SIGSTOP and SIGCONT.
func (n *KafkaNode) Pause() error  { return n.signal(syscall.SIGSTOP) }
func (n *KafkaNode) Resume() error { return n.signal(syscall.SIGCONT) }

// Start starts the node again and waits until it has started.
func (n *KafkaNode) Start(ctx context.Context) error {
	started := func() int {
		log, err := os.ReadFile(filepath.Join(n.Dir, "log"))
		if err != nil {
			return 0
		}
		return bytes.Count(log, []byte("Kafka Server started"))
	}
	before := started()
	if err := run(ctx, filepath.Join(n.Dir, "start")); err != nil {
		return err
	}
	return Until(ctx, func() error {
		if started() > before {
			return nil
		}
		return fmt.Errorf("process: %s has not started; the end of its log:\n%s", n.Name(), tail(filepath.Join(n.Dir, "log"), 1500))
	})
}

// Postgres is the PostgreSQL that scripts/postgres-up started in a run directory.
type Postgres struct{ Run string }

// Name is postgres.
func (p *Postgres) Name() string { return "postgres" }

// URL is where it listens.
func (p *Postgres) URL() (string, error) { return line(filepath.Join(p.Run, "url")) }

// Addr is host:port of it.
func (p *Postgres) Addr() (string, error) {
	text, err := p.URL()
	if err != nil {
		return "", err
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", fmt.Errorf("process: %w", err)
	}
	return u.Host, nil
}

// PID is the postmaster's.
func (p *Postgres) PID() (int, error) {
	home, err := line(filepath.Join(p.Run, "home"))
	if err != nil {
		return 0, err
	}
	text, err := line(filepath.Join(home, "data", "postmaster.pid"))
	if err != nil {
		return 0, fmt.Errorf("postgres: %w: %w", ErrNotRunning, err)
	}
	pid, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("process: postgres: %w", err)
	}
	if name, err := line(fmt.Sprintf("/proc/%d/comm", pid)); err != nil || name != "postgres" {
		return 0, fmt.Errorf("postgres: %w", ErrNotRunning)
	}
	return pid, nil
}

// family is the postmaster and all its children: each of them is a process group of its own.
func (p *Postgres) family() ([]int, error) {
	pid, err := p.PID()
	if err != nil {
		return nil, err
	}
	family := []int{pid}
	tasks, err := line(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil, err
	}
	for child := range strings.FieldsSeq(tasks) {
		if n, err := strconv.Atoi(child); err == nil {
			family = append(family, n)
		}
	}
	return family, nil
}

func (p *Postgres) signal(s syscall.Signal) ([]int, error) {
	family, err := p.family()
	if err != nil {
		return nil, err
	}
	for _, pid := range family {
		if err := kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			return nil, err
		}
	}
	return family, nil
}

// Kill ends the postmaster and every backend at once.
func (p *Postgres) Kill(ctx context.Context) error {
	family, err := p.signal(syscall.SIGKILL)
	if err != nil {
		return err
	}
	return Until(ctx, func() error {
		for _, pid := range family {
			if name, err := line(fmt.Sprintf("/proc/%d/comm", pid)); err == nil && name == "postgres" && !zombie(pid) {
				return fmt.Errorf("process: postgres %d is still there", pid)
			}
		}
		return nil
	})
}

func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && bytes.Contains(stat, []byte(") Z "))
}

// Pause stops the postmaster and every backend where they are.
func (p *Postgres) Pause() error {
	_, err := p.signal(syscall.SIGSTOP)
	return err
}

// Resume lets them go on.
func (p *Postgres) Resume() error {
	_, err := p.signal(syscall.SIGCONT)
	return err
}

// Start starts it again: scripts/postgres-up gives the address that it had.
func (p *Postgres) Start(ctx context.Context) error {
	before, err := p.URL()
	if err != nil {
		return err
	}
	if err := run(ctx, filepath.Join(Root(), "scripts", "postgres-up"), "RINGBACK_POSTGRES_RUN="+p.Run); err != nil {
		return err
	}
	if after, err := p.URL(); err != nil || after != before {
		return fmt.Errorf("process: postgres came back as %q, was %q: %w", after, before, err)
	}
	return nil
}

func kill(pid int, s syscall.Signal) error {
	if err := syscall.Kill(pid, s); err != nil {
		return fmt.Errorf("process: %s to %d: %w", s, pid, err)
	}
	return nil
}

func run(ctx context.Context, script string, env ...string) error {
	cmd := exec.CommandContext(ctx, script)
	cmd.Env = append(os.Environ(), env...)
	// What the script starts keeps its output open: do not wait for the end of it.
	cmd.WaitDelay = time.Second
	out, err := os.CreateTemp("", "ringback-script")
	if err != nil {
		return fmt.Errorf("process: %w", err)
	}
	defer os.Remove(out.Name())
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("process: %s: %w\n%s", script, err, tail(out.Name(), 2000))
	}
	return nil
}

// line is the first line of a file.
func line(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("process: %w", err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(first), nil
}
