package intake

import (
	"strconv"
	"strings"
)

// maxDepth is how deep values may nest. The contract needs three levels.
const maxDepth = 32

// scanner reads JSON (RFC 8259) from a string, of which the strings it returns
// are parts wherever they hold no escape. The first fault of syntax ends it: every
// method then returns false, and problem says what and where.
type scanner struct {
	src     string
	pos     int
	depth   int
	problem string
}

func (s *scanner) fail(what string) bool {
	if s.problem == "" {
		s.problem = what + " at byte " + strconv.Itoa(s.pos+1)
	}
	return false
}

func (s *scanner) unexpected() bool {
	if s.pos >= len(s.src) {
		return s.fail("it ends too early,")
	}
	return s.fail("unexpected character")
}

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.src) {
		switch c := s.src[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) expect(c byte) bool {
	if s.peek() != c || s.pos >= len(s.src) {
		return s.unexpected()
	}
	s.pos++
	return true
}

// end reports whether nothing follows but white space.
func (s *scanner) end() bool {
	s.peek()
	if s.pos < len(s.src) {
		return s.fail("more follows the value")
	}
	return true
}

func (s *scanner) enter() bool {
	s.pos++
	if s.depth++; s.depth > maxDepth {
		return s.fail("values nest too deep")
	}
	return true
}

// object reads an object; each must read the value of the key that it is given.
func (s *scanner) object(each func(key string) bool) bool {
	if s.peek() != '{' {
		return s.unexpected()
	}
	if !s.enter() {
		return false
	}
	if s.peek() == '}' {
		s.pos++
		s.depth--
		return true
	}
	for {
		if s.peek() != '"' {
			return s.unexpected()
		}
		key, _, ok := s.text()
		if !ok || !s.expect(':') {
			return false
		}
		if s.peek(); !each(key) {
			return false
		}
		switch s.peek() {
		case ',':
			s.pos++
		case '}':
			s.pos++
			s.depth--
			return true
		default:
			return s.unexpected()
		}
	}
}

// array reads an array; each must read one element.
func (s *scanner) array(each func() bool) bool {
	if s.peek() != '[' {
		return s.unexpected()
	}
	if !s.enter() {
		return false
	}
	if s.peek() == ']' {
		s.pos++
		s.depth--
		return true
	}
	for {
		if s.peek(); !each() {
			return false
		}
		switch s.peek() {
		case ',':
			s.pos++
		case ']':
			s.pos++
			s.depth--
			return true
		default:
			return s.unexpected()
		}
	}
}

// skip reads a value of any type.
func (s *scanner) skip() bool {
	switch s.peek() {
	case '{':
		return s.object(func(string) bool { return s.skip() })
	case '[':
		return s.array(s.skip)
	case '"':
		_, _, ok := s.text()
		return ok
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		_, ok := s.number()
		return ok
	}
}

func (s *scanner) literal(word string) bool {
	if !strings.HasPrefix(s.src[s.pos:], word) {
		return s.unexpected()
	}
	s.pos += len(word)
	return true
}

// number reads a number and returns it as it is written.
func (s *scanner) number() (string, bool) {
	start := s.pos
	if s.pos < len(s.src) && s.src[s.pos] == '-' {
		s.pos++
	}
	leading := s.pos
	if !s.digits() {
		return "", s.unexpected()
	}
	if s.src[leading] == '0' && s.pos > leading+1 {
		s.pos = leading + 1
		return "", s.fail("a number with a leading zero")
	}
	if s.pos < len(s.src) && s.src[s.pos] == '.' {
		s.pos++
		if !s.digits() {
			return "", s.unexpected()
		}
	}
	if s.pos < len(s.src) && s.src[s.pos]|0x20 == 'e' {
		s.pos++
		if s.pos < len(s.src) && (s.src[s.pos] == '+' || s.src[s.pos] == '-') {
			s.pos++
		}
		if !s.digits() {
			return "", s.unexpected()
		}
	}
	return s.src[start:s.pos], true
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.src) && s.src[s.pos] >= '0' && s.src[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}

// kind names the type of the value at pos, as a person would.
func (s *scanner) kind() string {
	switch s.peek() {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// null reads a null, and reports whether there was one.
func (s *scanner) null() bool {
	return s.peek() == 'n' && s.literal("null")
}
