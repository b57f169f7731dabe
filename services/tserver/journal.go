package tserver

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/tserverlog"
)

// journal is the log file. What write has returned for is with the operating system: it survives the end of the
// process by any signal, though not a power cut.
type journal struct {
	path string
	max  int64 // size at which the file is put aside; 0 is never

	mu      sync.Mutex
	pending *batch
	seq     uint64 // last EventSequenceNumber given

	// writing is held by the one that writes a batch. Those who come meanwhile fill the next batch, and the first of
	// them to get the lock writes it for all.
	writing sync.Mutex
	file    *os.File
	size    int64
	torn    bool // the file goes on after size with a part of a batch
	spare   []byte
}

// batch is what goes into the file with one write.
type batch struct {
	buf     []byte
	written bool // guarded by journal.writing, as is err
	err     error
}

func openJournal(path string, maxBytes int64) (*journal, error) {
	seq, err := lastSequence(path)
	if err != nil {
		return nil, fmt.Errorf("tserver: log: %w", err)
	}
	j := &journal{path: path, max: maxBytes, pending: new(batch), seq: seq}
	if err := j.open(); err != nil {
		return nil, err
	}
	return j, nil
}

// open opens the file, cuts off a line that a crash has left unfinished, and begins with the banner.
func (j *journal) open() error {
	f, err := os.OpenFile(j.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fault.Misconfigf("tserver: log: %w", err)
	}
	fail := func(err error) error { return errors.Join(err, f.Close()) }
	if err := lock(f); err != nil {
		return fail(fault.Misconfigf("tserver: log %s: another process writes it: %w", j.path, err))
	}
	size, err := wholeLines(f)
	if err != nil {
		return fail(fmt.Errorf("tserver: log: %w", err))
	}
	if err := f.Truncate(size); err != nil {
		return fail(fmt.Errorf("tserver: log: %w", err))
	}
	banner := tserverlog.AppendRemark(nil, Banner)
	if _, err := f.Write(banner); err != nil {
		return fail(fmt.Errorf("tserver: log: %w", err))
	}
	j.file, j.size = f, size+int64(len(banner))
	return nil
}

// write appends what fill appends, and returns once it is in the file. fill is called with the log's last sequence
// number under a lock, so that the numbers, and the times that it takes, stand in the log in their order.
func (j *journal) write(fill func(b []byte, seq *uint64) []byte) error {
	b := j.fill(fill)
	j.writing.Lock()
	defer j.writing.Unlock()
	if b.written {
		return b.err
	}
	j.mu.Lock()
	j.pending = &batch{buf: j.spare[:0]}
	j.mu.Unlock()
	b.err, b.written = j.flush(b.buf), true
	if j.spare = b.buf; cap(j.spare) > 1<<20 {
		j.spare = nil
	}
	b.buf = nil
	return b.err
}

func (j *journal) fill(fill func(b []byte, seq *uint64) []byte) *batch {
	j.mu.Lock()
	defer j.mu.Unlock()
	b := j.pending
	b.buf = fill(b.buf, &j.seq)
	return b
}

func (j *journal) flush(buf []byte) error {
	if j.file == nil {
		return os.ErrClosed
	}
	if j.max > 0 && j.size+int64(len(buf)) > j.max && j.size > int64(len(Banner)+len("-- \n")) {
		if err := j.rotate(); err != nil {
			return err
		}
	}
	if j.torn {
		// What the last write has left of messages that nobody acknowledged must not stand before the next one.
		if err := j.file.Truncate(j.size); err != nil {
			return err
		}
		j.torn = false
	}
	n, err := j.file.Write(buf)
	if err != nil {
		j.torn = n > 0
		return err
	}
	j.size += int64(n)
	return nil
}

// rotate puts the file aside under the next number and opens a new one.
func (j *journal) rotate() error {
	parts, err := Parts(j.path)
	if err != nil {
		return err
	}
	next := 1
	for _, part := range parts {
		if n, ok := partNumber(j.path, part); ok {
			next = n + 1
		}
	}
	// It is gone already where the last rotation got no further, or somebody else has put it aside.
	if err := os.Rename(j.path, fmt.Sprintf("%s.%06d", j.path, next)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	old := j.file
	if err := j.open(); err != nil {
		return err
	}
	return old.Close()
}

func (j *journal) close() error {
	j.writing.Lock()
	defer j.writing.Unlock()
	if j.file == nil {
		return nil
	}
	err := j.file.Close()
	j.file = nil
	return err
}
