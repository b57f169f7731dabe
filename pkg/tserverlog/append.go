package tserverlog

import (
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ringback/ringback/pkg/kvlist"
)

// AppendReceived appends the line that says that a client's request has come in.
func AppendReceived(b []byte, t time.Time, request string, from Client) []byte {
	b = appendClock(b, t, 3)
	b = append(b, ` Int 04543 Interaction message "`...)
	b = append(b, request...)
	b = append(b, `" received from `...)
	b = strconv.AppendInt(b, int64(from.Socket), 10)
	b = append(b, ` ("`...)
	b = appendEscaped(b, from.Name)
	return append(b, "\")\n"...)
}

// AppendAbsentThisDN appends the remark that T-Server makes on a request that names its DN as the destination only.
func AppendAbsentThisDN(b []byte, dn string) []byte {
	b = append(b, "  -- Absent ThisDN, "...)
	b = appendEscaped(b, dn)
	return append(b, " was used\n"...)
}

// AppendRemark appends a line that belongs to no message.
func AppendRemark(b []byte, text string) []byte {
	b = append(b, "-- "...)
	b = appendEscaped(b, text)
	return append(b, '\n')
}

// AppendSent appends the line that says that a message has gone to a client.
func AppendSent(b []byte, t time.Time, message string, to *Client) []byte {
	b = appendClock(b, t, 3)
	b = append(b, " Trc 04542 "...)
	b = append(b, message...)
	b = append(b, " sent to ["...)
	b = strconv.AppendInt(b, int64(to.Socket), 10)
	b = append(b, "] ("...)
	b = appendHex(b, uint64(to.ID), 8)
	b = append(b, ' ')
	b = appendEscaped(b, to.Name)
	b = append(b, ' ')
	b = appendEscaped(b, to.Address)
	return append(b, ")\n"...)
}

// Append appends the message's lines: its first line and its attributes, in the order in which T-Server prints them.
func (m *Message) Append(b []byte) []byte {
	b = append(b, '@')
	b = appendClock(b, m.Time, 4)
	b = append(b, " [0] "...)
	b = append(b, m.Version...)
	b = append(b, ' ')
	b = append(b, m.Action...)
	b = append(b, ": message "...)
	b = append(b, m.Name...)
	b = append(b, "\n\tAttributeEventSequenceNumber\t"...)
	b = appendHex(b, m.EventSequenceNumber, 16)
	b = appendString(b, "\n\tAttributeCustomerID\t", m.CustomerID)
	b = append(b, "\n\tAttributeTimeinuSecs\t"...)
	b = strconv.AppendInt(b, int64(m.Time.Nanosecond()/1000), 10)
	b = append(b, "\n\tAttributeTimeinSecs\t"...)
	b = strconv.AppendInt(b, m.Time.Unix(), 10)
	b = append(b, " ("...)
	b = appendClock(b, m.Time, 0)
	b = append(b, ')')
	if m.Action == SendToClient {
		b = m.appendReply(b)
	} else {
		b = m.appendDistributed(b)
	}
	return append(b, '\n')
}

// appendReply appends the attributes of a reply: the request that it answers comes last.
func (m *Message) appendReply(b []byte) []byte {
	if m.Name == EventError {
		b = append(b, "\n\tAttributeErrorCode\t"...)
		b = strconv.AppendInt(b, m.ErrorCode, 10)
		b = appendString(b, "\n\tAttributeErrorMessage\t", m.ErrorMessage)
	}
	b = m.appendTarget(b)
	return m.appendUserEvent(b)
}

// appendDistributed appends the attributes of an event: the user data comes before what it is about.
func (m *Message) appendDistributed(b []byte) []byte {
	b = m.appendUserEvent(b)
	if len(m.UserData) > 0 {
		b = append(b, "\n\tAttributeUserData\t"...)
		b = appendPacked(b, m.UserData)
		b = appendPairs(b, m.UserData, 2)
	}
	b = appendString(b, "\n\tAttributeANI\t", m.ANI)
	b = appendString(b, "\n\tAttributeDNIS\t", m.DNIS)
	if m.MediaType != 0 {
		b = append(b, "\n\tAttributeMediaType\t"...)
		b = strconv.AppendInt(b, m.MediaType, 10)
	}
	return m.appendTarget(b)
}

func (m *Message) appendTarget(b []byte) []byte {
	b = append(b, "\n\tAttributeReferenceID\t"...)
	b = strconv.AppendInt(b, m.ReferenceID, 10)
	b = appendString(b, "\n\tAttributeCallUUID\t", m.CallUUID)
	return appendString(b, "\n\tAttributeThisDN\t", m.ThisDN)
}

func (m *Message) appendUserEvent(b []byte) []byte {
	if m.UserEvent == "" {
		return b
	}
	b = append(b, "\n\tAttributeUserEvent\t"...)
	return append(b, m.UserEvent...)
}

// appendPacked appends the size of a packed list and its first four bytes: the number of pairs, the type of the first
// one, and a byte that published logs show as 0.
func appendPacked(b []byte, pairs []kvlist.Pair) []byte {
	b = append(b, '[')
	b = strconv.AppendInt(b, int64(kvlist.Size(pairs)), 10)
	b = append(b, "] "...)
	b = appendHex(b, uint64(len(pairs)>>8&0xff), 2)
	b = append(b, ' ')
	b = appendHex(b, uint64(len(pairs)&0xff), 2)
	b = append(b, ' ')
	b = appendHex(b, uint64(pairs[0].Kind), 2)
	return append(b, " 00.."...)
}

func appendPairs(b []byte, pairs []kvlist.Pair, depth int) []byte {
	for i := range pairs {
		p := &pairs[i]
		b = append(b, '\n')
		for range depth {
			b = append(b, '\t')
		}
		b = appendQuoted(b, p.Key)
		switch p.Kind {
		case kvlist.Integer:
			b = append(b, '\t')
			b = strconv.AppendInt(b, p.Int, 10)
		case kvlist.List:
			b = append(b, "(list) "...)
			b = appendPairs(b, p.List, depth+1)
		default:
			b = append(b, '\t')
			b = appendQuoted(b, p.Str)
		}
	}
	return b
}

func appendString(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendQuoted(append(b, name...), value)
}

func appendQuoted(b []byte, s string) []byte {
	b = append(b, '\'')
	b = appendEscaped(b, s)
	return append(b, '\'')
}

// appendEscaped appends s so that it stays on its line and inside its quotes.
func appendEscaped(b []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '\'' && c != '\\' && c != 0x7f {
				i++
				continue
			}
			b = append(b, s[start:i]...)
			b = appendEscape(b, rune(c))
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(append(b, s[start:i]...), `\x`...)
			b = appendHex(b, uint64(c), 2)
			start = i + 1
		case !unicode.IsPrint(r):
			b = append(b, s[start:i]...)
			b = appendEscape(b, r)
			start = i + size
		}
		i += size
	}
	return append(b, s[start:]...)
}

func appendEscape(b []byte, r rune) []byte {
	switch {
	case r == '\'' || r == '\\':
		return append(b, '\\', byte(r))
	case r == '\n':
		return append(b, `\n`...)
	case r == '\r':
		return append(b, `\r`...)
	case r == '\t':
		return append(b, `\t`...)
	case r < utf8.RuneSelf:
		return appendHex(append(b, `\x`...), uint64(r), 2)
	case r < 0x10000:
		return appendHex(append(b, `\u`...), uint64(r), 4)
	default:
		return appendHex(append(b, `\U`...), uint64(r), 8)
	}
}

func appendHex(b []byte, n uint64, digits int) []byte {
	const hex = "0123456789abcdef"
	for shift := (digits - 1) * 4; shift >= 0; shift -= 4 {
		b = append(b, hex[n>>shift&15])
	}
	return b
}

// appendClock appends t as 15:04:05 and a fraction of that many digits, at most 6.
func appendClock(b []byte, t time.Time, digits int) []byte {
	h, m, s := t.Clock()
	b = append(b, byte('0'+h/10), byte('0'+h%10), ':', byte('0'+m/10), byte('0'+m%10), ':', byte('0'+s/10), byte('0'+s%10))
	if digits == 0 {
		return b
	}
	b = append(b, '.')
	for n, i := int64(t.Nanosecond()), 0; i < digits; i++ {
		n *= 10
		b = append(b, byte('0'+n/1e9))
		n %= 1e9
	}
	return b
}
