package tserver

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/ringback/ringback/pkg/fault"
)

// problem is RFC 9457 problem details. Nothing in it repeats what was sent (invariant 10).
type problem struct {
	Type   string       `json:"type"`
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Detail string       `json:"detail"`
	Errors []fieldFault `json:"errors,omitempty"`
}

type fieldFault struct {
	Pointer string `json:"pointer"` // JSON pointer to the field
	Detail  string `json:"detail"`
}

func writeProblem(w http.ResponseWriter, status int, detail string, faults []fieldFault) {
	body, err := json.Marshal(problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Errors: faults})
	if err != nil {
		panic(fmt.Sprintf("tserver: problem details: %v", err)) // strings and numbers only
	}
	w.Header()["Content-Type"] = []string{"application/problem+json"}
	send(w, status, body)
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header()["Content-Type"] = jsonType
	send(w, status, body)
}

var jsonType = []string{"application/json"}

func send(w http.ResponseWriter, status int, body []byte) {
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	// A client that has gone gets no answer; it will send again.
	_, _ = w.Write(body)
}

func appendJSONString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c > '~' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic(fmt.Sprintf("tserver: JSON string: %v", err)) // no string fails
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// readTokens reads the tokens of a file, one a line; empty lines and those that begin with # do not count.
func readTokens(file string) ([][]byte, error) {
	if file == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.Misconfigf("TSERVER_SIM_TOKEN_FILE: %w", err)
	}
	var tokens [][]byte
	for line := range bytes.Lines(raw) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			tokens = append(tokens, line)
		}
	}
	if len(tokens) == 0 {
		return nil, fault.Misconfigf("TSERVER_SIM_TOKEN_FILE: holds no token")
	}
	return tokens, nil
}

func (s *Server) authorized(r *http.Request) bool {
	if s.tokens == nil {
		return true
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	known := false
	for _, token := range s.tokens {
		if subtle.ConstantTimeCompare(token, []byte(strings.TrimSpace(given))) == 1 {
			known = true
		}
	}
	return known && strings.EqualFold(scheme, "Bearer")
}
