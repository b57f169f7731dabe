package intake

import (
	"strconv"
	"strings"
)

// integer returns the value of a JSON number that is whole, however it is
// written: 12, 12.0 and 1.2e1 are the same. What it returns beside it is empty, or
// says why there is none.
func integer(literal string) (n int64, reason string) {
	n, err := strconv.ParseInt(literal, 10, 64)
	if err == nil {
		return n, ""
	}
	const fraction, tooLarge = "must be an integer, has a fraction", "is too large a number"
	digits, exponent, _ := strings.Cut(strings.ToLower(literal), "e")
	digits, negative := strings.CutPrefix(digits, "-")
	whole, part, _ := strings.Cut(digits, ".")
	digits = strings.TrimLeft(whole+part, "0")
	if digits == "" {
		return 0, "" // zero, whatever its exponent
	}
	shift, err := exponentOf(exponent)
	if err != nil {
		if strings.HasPrefix(exponent, "-") {
			return 0, fraction
		}
		return 0, tooLarge
	}
	significant := strings.TrimRight(digits, "0")
	// The value is significant × 10^zeros.
	zeros := shift - len(part) + len(digits) - len(significant)
	if zeros < 0 {
		return 0, fraction
	}
	if len(significant)+zeros > 18 {
		return 0, tooLarge
	}
	n, err = strconv.ParseInt(significant+strings.Repeat("0", zeros), 10, 64)
	if err != nil {
		return 0, tooLarge
	}
	if negative {
		n = -n
	}
	return n, ""
}

// exponentOf keeps the exponent where the sums made with it cannot overflow.
func exponentOf(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 32)
	return int(n), err
}
