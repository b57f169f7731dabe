package gateway

import (
	"math"
	"unicode/utf8"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/kvlist"
)

// The contract's limits: of names in characters, of keys and values in bytes.
const (
	maxName  = 255
	maxIxnID = 1024
	maxPairs = math.MaxUint16
	maxBytes = math.MaxUint16
)

// check finds what the contract cannot carry. Such an event would be refused as malformed however often it is sent:
// it is bad data, and must not hold up its neighbours (invariant 7).
func (e *UserEvent) check() error {
	for _, f := range []struct {
		name, value string
		required    bool
		max         int
	}{
		{"switch", e.Switch, true, maxName},
		{"DN", e.DN, true, maxName},
		{"ANI", e.ANI, false, maxName},
		{"DNIS", e.DNIS, false, maxName},
		{"customer id", e.CustomerID, false, maxName},
		{"idempotency key", e.IdempotencyKey, false, maxIxnID},
	} {
		if err := checkText(f.name, f.value, f.required, f.max); err != nil {
			return err
		}
	}
	if e.MediaType < 0 {
		return callback.Bad(callback.ReasonRefused, "media type is negative")
	}
	return checkUserData(e.ReferenceID, e.UserData)
}

func (d *CallData) check() error {
	if err := checkText("switch", d.Switch, true, maxName); err != nil {
		return err
	}
	if err := checkText("interaction id", d.IxnID, true, maxIxnID); err != nil {
		return err
	}
	if err := checkText("idempotency key", d.IdempotencyKey, false, maxIxnID); err != nil {
		return err
	}
	return checkUserData(d.ReferenceID, d.UserData)
}

func checkText(name, value string, required bool, most int) error {
	if required && value == "" {
		return callback.Bad(callback.ReasonRefused, "no %s", name)
	}
	if len(value) > most && utf8.RuneCountInString(value) > most {
		return callback.Bad(callback.ReasonRefused, "%s is longer than %d characters", name, most)
	}
	return nil
}

func checkUserData(ref int32, pairs []kvlist.Pair) error {
	if ref < 0 {
		return callback.Bad(callback.ReasonRefused, "reference id is negative")
	}
	if len(pairs) == 0 || len(pairs) > maxPairs {
		return callback.Bad(callback.ReasonRefused, "%d pairs of user data; there must be 1 to %d", len(pairs), maxPairs)
	}
	for i := range pairs {
		p := &pairs[i]
		switch {
		case p.Key == "" || len(p.Key) > maxBytes:
			return callback.Bad(callback.ReasonRefused, "pair %d: the key has %d bytes; it must have 1 to %d", i, len(p.Key), maxBytes)
		case p.Kind == kvlist.String && len(p.Str) > maxBytes:
			return callback.Bad(callback.ReasonRefused, "%s: the value has %d bytes, more than %d", p.Key, len(p.Str), maxBytes)
		case p.Kind == kvlist.Integer && (p.Int < math.MinInt32 || p.Int > math.MaxInt32):
			return callback.Bad(callback.ReasonRefused, "%s: the value has more than 32 bits", p.Key)
		case p.Kind != kvlist.String && p.Kind != kvlist.Integer:
			return callback.Bad(callback.ReasonRefused, "%s: neither a string nor an integer", p.Key)
		}
	}
	return nil
}
