package tserver

import (
	"io"
	"iter"
	"os"
)

// backwards yields the first end bytes of f in chunks, the last chunk first, each with its offset; each goes on for
// overlap bytes into the one yielded before it. A failure goes to err.
func backwards(f *os.File, end int64, overlap int, err *error) iter.Seq2[[]byte, int64] {
	const size = 64 << 10
	return func(yield func([]byte, int64) bool) {
		buf := make([]byte, size+overlap)
		for off := end; off > 0; {
			from := max(off-size, 0)
			n := min(off+int64(overlap), end) - from
			if _, *err = f.ReadAt(buf[:n], from); *err != nil && *err != io.EOF {
				return
			}
			*err = nil
			if !yield(buf[:n], from) {
				return
			}
			off = from
		}
	}
}
