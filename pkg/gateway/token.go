package gateway

import (
	"bytes"
	"os"
	"sync/atomic"

	"github.com/ringback/ringback/pkg/fault"
)

// token is the bearer token of a file.
type token struct {
	file  string
	value atomic.Pointer[string]
}

func readToken(file string) (*token, error) {
	t := &token{file: file}
	if file == "" {
		return t, nil
	}
	_, err := t.reread("")
	return t, err
}

// get returns the token, and whether there is one.
func (t *token) get() (string, bool) {
	v := t.value.Load()
	if v == nil {
		return "", false
	}
	return *v, true
}

// reread reads the file again and returns what it holds now; refused is the token that was in use.
func (t *token) reread(refused string) (string, error) {
	raw, err := os.ReadFile(t.file)
	if err != nil {
		return refused, fault.Misconfigf("gateway: token file: %w", err)
	}
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return refused, fault.Misconfigf("gateway: token file %s is empty", t.file)
	}
	for _, c := range raw {
		if c <= ' ' || c >= 0x7f {
			return refused, fault.Misconfigf("gateway: token file %s holds more than one line or a character that no token has", t.file)
		}
	}
	v := string(raw)
	t.value.Store(&v)
	return v, nil
}
