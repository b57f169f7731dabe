package gateway

import (
	"bytes"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/ringback/ringback/pkg/kvlist"
)

var (
	buffers = sync.Pool{New: func() any { return new([]byte) }}
	answers = sync.Pool{New: func() any { return new(bytes.Buffer) }}
)

// keepBuffer is the largest buffer that is kept for the next request, in bytes.
const keepBuffer = 64 << 10

// body is a request's body, encoded by hand into a buffer that is used again.
type body struct {
	buf    []byte
	off    int
	pooled *[]byte
	read   atomic.Bool // read to its end
	shared atomic.Bool // another body reads the same buffer
}

func newBody() *body {
	p := buffers.Get().(*[]byte)
	return &body{buf: (*p)[:0], pooled: p}
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.off == len(b.buf) {
		return 0, io.EOF
	}
	n := copy(p, b.buf[b.off:])
	b.off += n
	if b.off == len(b.buf) {
		b.read.Store(true)
	}
	return n, nil
}

// Close implements io.Closer.
func (b *body) Close() error { return nil }

// again is a body of the same bytes from the beginning. Neither goes back to the pool: the transport may still be
// reading the first.
func (b *body) again() *body {
	b.shared.Store(true)
	return &body{buf: b.buf}
}

// release gives the buffer back, once its request has been answered. The transport may go on reading a body after the
// answer has come; such a buffer is left to the garbage collector, or the next request's bytes would go out in this
// one's place.
func (b *body) release() {
	if b.pooled == nil || b.shared.Load() || !b.read.Load() || cap(b.buf) > keepBuffer {
		return
	}
	*b.pooled = b.buf
	buffers.Put(b.pooled)
	b.pooled = nil
}

func (b *body) appendUserEvent(e *UserEvent) {
	b.field(`{"switch":`, e.Switch)
	b.field(`,"dn":`, e.DN)
	b.appendCommon(e.ReferenceID, e.UserData)
	b.optional(`,"ani":`, e.ANI)
	b.optional(`,"dnis":`, e.DNIS)
	b.optional(`,"customerId":`, e.CustomerID)
	if e.MediaType != 0 {
		b.buf = append(b.buf, `,"mediaType":`...)
		b.buf = strconv.AppendInt(b.buf, int64(e.MediaType), 10)
	}
	b.optional(`,"idempotencyKey":`, e.IdempotencyKey)
	b.buf = append(b.buf, '}')
}

func (b *body) appendCallData(d *CallData) {
	b.field(`{"switch":`, d.Switch)
	b.appendCommon(d.ReferenceID, d.UserData)
	b.optional(`,"idempotencyKey":`, d.IdempotencyKey)
	b.buf = append(b.buf, '}')
}

func (b *body) appendCommon(ref int32, pairs []kvlist.Pair) {
	b.buf = append(b.buf, `,"referenceId":`...)
	b.buf = strconv.AppendInt(b.buf, int64(ref), 10)
	b.buf = append(b.buf, `,"userData":[`...)
	for i := range pairs {
		p := &pairs[i]
		if i > 0 {
			b.buf = append(b.buf, ',')
		}
		b.field(`{"key":`, p.Key)
		if p.Kind == kvlist.Integer {
			b.buf = append(b.buf, `,"type":"int","value":`...)
			b.buf = strconv.AppendInt(b.buf, p.Int, 10)
		} else {
			b.field(`,"type":"str","value":`, p.Str)
		}
		b.buf = append(b.buf, '}')
	}
	b.buf = append(b.buf, ']')
}

func (b *body) optional(name, value string) {
	if value != "" {
		b.field(name, value)
	}
}

// field appends name, which is JSON already, and value as a JSON string; bytes that are no UTF-8 become U+FFFD.
func (b *body) field(name, value string) {
	const hex = "0123456789abcdef"
	buf := append(append(b.buf, name...), '"')
	start := 0
	for i := 0; i < len(value); {
		c := value[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			buf = append(buf, value[start:i]...)
			if c == '"' || c == '\\' {
				buf = append(buf, '\\', c)
			} else {
				buf = append(buf, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(value[i:])
		if r == utf8.RuneError && size == 1 {
			buf = append(buf, value[start:i]...)
			buf = utf8.AppendRune(buf, r)
			start = i + size
		}
		i += size
	}
	b.buf = append(append(buf, value[start:]...), '"')
}
