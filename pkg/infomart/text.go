package infomart

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Printable makes s fit a text column of max characters: what a record that was set
// aside says of itself must never stop the row that tells of it.
func Printable(s string, limit int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if len(s) <= limit || utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit])
}

// EncodeID makes any string one that a text column holds, so that DecodeID gives it
// back: an id is compared with what it was, byte for byte. An ordinary one stays as it is.
func EncodeID(s string) string {
	if utf8.ValidString(s) && !strings.ContainsAny(s, "\x00%") {
		return s
	}
	return strings.ReplaceAll(url.PathEscape(s), "%2F", "/")
}

// DecodeID undoes EncodeID.
func DecodeID(s string) string {
	if d, err := url.PathUnescape(s); err == nil {
		return d
	}
	return s
}

// LedgerKey is the primary key of an id in the T-Server ledger: the id itself, or, of
// one that is too long for an index, its beginning and its SHA-256.
func LedgerKey(id string) string {
	encoded := EncodeID(id)
	if len(encoded) <= MaxText {
		return encoded
	}
	sum := sha256.Sum256([]byte(id))
	return strings.ToValidUTF8(encoded[:MaxText-65], "") + "~" + hex.EncodeToString(sum[:])
}
