package producer

import (
	"net/http"
	"time"
)

// eventAnswer is the fate of one event of a request.
type eventAnswer struct {
	Index     int      `json:"index"`
	ID        string   `json:"id,omitempty"`
	Source    string   `json:"source,omitempty"`
	Status    int      `json:"status"`
	Partition *int32   `json:"partition,omitempty"` // where in callback.lifecycle.v1 it lies, once accepted
	Offset    *int64   `json:"offset,omitempty"`
	Problem   *problem `json:"problem,omitempty"`
}

// answer names the fate of each event of a request.
type answer struct {
	Accepted int           `json:"accepted"`
	Events   []eventAnswer `json:"events"`
}

// reply answers a request with the fates of its events. All accepted is 202. Of
// one event that was not, the answer is its problem; so it is of a batch where
// every event has the same status. Fates that differ are 207.
func reply(w http.ResponseWriter, events []eventAnswer, batch bool, retryAfter time.Duration) int {
	accepted, same := 0, true
	for i := range events {
		if events[i].Problem == nil {
			accepted++
		}
		same = same && events[i].Status == events[0].Status
	}
	body := answer{Accepted: accepted, Events: events}
	switch {
	case accepted == len(events):
		writeJSON(w, "application/json", http.StatusAccepted, body)
		return http.StatusAccepted
	case !same:
		writeJSON(w, "application/json", http.StatusMultiStatus, body)
		return http.StatusMultiStatus
	case !batch:
		events[0].Problem.write(w, retryAfter)
	default:
		together(events).write(w, retryAfter)
	}
	return events[0].Status
}

// together is the problem of a batch of which every event has one of the same status.
func together(events []eventAnswer) *problem {
	p := *events[0].Problem
	var errors []fieldError
	for i := range events {
		of := events[i].Problem
		if of.Code == codeOutcomeUnknown {
			p = *of // of two codes, the one that binds the client more: it must keep the ids
		}
		errors = append(errors, of.Errors...)
	}
	if len(events) > 1 {
		p.Detail = "No event of the batch was accepted. " + p.Detail
	}
	p.Errors, p.Events = errors, events
	return &p
}
