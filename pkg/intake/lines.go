package intake

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ringback/ringback/pkg/callback"
)

// MaxLine is the length of the longest line that is read as an event, in bytes.
const MaxLine = 1 << 20

// Lines reads JSON Lines: one structured CloudEvent a line. Blank lines, a
// carriage return before the line feed and a byte order mark at the beginning are
// passed over; the last line needs no line feed. A bad line is a Refusal of that
// line and never stops those after it.
type Lines struct {
	r      *bufio.Reader
	number int64
	long   []byte // a line longer than the reader's buffer
}

// NewLines reads from r, in large pieces.
func NewLines(r io.Reader) *Lines { return &Lines{r: bufio.NewReaderSize(r, 256<<10)} }

// Buffered reports whether something of the next line has been read already, so
// that Next may not have to wait for it.
func (l *Lines) Buffered() bool { return l.r.Buffered() > 0 }

// Line is one line that is not blank.
type Line struct {
	Number int64  // from 1, blank lines counted
	Raw    []byte // without its end; good until the next line is read, cut at MaxLine
	Long   bool   // it was longer than MaxLine
}

// Parse reads the line as an event; see Parse.
func (l *Line) Parse(now time.Time) (*callback.Event, Tracing, *Refusal) {
	if l.Long {
		return nil, Tracing{}, Whole(fmt.Sprintf("is longer than %d bytes", MaxLine))
	}
	return ParseTraced(l.Raw, now)
}

// Next returns the next line that is not blank, and io.EOF after the last. Every
// other error is one of reading, after which there is no next line.
func (l *Lines) Next() (Line, error) {
	for {
		raw, long, err := l.read()
		if err != nil {
			return Line{}, err
		}
		l.number++
		if l.number == 1 {
			raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
		}
		raw = bytes.TrimSuffix(raw, []byte("\r"))
		if long || len(bytes.Trim(raw, " \t\r")) > 0 {
			return Line{Number: l.number, Raw: raw, Long: long}, nil
		}
	}
}

// read returns the next line without its line feed. Of a line that is too long it
// keeps the beginning and reads past the rest, so that no line, however long, fills
// the memory.
func (l *Lines) read() (line []byte, long bool, err error) {
	piece, err := l.r.ReadSlice('\n')
	if err == nil {
		return piece[:len(piece)-1], false, nil
	}
	l.long = l.long[:0]
	for errors.Is(err, bufio.ErrBufferFull) {
		if len(l.long) <= MaxLine+2 {
			l.long = append(l.long, piece...)
		}
		piece, err = l.r.ReadSlice('\n')
	}
	if err != nil && err != io.EOF {
		return nil, false, fmt.Errorf("intake: line %d: %w", l.number+1, err)
	}
	l.long = append(l.long, piece...)
	if len(l.long) == 0 && err == io.EOF {
		return nil, false, io.EOF
	}
	line = bytes.TrimSuffix(l.long, []byte("\n"))
	if n := len(bytes.TrimSuffix(line, []byte("\r"))); n > MaxLine {
		return line[:MaxLine], true, nil
	}
	return line, false, nil
}
