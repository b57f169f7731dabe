package producer

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
)

// grant is what a token allows. The token itself is not kept.
type grant struct {
	digest [sha256.Size]byte
	tenant int64 // 0: any tenant
	name   string
}

// parseTokens reads a token file: a line each, token, tenantdbid or none, name or
// none; # begins a comment. The error names every bad line, and no token (invariant 10).
func parseTokens(file []byte) ([]grant, error) {
	var grants []grant
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
		if first, known := lines[g.digest]; known {
			faults = append(faults, fmt.Errorf("line %d: the same token as in line %d", number, first))
			continue
		}
		lines[g.digest] = number
		grants = append(grants, g)
	}
	return grants, errors.Join(faults...)
}

func parseGrant(fields []string) (grant, error) {
	token, rest := fields[0], fields[1:]
	for i := 0; i < len(token); i++ {
		if token[i] <= ' ' || token[i] > '~' {
			return grant{}, errors.New("the token holds a character that no HTTP header can carry")
		}
	}
	g := grant{digest: sha256.Sum256([]byte(token))}
	if len(rest) > 0 && strings.Trim(rest[0], "0123456789") == "" {
		n, err := strconv.ParseInt(rest[0], 10, 64)
		if err != nil || n < 1 || n > callback.MaxInt {
			return grant{}, fmt.Errorf("the tenantdbid must be 1 to %d", callback.MaxInt)
		}
		g.tenant, rest = n, rest[1:]
	}
	g.name = strings.Join(rest, " ")
	return g, nil
}

// tokens holds the tokens of a file. It is safe for concurrent use.
type tokens struct {
	path   string
	grants atomic.Pointer[[]grant]
	file   []byte // as last read, good or bad; of reload alone
}

func openTokens(path string) (*tokens, error) {
	t := &tokens{path: path}
	if _, err := t.reload(); err != nil {
		return nil, err
	}
	return t, nil
}

// reload reads the file again, if it has changed. From a file that is bad or gone
// nothing is taken: the former tokens stay, so that a slip of an editor locks
// nobody out. It returns an error once for each new bad content.
func (t *tokens) reload() (changed bool, err error) {
	file, err := os.ReadFile(t.path)
	if err != nil {
		return false, fault.Misconfigf("producer: token file: %w", err)
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
		return false, fault.Misconfigf("producer: token file %s: %w", t.path, err)
	}
	t.grants.Store(&grants)
	return true, nil
}

// find returns what the token allows. It compares digests in constant time and
// looks at every one, so that the time taken tells nothing of any token.
func (t *tokens) find(token string) (found grant, ok bool) {
	digest := sha256.Sum256([]byte(token))
	for _, g := range *t.grants.Load() {
		if subtle.ConstantTimeCompare(digest[:], g.digest[:]) == 1 {
			found, ok = g, true
		}
	}
	return found, ok
}

// bearer returns the token of an Authorization header.
func bearer(header string) (string, bool) {
	scheme, token, ok := strings.Cut(header, " ")
	token = strings.TrimSpace(token)
	return token, ok && strings.EqualFold(scheme, "Bearer") && token != ""
}
