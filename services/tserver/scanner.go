package tserver

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads JSON (RFC 8259) out of a string, strictly. Strings without escapes are parts of that string, so that a
// request with a hundred of them costs no hundred allocations. After the first fault every call does nothing.
type scanner struct {
	s     string
	i     int
	first bool // the object or array that was opened last: no element has been read yet
	err   error
}

// maxNesting bounds objects in objects; a body of the contract has three.
const maxNesting = 32

func (in *scanner) fail(what string) {
	if in.err == nil {
		in.err = fmt.Errorf("is no JSON: byte %d: %s", in.i, what)
	}
	in.i = len(in.s)
}

func (in *scanner) space() {
	for in.i < len(in.s) {
		switch in.s[in.i] {
		case ' ', '\t', '\r', '\n':
			in.i++
		default:
			return
		}
	}
}

// peek returns the first byte of the next token; 0 at the end.
func (in *scanner) peek() byte {
	in.space()
	if in.i == len(in.s) {
		return 0
	}
	return in.s[in.i]
}

func (in *scanner) end() {
	in.space()
	if in.i < len(in.s) {
		in.fail("something follows the body's one value")
	}
}

// open steps into the object or array that peek has shown.
func (in *scanner) open() {
	in.i++
	in.first = true
}

// next stands at the next element, and reports whether there is one; else it steps out of the object or array.
func (in *scanner) next(closing byte) bool {
	c := in.peek()
	first := in.first
	in.first = false
	switch {
	case in.err != nil:
		return false
	case c == closing:
		in.i++
		return false
	case first:
		return true
	case c != ',':
		in.fail("a comma or the end of the object or array is missing")
		return false
	}
	in.i++
	if in.peek() == closing {
		in.fail("a comma before the end")
		return false
	}
	return true
}

// memberName reads a member's name and the colon.
func (in *scanner) memberName() string {
	if in.peek() != '"' {
		in.fail("the name of a member is missing")
		return ""
	}
	name := in.str()
	if in.peek() != ':' {
		in.fail("a colon is missing")
		return ""
	}
	in.i++
	return name
}

// str reads the string that peek has shown.
func (in *scanner) str() string {
	in.i++
	start := in.i
	for in.i < len(in.s) {
		switch c := in.s[in.i]; {
		case ' ' <= c && c < utf8.RuneSelf && c != '"' && c != '\\':
			in.i++
		case c == '"':
			s := in.s[start:in.i]
			in.i++
			return s
		case c == '\\':
			return in.escaped(start)
		case !in.char():
			return ""
		}
	}
	in.fail("a string does not end")
	return ""
}

// char steps over one character of a string, which is none of a quote and a backslash.
func (in *scanner) char() bool {
	switch c := in.s[in.i]; {
	case c < ' ':
		in.fail("a control character in a string")
		return false
	case c < utf8.RuneSelf:
		in.i++
		return true
	}
	r, size := utf8.DecodeRuneInString(in.s[in.i:])
	if r == utf8.RuneError && size == 1 {
		in.fail("not UTF-8")
		return false
	}
	in.i += size
	return true
}

// escaped goes on with a string that began at start and has come to its first backslash.
func (in *scanner) escaped(start int) string {
	var b strings.Builder
	for in.i < len(in.s) {
		switch c := in.s[in.i]; {
		case c == '"':
			b.WriteString(in.s[start:in.i])
			in.i++
			return b.String()
		case c == '\\':
			b.WriteString(in.s[start:in.i])
			in.escape(&b)
			start = in.i
		case !in.char():
			return ""
		}
	}
	in.fail("a string does not end")
	return ""
}

func (in *scanner) escape(b *strings.Builder) {
	if in.i+1 == len(in.s) {
		in.fail("a string does not end")
		return
	}
	c := in.s[in.i+1]
	if c == 'u' {
		in.unicode(b)
		return
	}
	at := strings.IndexByte(`"\/bfnrt`, c)
	if at < 0 {
		in.fail("an escape that JSON does not have")
		return
	}
	b.WriteByte("\"\\/\b\f\n\r\t"[at])
	in.i += 2
}

func (in *scanner) unicode(b *strings.Builder) {
	r, ok := in.hex4()
	if !ok {
		in.fail("an escape that JSON does not have")
		return
	}
	in.i += 6
	if utf16.IsSurrogate(r) {
		low, ok := in.hex4()
		pair := utf16.DecodeRune(r, low)
		if !ok || pair == utf8.RuneError {
			in.fail("half a surrogate pair")
			return
		}
		r = pair
		in.i += 6
	}
	b.WriteRune(r)
}

// hex4 is the number of the \uNNNN that begins here.
func (in *scanner) hex4() (rune, bool) {
	s := in.s[in.i:]
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil
}

// number reads the number that peek has shown.
func (in *scanner) number() string {
	start := in.i
	in.accept('-')
	switch {
	case in.accept('0'):
	case in.digits() == 0:
		in.fail("a number without digits")
		return ""
	}
	if in.accept('.') && in.digits() == 0 {
		in.fail("a fraction without digits")
		return ""
	}
	if in.accept('e') || in.accept('E') {
		if !in.accept('+') {
			in.accept('-')
		}
		if in.digits() == 0 {
			in.fail("an exponent without digits")
			return ""
		}
	}
	return in.s[start:in.i]
}

func (in *scanner) accept(c byte) bool {
	if in.i == len(in.s) || in.s[in.i] != c {
		return false
	}
	in.i++
	return true
}

func (in *scanner) digits() (n int) {
	for in.i < len(in.s) && '0' <= in.s[in.i] && in.s[in.i] <= '9' {
		in.i++
		n++
	}
	return n
}

// skip steps over one value of any kind.
func (in *scanner) skip(depth int) {
	if depth == maxNesting {
		in.fail(fmt.Sprintf("nested more than %d deep", maxNesting))
		return
	}
	switch c := in.peek(); {
	case c == '{':
		for in.open(); in.next('}'); {
			in.memberName()
			in.skip(depth + 1)
		}
	case c == '[':
		for in.open(); in.next(']'); {
			in.skip(depth + 1)
		}
	case c == '"':
		in.str()
	case c == '-' || '0' <= c && c <= '9':
		in.number()
	default:
		for _, word := range []string{"true", "false", "null"} {
			if strings.HasPrefix(in.s[in.i:], word) {
				in.i += len(word)
				return
			}
		}
		in.fail("a value is missing")
	}
}
