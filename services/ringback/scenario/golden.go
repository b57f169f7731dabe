package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Result is what a scenario must come to, imported at once as `ringback run --once` does: settle and offer grace
// are made due at the end, session time-outs are not.
type Result struct {
	Sessions    []Session    `json:"sessions"` // in order of their first event's arrival
	DeadLetters []DeadLetter `json:"dead_letters,omitempty"`
}

// Session is what the events of one service id come to.
type Session struct {
	ServiceID      string `json:"service_id"`
	Applied        int    `json:"applied"`
	AlreadyApplied int    `json:"already_applied,omitempty"`
	// Open says that the session goes on when the import has ended.
	Open bool `json:"open,omitempty"`

	UserEvents   []UserEvent    `json:"user_events"`
	AttachedData []AttachedData `json:"attached_data,omitempty"`
	// Timeout is the UserEvent that an open session gets when its time-out passes; only in the scenarios that are about it.
	Timeout *UserEvent `json:"timeout,omitempty"`
}

// Latest is the session's last UserEvent in an import, whose row CALLBACK_LATEST shows unless Missing says why it has none; nil without one.
func (s *Session) Latest() *UserEvent {
	if len(s.UserEvents) == 0 {
		return nil
	}
	return &s.UserEvents[len(s.UserEvents)-1]
}

// UserEvent is one UserEvent that becomes due.
type UserEvent struct {
	Sequence int32  `json:"sequence"` // EVENT_SEQUENCE
	Cause    string `json:"cause"`    // START, FINAL, CORRECTION or TIMEOUT
	KVPs     Values `json:"kvps"`     // every KVP present, by name
	// Columns holds the columns of CALLBACK_FACT that no KVP fills, UTC epoch seconds, 0 where there is nothing to say:
	// DESIRED_TIME_TS, PUSH_DELIVERY_CONFIRMED_TS, CUSTOMER_READY_TO_START_IXN_TS.
	Columns map[string]int64 `json:"columns"`
	// Missing names the mandatory KVPs that are absent: such a UserEvent makes no row (invariant 9).
	Missing     []string `json:"missing,omitempty"`
	ServiceName string   `json:"service_name,omitempty"`
	MediaType   string   `json:"media_type,omitempty"`
}

// AttachedData is the KVPs that become due on a call.
type AttachedData struct {
	IxnID    string `json:"ixn_id"`
	Occasion string `json:"occasion"` // CALLBACK_ACCEPTED or CUSTOMER_CONNECTED
	KVPs     Values `json:"kvps"`
}

// DeadLetter is a record that is set aside.
type DeadLetter struct {
	Component string   `json:"component"` // enricher or infomart
	Reason    string   `json:"reason"`
	ServiceID string   `json:"service_id"`
	Missing   []string `json:"missing,omitempty"`
}

// Values are KVPs by name: string, or int64 for every other kind.
type Values map[string]any

// UnmarshalJSON reads numbers as int64.
func (v *Values) UnmarshalJSON(text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	raw := map[string]any{}
	if err := dec.Decode(&raw); err != nil {
		return err
	}
	for name, value := range raw {
		number, ok := value.(json.Number)
		if !ok {
			continue
		}
		n, err := number.Int64()
		if err != nil {
			return fmt.Errorf("scenario: %s: %w", name, err)
		}
		raw[name] = n
	}
	*v = raw
	return nil
}

// Golden returns what the scenario must come to. That of [Sample] is all of them, sorted by service id.
func Golden(name string) (Result, error) {
	if name == Sample {
		return goldenSample()
	}
	content, err := files.ReadFile("files/" + name + goldenSuffix)
	if err != nil {
		return Result{}, fmt.Errorf("scenario: no golden result of %q: %w", name, err)
	}
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.DisallowUnknownFields()
	var golden Result
	if err := dec.Decode(&golden); err != nil {
		return Result{}, fmt.Errorf("scenario: golden result of %q: %w", name, err)
	}
	return golden, nil
}

func goldenSample() (Result, error) {
	var all Result
	for _, name := range Names() {
		golden, err := Golden(name)
		if err != nil {
			return Result{}, err
		}
		all.Sessions = append(all.Sessions, golden.Sessions...)
		all.DeadLetters = append(all.DeadLetters, golden.DeadLetters...)
	}
	slices.SortFunc(all.Sessions, func(a, b Session) int { return bytes.Compare([]byte(a.ServiceID), []byte(b.ServiceID)) })
	return all, nil
}
