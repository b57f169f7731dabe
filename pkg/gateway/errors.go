package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
)

// EventError is T-Server's refusal. Whether it is bad data or has to be waited out depends on the code, and is the
// customer's to say.
type EventError struct {
	Code    int
	Message string // the text of the code, cut to 200 characters and rid of long numbers (invariant 10)
}

func (e *EventError) Error() string { return fmt.Sprintf("EventError %d: %s", e.Code, e.Message) }

// ErrCallGone says that the call has ended, so that its user data can no longer be updated.
var ErrCallGone = errors.New("the call has ended")

// unanswered is the error of a request that got no answer. Whether T-Server has seen it is not known, so it is an
// outage, and has to be sent again (invariants 7 and 8).
func unanswered(ctx context.Context, op string, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = errors.Join(err, cause)
	}
	return fault.Outagef("%s: no answer: %w", op, err)
}

// failure is the error of an answer that is not T-Server's.
func failure(op string, status int, p *problem) error {
	detail := ""
	if p != nil {
		detail = p.String()
	}
	text := http.StatusText(status)
	switch {
	case status == http.StatusRequestEntityTooLarge:
		// The size is this record's own: its neighbours can go on.
		return fmt.Errorf("%s: %w", op, callback.Bad(callback.ReasonRefused, "the gateway takes no request of this size (HTTP %d)", status))
	case status < 300, status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooEarly,
		status == http.StatusTooManyRequests:
		return fault.Outagef("%s: HTTP %d %s%s", op, status, text, detail)
	case status < 400:
		return fault.Misconfigf("%s: HTTP %d %s: the gateway's URL is another one", op, status, text)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fault.Misconfigf("%s: HTTP %d %s: the gateway refuses the token%s", op, status, text, detail)
	case status == http.StatusNotFound:
		return fault.Misconfigf("%s: HTTP %d %s: no gateway at this URL", op, status, text)
	default:
		// The request is as the contract says, so the other end keeps another contract; waiting would not help.
		return fault.Misconfigf("%s: HTTP %d %s: the gateway does not keep the contract%s", op, status, text, detail)
	}
}
