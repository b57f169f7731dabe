package broker

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrLocked: another process has the data directory open. Two brokers on one directory would
// overwrite each other's log.
var ErrLocked = errors.New("data directory is in use")

// dirLock is an advisory lock that ends with the process, however it ends.
type dirLock struct{ file *os.File }

func lockDir(dir string) (*dirLock, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer func() { _ = f.Close() }()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s is locked by %s", ErrLocked, dir, holder(f))
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	l := &dirLock{f}
	if err := l.write(strconv.Itoa(os.Getpid()) + "\n"); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return l, nil
}

// holder names the process that wrote the lock file.
func holder(f *os.File) string {
	raw, err := io.ReadAll(io.LimitReader(f, 32))
	if pid, numErr := strconv.Atoi(strings.TrimSpace(string(raw))); err == nil && numErr == nil {
		return "process " + strconv.Itoa(pid)
	}
	return "another process"
}

func (l *dirLock) write(s string) error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt([]byte(s), 0)
	return err
}

// release unlocks. The file stays: removing it would let a third process lock a file that a second
// still waits for.
func (l *dirLock) release() error { return l.file.Close() }
