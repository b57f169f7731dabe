package tserverlog

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/ringback/ringback/pkg/kvlist"
)

// maxItems bounds the lines of one list; a packed list counts its pairs in two bytes.
const maxItems = 1 << 16

// block collects the attribute lines of one message.
type block struct {
	name   string // the attribute that was named last
	value  string // its value; empty: not met yet
	stray  string // a value that was met before the name it belongs to
	list   bool   // name is a list: what follows are its items
	values []attribute
	items  []item // of AttributeUserData
	packed string // its "[347] 00 0c 00 00.."
}

type attribute struct{ name, value string }

// add takes one line; text is without its indentation.
func (b *block) add(r *Reader, col int, text []byte) {
	if bytes.HasPrefix(text, []byte("Attribute")) {
		b.close()
		end := bytes.IndexAny(text, " \t")
		if end < 0 {
			end = len(text)
		}
		b.name = r.intern(text[:end])
		b.set(bytes.TrimSpace(text[end:]))
		return
	}
	switch {
	case b.list && b.name == "AttributeUserData":
		if len(b.items) < maxItems {
			b.items = appendItem(b.items, r, col, text)
		}
	case b.list:
	case b.name != "" && b.value == "":
		b.set(bytes.TrimSpace(text))
	default:
		b.stray = string(bytes.TrimSpace(text))
	}
}

func (b *block) set(value []byte) {
	b.value = string(value)
	if len(value) > 0 && value[0] == '[' {
		b.list = true
		if b.name == "AttributeUserData" {
			b.packed = b.value
		}
	}
}

// close ends the attribute that was named last.
func (b *block) close() {
	if b.name != "" && !b.list {
		if b.value == "" {
			b.value, b.stray = b.stray, ""
		}
		b.values = append(b.values, attribute{b.name, b.value})
	}
	b.name, b.value, b.list = "", "", false
}

// finish gives the message its attributes.
func (b *block) finish(m *Message) {
	b.close()
	var secs, micros int64
	for _, a := range b.values {
		switch strings.TrimPrefix(a.name, "Attribute") {
		case "EventSequenceNumber":
			m.EventSequenceNumber, _ = strconv.ParseUint(a.value, 16, 64)
		case "CustomerID":
			m.CustomerID = unquote(a.value)
		case "TimeinuSecs":
			micros = integer(a.value)
		case "TimeinSecs":
			secs = integer(a.value)
		case "ReferenceID":
			m.ReferenceID = integer(a.value)
		case "ThisDN":
			m.ThisDN = unquote(a.value)
		case "ANI":
			m.ANI = unquote(a.value)
		case "DNIS":
			m.DNIS = unquote(a.value)
		case "MediaType":
			m.MediaType = integer(a.value)
		case "CallUUID":
			m.CallUUID = unquote(a.value)
		case "UserEvent":
			m.UserEvent = a.value
		case "ErrorCode":
			m.ErrorCode = integer(a.value)
		case "ErrorMessage":
			m.ErrorMessage = unquote(a.value)
		}
	}
	m.Time = unix(secs, micros)
	m.Size, m.Pairs = parsePacked(b.packed)
	if len(b.items) > 0 {
		m.UserData = pairs(b.items, 0)
	}
}

// integer reads the number that s begins with; 0 where there is none.
func integer(s string) int64 {
	s, _, _ = strings.Cut(s, " ")
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// parsePacked reads "[347] 00 0c 00 00..": the size in bytes and the number of pairs.
func parsePacked(s string) (size, count int) {
	s, rest, ok := strings.Cut(strings.TrimPrefix(s, "["), "] ")
	if !ok {
		return 0, 0
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || len(rest) < len("00 00") {
		return 0, 0
	}
	c, err := strconv.ParseUint(rest[:2]+rest[3:5], 16, 16)
	if err != nil {
		return int(n), 0
	}
	return int(n), int(c)
}

// item is one line of a list, or a part of one.
type item struct {
	col   int
	key   string
	kind  itemKind
	value kvlist.Pair // without its key, of whole
}

type itemKind uint8

const (
	lone  itemKind = iota // one text: a key whose value is elsewhere, or such a value
	bare                  // one text without quotes: such a value
	whole                 // a key and its value
	list                  // the name of a list whose pairs follow, indented more
)

func appendItem(items []item, r *Reader, col int, text []byte) []item {
	text = bytes.TrimRight(text, " \t")
	for len(text) > 0 && len(items) < maxItems {
		if text[0] != '\'' {
			return append(items, item{col: col, key: string(text), kind: bare})
		}
		end := closingQuote(text)
		if end < 0 {
			return append(items, item{col: col, key: string(text), kind: bare})
		}
		key, rest := r.unquoteKey(text[1:end]), text[end+1:]
		if len(rest) == 0 {
			return append(items, item{col: col, key: key, kind: lone})
		}
		if after, ok := bytes.CutPrefix(rest, []byte("(list)")); ok {
			items = append(items, item{col: col, key: key, kind: list})
			// The first pair of a list may stand on its line.
			text = bytes.TrimLeft(after, " \t")
			col += 8
			continue
		}
		return append(items, item{col: col, key: key, kind: whole, value: parseValue(bytes.TrimLeft(rest, " \t"))})
	}
	return items
}

// closingQuote finds the quote that ends a key: the first one that is not escaped and has a blank, a list's mark or
// nothing after it.
func closingQuote(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '\'':
			if i+1 == len(text) || text[i+1] == ' ' || text[i+1] == '\t' || text[i+1] == '(' {
				return i
			}
		}
	}
	return -1
}

func parseValue(text []byte) kvlist.Pair {
	if text[0] != '\'' {
		if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
			return kvlist.Int("", n)
		}
	}
	return kvlist.Str("", unquote(string(text)))
}

// maxDepth bounds lists in lists.
const maxDepth = 32

// pairs makes the pairs of a list from its items.
func pairs(items []item, depth int) []kvlist.Pair {
	if depth > maxDepth || len(items) == 0 {
		return nil
	}
	keys := items[0].col
	for i := range items {
		keys = min(keys, items[i].col)
	}
	var (
		out     = make([]kvlist.Pair, 0, len(items))
		stray   string
		waiting bool // the last pair has no value yet
	)
	for i := 0; i < len(items); i++ {
		it := &items[i]
		switch {
		case it.kind == whole:
			p := it.value
			p.Key = it.key
			out, waiting = append(out, p), false
		case it.kind == list:
			end := i + 1
			for end < len(items) && items[end].col > it.col {
				end++
			}
			out = append(out, kvlist.Pair{Key: it.key, Kind: kvlist.List, List: pairs(items[i+1:end], depth+1)})
			i, waiting = end-1, false
		case it.kind == bare || it.col >= keys+8:
			value := kvlist.Str("", it.key)
			if n, err := strconv.ParseInt(it.key, 10, 64); it.kind == bare && err == nil {
				value = kvlist.Int("", n)
			}
			if !waiting {
				stray = value.Text()
				continue
			}
			last := &out[len(out)-1]
			value.Key = last.Key
			*last, waiting = value, false
		default:
			out, waiting = append(out, kvlist.Str(it.key, stray)), stray == ""
			stray = ""
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
