package producer

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/intake"
)

// binaryHeader returns the header as the CloudEvents SDK should see it: the HTTP
// binding percent-encodes the values of attributes and may quote them, which the
// SDK leaves as it is. An attribute that is there twice is refused: the SDK would
// take the first and say nothing.
func binaryHeader(h http.Header) (http.Header, *intake.Refusal) {
	decoded := make(http.Header, len(h))
	refusal := &intake.Refusal{Code: callback.ReasonNotCloudEvent}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		values := h[name]
		attribute, is := strings.CutPrefix(name, "Ce-")
		if !is {
			if name == "Content-Type" {
				decoded[name] = values
			}
			continue
		}
		if attribute == "" { // the SDK would panic on it
			refusal.Faults = append(refusal.Faults, callback.Fault{Field: "ce-", Reason: "is no name of an attribute"})
			continue
		}
		if len(values) != 1 {
			field := callback.ShowName(strings.ToLower(attribute))
			refusal.Faults = append(refusal.Faults, callback.Fault{Field: field, Reason: "is there twice"})
			continue
		}
		decoded[name] = []string{unescape(values[0])}
	}
	version, given := decoded["Ce-Specversion"]
	switch {
	case !given && len(h["Ce-Specversion"]) == 0:
		refusal.Faults = append(refusal.Faults, callback.Fault{Field: "specversion", Reason: "is missing"})
	case given && version[0] != "1.0":
		refusal.Faults = append(refusal.Faults, callback.Fault{Field: "specversion", Reason: "must be 1.0"})
	}
	if len(refusal.Faults) > 0 {
		return nil, refusal
	}
	return decoded, nil
}

// unescape undoes the HTTP binding's encoding of an attribute, once: quotes around
// it, then percent-encoding. What is no valid escape stays as it is.
func unescape(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(s[1 : len(s)-1])
	}
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			high, ok1 := hexDigit(s[i+1])
			low, ok2 := hexDigit(s[i+2])
			if ok1 && ok2 {
				b = append(b, high<<4|low)
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}
