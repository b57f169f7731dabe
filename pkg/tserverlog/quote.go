package tserverlog

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// unquote returns what stands between the first and the last quote of s, escapes undone; s itself where it is not
// quoted.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '\'' {
		return s
	}
	end := strings.LastIndexByte(s, '\'')
	if end == 0 {
		return s
	}
	return unescape(s[1:end])
}

func (r *Reader) unquoteKey(b []byte) string {
	if bytes.IndexByte(b, '\\') < 0 {
		return r.intern(b)
	}
	return unescape(string(b))
}

// unescape undoes the escapes of appendEscaped. A backslash that begins none of them stands for itself, as in a real
// server's log.
func unescape(s string) string {
	at := strings.IndexByte(s, '\\')
	if at < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for at >= 0 {
		b = append(b, s[:at]...)
		s = s[at:]
		n := 2
		switch {
		case len(s) < 2:
			n = 1
			b = append(b, '\\')
		case s[1] == '\\' || s[1] == '\'':
			b = append(b, s[1])
		case s[1] == 'n':
			b = append(b, '\n')
		case s[1] == 'r':
			b = append(b, '\r')
		case s[1] == 't':
			b = append(b, '\t')
		case s[1] == 'x' || s[1] == 'u' || s[1] == 'U':
			b, n = unescapeHex(b, s)
		default:
			n = 1
			b = append(b, '\\')
		}
		s = s[n:]
		at = strings.IndexByte(s, '\\')
	}
	return string(append(b, s...))
}

func unescapeHex(b []byte, s string) ([]byte, int) {
	end := map[byte]int{'x': 4, 'u': 6, 'U': 10}[s[1]]
	if len(s) >= end {
		if n, err := strconv.ParseUint(s[2:end], 16, 32); err == nil {
			if s[1] == 'x' {
				return append(b, byte(n)), end
			}
			return utf8.AppendRune(b, rune(n)), end
		}
	}
	return append(b, '\\'), 1
}
