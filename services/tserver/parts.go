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
)

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
