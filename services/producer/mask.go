package producer

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
)

// Mask says what of a customer's numbers gets into the log: customer_ani and customer_number, and the parameters that
// fill the same KVPs. What is masked is masked for good, for every subscriber, in the store and at T-Server.
type Mask struct {
	// Numbers is none, last (all but the last digits are taken away) or hash (an HMAC-SHA256 takes their place).
	Numbers string `env:"NUMBERS, default=none"`
	// Digits is how many of the last digits stay, with last; at most half of a number's.
	Digits int `env:"DIGITS, default=4" unit:"digits"`
	// KeyFile holds the key of hash, at least 32 bytes. It is read at the start.
	KeyFile string `env:"KEY_FILE" empty:"refused with hash"`
}

// The values of Mask.Numbers.
const (
	MaskNone = "none"
	MaskLast = "last"
	MaskHash = "hash"
)

// minMaskKey is the least length of a key: numbers are few, so that a short key would be guessed.
const minMaskKey = 32

func (m *Mask) faults() []error {
	switch m.Numbers {
	case "", MaskNone:
	case MaskLast:
		if m.Digits < 1 || m.Digits > 6 {
			return []error{fmt.Errorf("PRODUCER_MASK_DIGITS: must be 1 to 6, is %d", m.Digits)}
		}
	case MaskHash:
		if _, err := m.key(); err != nil {
			return []error{fmt.Errorf("PRODUCER_MASK_KEY_FILE: %w", err)}
		}
	default:
		return []error{fmt.Errorf("PRODUCER_MASK_NUMBERS: must be none, last or hash, is %q", m.Numbers)}
	}
	return nil
}

func (m *Mask) key() ([]byte, error) {
	if m.KeyFile == "" {
		return nil, errors.New("is required with hash")
	}
	text, err := os.ReadFile(m.KeyFile)
	if err != nil {
		return nil, err
	}
	text = bytes.TrimRight(text, "\r\n")
	if len(text) < minMaskKey {
		return nil, fmt.Errorf("%s has %d bytes; at least %d are needed", m.KeyFile, len(text), minMaskKey)
	}
	return text, nil
}

// masker changes numbers by a policy. nil changes nothing.
type masker struct{ number func(string) string }

func (m *Mask) masker() (*masker, error) {
	switch m.Numbers {
	case MaskLast:
		return &masker{func(s string) string { return lastDigits(s, m.Digits) }}, nil
	case MaskHash:
		key, err := m.key()
		if err != nil {
			return nil, fault.Misconfigf("producer: PRODUCER_MASK_KEY_FILE: %w", err)
		}
		return &masker{func(s string) string { return hashed(s, key) }}, nil
	}
	return nil, nil
}

// numberParameters are the request parameters that hold a customer's number, as the fields do.
var numberParameters = map[string]bool{
	"_cb_customer_ani": true, "_cb_customer_number": true, "_cb_customer_phone_number": true,
}

// mask changes the numbers of an event. The same event becomes the same each time, so that one that is sent again stays
// a duplicate, and is no CONFLICT (invariant 3).
func (m *masker) mask(e *callback.Event) {
	if m == nil {
		return
	}
	for _, field := range []**string{&e.Data.CustomerANI, &e.Data.CustomerNumber} {
		if *field != nil {
			masked := m.text(**field)
			*field = &masked
		}
	}
	changed := false
	for name, value := range e.Data.Parameters {
		if !numberParameters[strings.ToLower(name)] {
			continue
		}
		if !changed {
			e.Data.Parameters, changed = maps.Clone(e.Data.Parameters), true
		}
		e.Data.Parameters[name] = m.text(value)
	}
}

// text masks a number. An empty one says that none was detected, which stays so.
func (m *masker) text(s string) string {
	if s == "" {
		return ""
	}
	return m.number(s)
}

// hidden stands for what is taken away. It says nothing of how much that was.
const hidden = "***"

// lastDigits keeps the last digits, of a number that has at least twice as many.
func lastDigits(s string, keep int) string {
	var digits []byte
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= '0' && c <= '9' {
			digits = append(digits, c)
		}
	}
	if len(digits) < 2*keep {
		return hidden
	}
	return hidden + string(digits[len(digits)-keep:])
}

// hashed is a number's HMAC, by which equal numbers stay equal, and which tells nobody without the key which it is.
func hashed(s string, key []byte) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return "hmac:" + hex.EncodeToString(h.Sum(nil)[:16])
}
