package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
)

// ErrNotOwned says that a partition is not this member's to accept records of.
var ErrNotOwned = errors.New("the partition is not assigned to this member; ask the other members of its group")

// AcceptPath is where an operator lets a paused partition go on, by POST.
const AcceptPath = "/admin/accept"

// acceptance is the body of a request to AcceptPath.
type acceptance struct {
	Topic     string `json:"topic"`
	Partition *int32 `json:"partition"`
	UpTo      *int64 `json:"upTo"` // the last offset that is accepted
}

// AcceptHandler serves AcceptPath (invariant 7) to whoever reaches it; Run has it ask for a token.
func AcceptHandler(accept func(topic string, partition int32, upTo int64) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			problem(w, http.StatusMethodNotAllowed, "only POST is served here")
			return
		}
		a, err := readAcceptance(http.MaxBytesReader(w, r.Body, 4<<10))
		if err != nil {
			problem(w, http.StatusBadRequest, err.Error())
			return
		}
		switch err := accept(a.Topic, *a.Partition, *a.UpTo); {
		case errors.Is(err, ErrNotOwned):
			problem(w, http.StatusNotFound, err.Error())
		case err != nil:
			problem(w, http.StatusConflict, err.Error())
		default:
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(a) // the client is gone
		}
	})
}

func readAcceptance(body io.Reader) (acceptance, error) {
	var a acceptance
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return a, fmt.Errorf(`the body must be {"topic": text, "partition": integer, "upTo": offset}: %w`, err)
	}
	var faults []error
	if a.Topic == "" {
		faults = append(faults, errors.New("topic is missing"))
	}
	if a.Partition == nil {
		faults = append(faults, errors.New("partition is missing"))
	}
	if a.UpTo == nil {
		faults = append(faults, errors.New("upTo is missing: the last offset that is accepted"))
	}
	return a, errors.Join(faults...)
}

// Local serves those alone who come from this machine: its user is the operator.
func Local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if from, err := netip.ParseAddrPort(r.RemoteAddr); err != nil || !from.Addr().Unmap().IsLoopback() {
			problem(w, http.StatusForbidden, "this is served on this machine alone, at its address localhost")
			return
		}
		// A page of another site in this machine's browser comes from here too, but it must say of which site it is.
		if r.Header.Get("Origin") != "" {
			problem(w, http.StatusForbidden, "this is not for the pages of a browser")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// problem answers with problem details (RFC 9457).
func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(status), "status": status, "detail": detail}) // the client is gone
}
