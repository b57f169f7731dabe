package tserverlog

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"
)

// maxLine bounds a line, in bytes. The longest that a contract's pair can make is a quarter of it.
const maxLine = 2 << 20

// Reader reads the messages of a T-Server log, one after another. It takes what is not in the layout as belonging to
// no message, so that a real server's log, and a log out of a document, can be read too:
//
//   - lines may be indented as a whole;
//   - a value may stand on the line after its name, or before it where the name has none of its own;
//   - in user data, a lone text that is indented by 8 columns more than the keys is the value of the key before it,
//     and a key without a value has the empty string;
//   - messages, attributes and lines of other kinds are skipped.
type Reader struct {
	in    *bufio.Reader
	line  int
	long  []byte            // a line that did not fit into the buffer of in
	names map[string]string // of keys and other texts that come again and again

	cur   *Message
	open  bool // lines still belong to cur's attributes
	block block
}

// NewReader makes a reader of r.
func NewReader(r io.Reader) *Reader {
	return &Reader{in: bufio.NewReaderSize(r, 64<<10), names: make(map[string]string)}
}

// UserEvents yields the EventUserEvents of a log, in its order. It ends with the first error.
func UserEvents(r io.Reader) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		for in := NewReader(r); ; {
			m, err := in.Next()
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(nil, err)
				return
			case m.Name == EventUserEvent && !yield(m, nil):
				return
			}
		}
	}
}

// Next returns the next message, with the clients it was sent to; io.EOF after the last one.
func (r *Reader) Next() (*Message, error) {
	for {
		raw, err := r.readLine()
		if err != nil {
			if errors.Is(err, io.EOF) && r.cur != nil {
				return r.take(nil), nil
			}
			return nil, err
		}
		text := bytes.TrimLeft(raw, " \t")
		switch {
		case len(text) == 0:
			r.open = false
		case isHeader(text):
			next := r.parseHeader(text)
			if done := r.take(next); done != nil {
				return done, nil
			}
		case isStamped(text):
			r.open = false
			if r.cur == nil || r.parseSent(text) {
				continue
			}
			return r.take(nil), nil
		case bytes.HasPrefix(text, []byte("--")), bytes.HasPrefix(text, []byte("message ")):
			r.open = false
		case r.open:
			r.block.add(r, column(raw), text)
		}
	}
}

// take returns the current message, finished, or nil where there is none, and makes next the current one.
func (r *Reader) take(next *Message) *Message {
	done := r.cur
	if done != nil {
		r.block.finish(done)
	}
	r.cur, r.open, r.block = next, next != nil, block{items: r.block.items[:0]}
	return done
}

// readLine returns the next line without its end; it is valid until the next call.
func (r *Reader) readLine() ([]byte, error) {
	r.line++
	line, err := r.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		r.long = append(r.long[:0], line...)
		for errors.Is(err, bufio.ErrBufferFull) {
			if len(r.long) > maxLine {
				return nil, fmt.Errorf("tserverlog: line %d is longer than %d bytes", r.line, maxLine)
			}
			line, err = r.in.ReadSlice('\n')
			r.long = append(r.long, line...)
		}
		line = r.long
	}
	switch {
	case err == nil, errors.Is(err, io.EOF) && len(line) > 0:
		return bytes.TrimRight(line, "\r\n"), nil
	case errors.Is(err, io.EOF):
		return nil, io.EOF
	default:
		return nil, fmt.Errorf("tserverlog: line %d: %w", r.line, err)
	}
}

const messageMark = ": message "

func isHeader(text []byte) bool {
	return len(text) > 1 && text[0] == '@' && isDigit(text[1]) && bytes.Contains(text, []byte(messageMark))
}

// isStamped reports whether a line begins with a time of day, or with a date and time.
func isStamped(text []byte) bool {
	like := func(pattern string) bool {
		if len(text) < len(pattern) {
			return false
		}
		for i := range len(pattern) {
			if pattern[i] == '0' && !isDigit(text[i]) || pattern[i] != '0' && text[i] != pattern[i] {
				return false
			}
		}
		return true
	}
	return like("00:00:00") || like("0000-00-00T00:00:00")
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// parseHeader reads "@15:04:05.0000 [0] 8.1.000.62 send to client: message EventACK".
func (r *Reader) parseHeader(text []byte) *Message {
	at := bytes.LastIndex(text, []byte(messageMark))
	m := &Message{Name: r.intern(bytes.TrimSpace(text[at+len(messageMark):])), Line: r.line}
	clock, rest, _ := strings.Cut(string(text[1:at]), " ")
	m.Clock = clock
	rest = strings.TrimSpace(rest)
	if strings.HasPrefix(rest, "[") {
		_, rest, _ = strings.Cut(rest, "]")
		rest = strings.TrimSpace(rest)
	}
	version, action, _ := strings.Cut(rest, " ")
	m.Version, m.Action = r.intern([]byte(version)), r.intern([]byte(action))
	return m
}

// parseSent reads "15:04:05.000 Trc 04542 EventACK sent to [516] (00000003 OrchestrationServer 127.0.0.1:40727)" and
// reports whether it is of the current message.
func (r *Reader) parseSent(text []byte) bool {
	_, rest, ok := strings.Cut(string(text), " 04542 ")
	if !ok {
		return false
	}
	name, rest, ok := strings.Cut(rest, " sent to [")
	if !ok || name != r.cur.Name {
		return false
	}
	socket, rest, _ := strings.Cut(rest, "]")
	rest = strings.TrimPrefix(strings.TrimSpace(rest), "(")
	rest = strings.TrimSuffix(strings.TrimSpace(rest), ")")
	id, rest, _ := strings.Cut(rest, " ")
	c := Client{Name: rest}
	// The address is absent where a document has broken the line.
	if i := strings.LastIndexByte(rest, ' '); i >= 0 && strings.Contains(rest[i:], ":") {
		c.Name, c.Address = rest[:i], rest[i+1:]
	}
	c.Name, c.Address = r.intern([]byte(c.Name)), r.intern([]byte(c.Address))
	c.Socket, _ = strconv.Atoi(strings.TrimSpace(socket))
	if n, err := strconv.ParseUint(id, 16, 32); err == nil {
		c.ID = uint32(n)
	}
	r.cur.SentTo = append(r.cur.SentTo, c)
	return true
}

// intern returns b as a string; texts that come again share one.
func (r *Reader) intern(b []byte) string {
	if s, ok := r.names[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(r.names) < 1024 && len(s) <= 64 {
		r.names[s] = s
	}
	return s
}

// column is the column at which the text of a line begins; tabs stop at every 8.
func column(line []byte) int {
	n := 0
	for _, c := range line {
		switch c {
		case ' ':
			n++
		case '\t':
			n += 8 - n%8
		default:
			return n
		}
	}
	return n
}

func unix(secs, micros int64) time.Time {
	return time.Unix(secs, micros*int64(time.Microsecond)).UTC()
}
