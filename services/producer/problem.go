package producer

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ringback/ringback/pkg/auth"
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/intake"
	"github.com/ringback/ringback/pkg/kafka"
)

// The codes of problems, beside those that callback.Reason gives to a refused
// event. They are API: the OpenAPI document lists them.
const (
	codeUnauthenticated  = auth.CodeUnauthenticated
	codeScope            = auth.CodeInsufficientScope
	codeOtherTenant      = "OTHER_TENANT"
	codeNotFound         = "NOT_FOUND"
	codeMethodNotAllowed = "METHOD_NOT_ALLOWED"
	codeBodyUnreadable   = "BODY_UNREADABLE"
	codeTooLarge         = "TOO_LARGE"
	codeMediaType        = "UNSUPPORTED_MEDIA_TYPE"
	codeQueueFull        = "QUEUE_FULL"
	codeTooManyRequests  = "TOO_MANY_REQUESTS"
	codeRateLimited      = "RATE_LIMITED"
	codeOutcomeUnknown   = "OUTCOME_UNKNOWN"
	codeUnavailable      = auth.CodeUnavailable
	codeInternal         = "INTERNAL"
)

var titles = map[string]string{
	string(callback.ReasonNotCloudEvent): "Not a CloudEvent",
	string(callback.ReasonUnknownType):   "Unknown event type",
	string(callback.ReasonInvalidField):  "Invalid field",
	string(callback.ReasonFutureTime):    "Event time lies in the future",
	codeUnauthenticated:                  "Unauthenticated",
	codeScope:                            "Scope is missing",
	codeOtherTenant:                      "Event of another tenant",
	codeNotFound:                         "Not found",
	codeMethodNotAllowed:                 "Method not allowed",
	codeBodyUnreadable:                   "Body could not be read",
	codeTooLarge:                         "Too large",
	codeMediaType:                        "Unsupported media type",
	codeQueueFull:                        "Queue full",
	codeTooManyRequests:                  "Too many requests",
	codeRateLimited:                      "Rate limited",
	codeOutcomeUnknown:                   "Outcome unknown",
	codeUnavailable:                      "Unavailable",
	codeInternal:                         "Internal error",
}

// problem is a problem detail (RFC 9457).
type problem struct {
	Type   string        `json:"type"`
	Title  string        `json:"title"`
	Status int           `json:"status"`
	Detail string        `json:"detail,omitempty"`
	Code   string        `json:"code"`
	Errors []fieldError  `json:"errors,omitempty"`
	Events []eventAnswer `json:"events,omitempty"` // of a batch of which no event was accepted

	challenge string        // for WWW-Authenticate
	wait      time.Duration // for Retry-After, where it is known; 0: as configured
}

// fieldError is one fault of one event, which index tells among those of a batch.
type fieldError struct {
	Field  string `json:"field"`
	Reason string `json:"reason"`
	Index  int    `json:"index"`
}

func newProblem(status int, code, detail string) *problem {
	return &problem{
		Type:   "urn:ringback:problem:" + strings.ToLower(strings.ReplaceAll(code, "_", "-")),
		Title:  titles[code],
		Status: status,
		Detail: detail,
		Code:   code,
	}
}

// notLetIn is the problem of a request without a token that does.
func notLetIn(r *auth.Refusal) *problem {
	p := newProblem(r.Status, r.Code, r.Detail)
	p.challenge = r.Challenge
	return p
}

// limited is the problem of a request that comes before its time.
func limited(wait time.Duration) *problem {
	p := newProblem(http.StatusTooManyRequests, codeRateLimited, "More events come with this token than it may send. Nothing of the request was written. Send it again later.")
	p.wait = wait
	return p
}

// refused is the problem of an event that intake refuses.
func refused(r *intake.Refusal, index int) *problem {
	status := http.StatusUnprocessableEntity
	if r.Code == callback.ReasonNotCloudEvent {
		status = http.StatusBadRequest
	}
	p := newProblem(status, string(r.Code), "The event was not accepted.")
	for _, f := range r.Faults {
		p.Errors = append(p.Errors, fieldError{f.Field, f.Reason, index})
	}
	return p
}

// failed is the problem of an event that could not be written.
func failed(err error, ackTimeout time.Duration) *problem {
	var bad *callback.BadRecord
	switch {
	case errors.Is(err, kafka.ErrQueueFull):
		return newProblem(http.StatusTooManyRequests, codeQueueFull,
			"The event was not written: more are waiting to be written than the queue holds. Send it again later.")
	case errors.Is(err, kafka.ErrOutcomeUnknown):
		// Invariant 1: no acknowledgement is no acceptance, and no refusal either.
		return newProblem(http.StatusServiceUnavailable, codeOutcomeUnknown,
			"Kafka did not acknowledge the event within "+ackTimeout.String()+"; it may have been written. Send it again with the same id: a repeated id changes nothing.")
	case errors.Is(err, kafka.ErrRecordTooLarge):
		return newProblem(http.StatusRequestEntityTooLarge, codeTooLarge, "The event was not written: its record is larger than Kafka takes.")
	case errors.As(err, &bad):
		return newProblem(http.StatusUnprocessableEntity, string(callback.ReasonInvalidField), "The event was not accepted: "+bad.Detail+".")
	case fault.ClassOf(err) == fault.Outage:
		return newProblem(http.StatusServiceUnavailable, codeUnavailable, "The event was not written: Kafka or the schema registry is away. Send it again later, with the same id.")
	default:
		return newProblem(http.StatusInternalServerError, codeInternal, "The event was not written. The operator of this service must act; its log says why.")
	}
}

func writeJSON(w http.ResponseWriter, mediaType string, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)+1))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the client may have gone: nobody is left to tell
}

// write answers with the problem. A client that may try again is told when.
func (p *problem) write(w http.ResponseWriter, retryAfter time.Duration) {
	if p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable {
		wait := max(retryAfter, p.wait)
		w.Header().Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	}
	if p.challenge != "" {
		w.Header().Set("WWW-Authenticate", p.challenge)
	}
	writeJSON(w, "application/problem+json", p.Status, p)
}
