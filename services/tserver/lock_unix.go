//go:build unix

package tserver

import (
	"os"
	"syscall"
)

// lock keeps a second process from writing the same log; it ends with the file's closing.
func lock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
