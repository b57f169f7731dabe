package tserver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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
	j.mu.Lock()
	b := j.pending
	b.buf = fill(b.buf, &j.seq)
	j.mu.Unlock()

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

// Parts lists the files of a log that exist, the oldest first: those that were put aside, and the log itself.
func Parts(path string) ([]string, error) {
	aside, err := filepath.Glob(escapeGlob(path) + ".*")
	if err != nil {
		return nil, fmt.Errorf("tserver: log %s: %w", path, err)
	}
	parts := slices.DeleteFunc(aside, func(p string) bool { _, ok := partNumber(path, p); return !ok })
	slices.SortFunc(parts, func(a, b string) int {
		m, _ := partNumber(path, a)
		n, _ := partNumber(path, b)
		return m - n
	})
	switch _, err := os.Stat(path); {
	case err == nil:
		return append(parts, path), nil
	case errors.Is(err, os.ErrNotExist):
		return parts, nil
	default:
		return nil, fmt.Errorf("tserver: log: %w", err)
	}
}

func partNumber(path, part string) (int, bool) {
	digits, ok := strings.CutPrefix(part, path+".")
	if !ok || len(digits) < 6 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 31)
	return int(n), err == nil
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// wholeLines is the size of f up to the end of its last whole line.
func wholeLines(f *os.File) (int64, error) {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	for chunk, off := range backwards(f, end, 0, &err) {
		if i := bytes.LastIndexByte(chunk, '\n'); i >= 0 {
			return off + int64(i) + 1, nil
		}
	}
	return 0, err
}

// sequenceMark cannot stand inside a value: a line's end and a tab are escaped there.
const sequenceMark = "\n\tAttributeEventSequenceNumber\t"

// lastSequence is the last EventSequenceNumber in the log's files; 0 where there is none.
func lastSequence(path string) (uint64, error) {
	parts, err := Parts(path)
	if err != nil {
		return 0, err
	}
	for _, part := range slices.Backward(parts) {
		seq, err := lastSequenceIn(part)
		if seq != 0 || err != nil {
			return seq, err
		}
	}
	return 0, nil
}

func lastSequenceIn(part string) (seq uint64, err error) {
	f, err := os.Open(part)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	const digits = 16
	for chunk := range backwards(f, end, len(sequenceMark)+digits, &err) {
		for {
			i := bytes.LastIndex(chunk, []byte(sequenceMark))
			if i < 0 {
				break
			}
			number := chunk[i+len(sequenceMark):]
			// The last one may be torn.
			if len(number) > digits {
				if seq, err := strconv.ParseUint(string(number[:digits]), 16, 64); err == nil {
					return seq, nil
				}
			}
			chunk = chunk[:i+len(sequenceMark)-1]
		}
	}
	return 0, err
}
