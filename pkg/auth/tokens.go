package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
)

// scopesWord begins the last word of a token's line where the token has other scopes than writing events.
const scopesWord = "scopes="

// parseTokens reads a token file: a line each, token, tenantdbid or none, name or none, scopes=a,b or none, which is
// scopes=events:write; # begins a comment. The error names every bad line, and no token (invariant 10).
func parseTokens(file []byte) ([]Grant, error) {
	var grants []Grant
	var faults []error
	lines := make(map[[sha256.Size]byte]int)
	number := 0
	for line := range bytes.Lines(bytes.TrimPrefix(file, []byte("\xef\xbb\xbf"))) {
		number++
		text, _, _ := strings.Cut(string(line), "#")
		fields := strings.Fields(text)
		if len(fields) == 0 {
			continue
		}
		g, err := parseGrant(fields)
		if err != nil {
			faults = append(faults, fmt.Errorf("line %d: %w", number, err))
			continue
		}
		if first, known := lines[g.Key]; known {
			faults = append(faults, fmt.Errorf("line %d: the same token as in line %d", number, first))
			continue
		}
		lines[g.Key] = number
		grants = append(grants, g)
	}
	return grants, errors.Join(faults...)
}

func parseGrant(fields []string) (Grant, error) {
	token, rest := fields[0], fields[1:]
	for i := 0; i < len(token); i++ {
		if token[i] <= ' ' || token[i] > '~' {
			return Grant{}, errors.New("the token holds a character that no HTTP header can carry")
		}
	}
	g := Grant{Key: sha256.Sum256([]byte(token))}
	if len(rest) > 0 && strings.Trim(rest[0], "0123456789") == "" {
		n, err := strconv.ParseInt(rest[0], 10, 64)
		if err != nil || n < 1 || n > callback.MaxInt {
			return Grant{}, fmt.Errorf("the tenantdbid must be 1 to %d", callback.MaxInt)
		}
		g.Tenant, rest = n, rest[1:]
	}
	if last := len(rest) - 1; last >= 0 && strings.HasPrefix(rest[last], scopesWord) {
		for scope := range strings.SplitSeq(strings.TrimPrefix(rest[last], scopesWord), ",") {
			if !slices.Contains(Scopes, scope) {
				return Grant{}, fmt.Errorf("a scope is none of %s", strings.Join(Scopes, ", "))
			}
			g.Scopes = append(g.Scopes, scope)
		}
		rest = rest[:last]
	}
	if g.Scopes == nil {
		g.Scopes = []string{EventsWrite} // what an operator may is given by name only
	}
	g.Name = strings.Join(rest, " ")
	return g, nil
}

// Tokens holds the tokens of a file. It is safe for concurrent use, but for Reload.
type Tokens struct {
	path   string
	grants atomic.Pointer[[]Grant]
	file   []byte // as last read, good or bad; of Reload alone
}

// OpenTokens reads a token file. The error is a misconfiguration.
func OpenTokens(path string) (*Tokens, error) {
	t := &Tokens{path: path}
	if _, err := t.Reload(); err != nil {
		return nil, err
	}
	return t, nil
}

// Reload reads the file again, if it has changed. From a file that is bad or gone
// nothing is taken: the former tokens stay, so that a slip of an editor locks
// nobody out. It returns an error once for each new bad content.
func (t *Tokens) Reload() (changed bool, err error) {
	file, err := os.ReadFile(t.path)
	if err != nil {
		return false, fault.Misconfigf("token file: %w", err)
	}
	if t.file != nil && bytes.Equal(file, t.file) {
		return false, nil
	}
	t.file = append([]byte{}, file...)
	grants, err := parseTokens(file)
	if err == nil && len(grants) == 0 {
		err = errors.New("holds no token")
	}
	if err != nil {
		return false, fault.Misconfigf("token file %s: %w", t.path, err)
	}
	t.grants.Store(&grants)
	return true, nil
}

// Verify returns what the token allows. It compares digests in constant time and
// looks at every one, so that the time taken tells nothing of any token.
func (t *Tokens) Verify(_ context.Context, token string) (*Grant, error) {
	digest := sha256.Sum256([]byte(token))
	var found *Grant
	grants := *t.grants.Load()
	for i := range grants {
		if subtle.ConstantTimeCompare(digest[:], grants[i].Key[:]) == 1 {
			found = &grants[i]
		}
	}
	if found == nil {
		return nil, ErrUnknown
	}
	return found, nil
}
