package intake

import (
	"time"

	"github.com/ringback/ringback/pkg/callback"
)

// FutureLimit is how far after its arrival an event may say that it happened.
const FutureLimit = 24 * time.Hour

const notRFC3339 = "must be a time in RFC 3339 form, such as 2026-03-01T09:30:00Z"

// instant reads an RFC 3339 time, to the microsecond, the rest cut off.
func instant(s string) (callback.Micros, bool) {
	// time.Parse is more lenient than RFC 3339: an hour of one digit, a comma before
	// the fraction and an offset of 24 hours pass it. The fixed places rule them out.
	if len(s) < len("2006-01-02T15:04:05Z") || s[10] != 'T' || s[13] != ':' || s[19] == ',' {
		return 0, false
	}
	if s[len(s)-1] != 'Z' {
		offset := s[len(s)-len("07:00"):]
		if offset[:2] > "23" || offset[3:] > "59" {
			return 0, false
		}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return 0, false
	}
	return callback.Micros(t.UnixMicro()), true
}
