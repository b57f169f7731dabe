package gateway

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// redact makes a text of the other end fit for a log (invariant 10): one line of at most 200 characters, in which
// every run of 5 digits or more, blanks and punctuation between them not counted, is a #.
func redact(s string) string {
	var b strings.Builder
	n := 0
	for len(s) > 0 && n < 200 {
		if run, digits := numberRun(s); digits >= 5 {
			b.WriteByte('#')
			s = s[run:]
			n++
			continue
		} else if run > 0 {
			b.WriteString(s[:run])
			s = s[run:]
			n += run
			continue
		}
		r, size := utf8.DecodeRuneInString(s)
		if !unicode.IsPrint(r) {
			r = ' '
		}
		b.WriteRune(r)
		s = s[size:]
		n++
	}
	return b.String()
}

// numberRun is the length in bytes of the number that s begins with, to its last digit, and how many digits it has.
func numberRun(s string) (length, digits int) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			digits++
			length = i + 1
		case digits > 0 && strings.IndexByte(" -./()", c) >= 0:
		default:
			return length, digits
		}
	}
	return length, digits
}
