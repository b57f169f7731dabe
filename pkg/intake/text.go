package intake

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// What a string may hold that JSON's grammar allows and Unicode does not.
const (
	notUTF8       = "is not valid UTF-8"
	loneSurrogate = "holds a lone surrogate, which is no character"
)

// text reads a string. What it returns beside it is empty, or says what is wrong
// with its characters; such a string can be read past but not used.
func (s *scanner) text() (str, reason string, ok bool) {
	s.pos++ // the opening quote
	start, ascii := s.pos, true
	for s.pos < len(s.src) {
		switch c := s.src[s.pos]; {
		case c == '"':
			str = s.src[start:s.pos]
			s.pos++
			if !ascii && !utf8.ValidString(str) {
				reason = notUTF8
			}
			return str, reason, true
		case c == '\\':
			return s.escapedText(start)
		case c < 0x20:
			return "", "", s.fail("a control character in a string")
		case c >= utf8.RuneSelf:
			ascii = false
		}
		s.pos++
	}
	return "", "", s.unexpected()
}

// escapedText reads on a string whose first escape is at pos.
func (s *scanner) escapedText(start int) (str, reason string, ok bool) {
	b := append(make([]byte, 0, s.pos-start+64), s.src[start:s.pos]...)
	for s.pos < len(s.src) {
		c := s.src[s.pos]
		switch {
		case c == '"':
			s.pos++
			if reason == "" && !utf8.Valid(b) {
				reason = notUTF8
			}
			return string(b), reason, true
		case c < 0x20:
			return "", "", s.fail("a control character in a string")
		case c != '\\':
			b = append(b, c)
			s.pos++
			continue
		}
		r, whole := s.escape()
		if r < 0 {
			return "", "", false
		}
		if !whole {
			reason = loneSurrogate
		}
		b = utf8.AppendRune(b, r)
	}
	return "", "", s.unexpected()
}

// escape reads the escape sequence at pos: its character, or -1 where it is none.
// Half a surrogate pair is not whole.
func (s *scanner) escape() (r rune, whole bool) {
	if s.pos+1 >= len(s.src) {
		s.pos = len(s.src)
		s.unexpected()
		return -1, false
	}
	switch c := s.src[s.pos+1]; c {
	case '"', '\\', '/':
		r = rune(c)
	case 'b':
		r = '\b'
	case 'f':
		r = '\f'
	case 'n':
		r = '\n'
	case 'r':
		r = '\r'
	case 't':
		r = '\t'
	case 'u':
		return s.unicodeEscape()
	default:
		s.fail("an unknown escape sequence")
		return -1, false
	}
	s.pos += 2
	return r, true
}

func (s *scanner) unicodeEscape() (r rune, whole bool) {
	r = s.hex4(s.pos + 2)
	if r < 0 {
		s.fail("an unknown escape sequence")
		return -1, false
	}
	s.pos += 6
	if !utf16.IsSurrogate(r) {
		return r, true
	}
	if strings.HasPrefix(s.src[s.pos:], `\u`) {
		if pair := utf16.DecodeRune(r, s.hex4(s.pos+2)); pair != utf8.RuneError {
			s.pos += 6
			return pair, true
		}
	}
	return utf8.RuneError, false
}

// hex4 is the value of the four hexadecimal digits at pos, -1 where they are none.
func (s *scanner) hex4(pos int) rune {
	if pos+4 > len(s.src) {
		return -1
	}
	var r rune
	for _, c := range []byte(s.src[pos : pos+4]) {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}
