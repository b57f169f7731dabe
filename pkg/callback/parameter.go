package callback

import "strconv"

// A time with as many digits as these is in milliseconds; see ParseParameter.
const (
	milliseconds13 = 1_000_000_000_000  // the least number of 13 digits
	milliseconds14 = 10_000_000_000_000 // the least number of 14
)

// ParseParameter reads the text of a request parameter (such as _cb_dim_channel) as
// a value of KVP k. It reports false where the text is not of k's type:
//
//   - String: any text is, the empty one too (_CB_CUSTOMER_ANI is empty where no ANI was detected).
//   - every other kind: a decimal integer of 64 bits, digits only, with a minus sign
//     or none; no plus sign, blank, separator, fraction or exponent.
//   - Flag: 0 or 1.
//   - Seconds, Count: not negative.
//   - Timestamp: not negative; UTC epoch seconds, or milliseconds where the number
//     has 13 digits (they are kept as seconds, rounded down). With more digits it is
//     neither (microseconds, say).
//
// The value's By is -1.
func (k KVP) ParseParameter(text string) (Value, bool) {
	kind := k.Info().Kind
	if kind == String {
		return Value{Set: true, Str: text, By: -1}, true
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || text[0] == '+' {
		return Value{}, false
	}
	ok := true
	switch kind {
	case Flag:
		ok = n == 0 || n == 1
	case Seconds, Count:
		ok = n >= 0
	case Timestamp:
		ok = n >= 0 && n < milliseconds14
		if n >= milliseconds13 {
			n /= 1000
		}
	}
	if !ok {
		return Value{}, false
	}
	return Value{Set: true, Int: n, By: -1}, true
}

// AcceptParameter is ParseParameter with the limits of the Info Mart's columns: 32
// bits, MaxText characters, no NUL. It refuses what ValidateParameters finds fault with.
func (k KVP) AcceptParameter(text string) (Value, bool) {
	v, ok := k.ParseParameter(text)
	if !ok || v.Int < MinInt || v.Int > MaxInt || textReason(v.Str, MaxText) != "" {
		return Value{}, false
	}
	return v, true
}
