package tserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/ringback/ringback/pkg/auth"
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

// readTokens reads the tokens of a file; without one there are none, and everybody is let in.
func readTokens(file string) (*auth.Tokens, error) {
	if file == "" {
		return nil, nil
	}
	tokens, err := auth.OpenTokens(file)
	if err != nil {
		return nil, fault.Misconfigf("TSERVER_SIM_TOKEN_FILE: %w", err)
	}
	return tokens, nil
}

func (s *Server) authorized(r *http.Request) bool {
	if s.tokens == nil {
		return true
	}
	token, ok := auth.Bearer(r.Header.Get("Authorization"))
	if !ok {
		return false
	}
	_, err := s.tokens.Verify(r.Context(), token)
	return err == nil
}
