package tserver

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Faults is what the simulator gets wrong on purpose; it can be changed while it runs.
type Faults struct {
	Outage      bool          // every request fails with 503
	Latency     time.Duration // waited before each answer
	GoneCalls   []string      // as Config.GoneCalls
	EventErrors EventErrors
}

// EventError is an EventError that the simulator is told to answer with.
type EventError struct {
	Code    int
	Message string
}

// EventErrors gives an EventError by DN, for user events, or by interaction id, for the user data of a call. As
// configuration it is dn=code or dn=code:message, separated by commas.
type EventErrors map[string]EventError

// EnvDecode implements envconfig.Decoder. An empty value is none.
func (e *EventErrors) EnvDecode(value string) error {
	if value == "" {
		return nil
	}
	parsed := EventErrors{}
	for one := range strings.SplitSeq(value, ",") {
		target, rest, ok := strings.Cut(strings.TrimSpace(one), "=")
		if !ok || target == "" {
			return fmt.Errorf("%q: must be dn=code or dn=code:message", one)
		}
		number, message, ok := strings.Cut(rest, ":")
		code, err := strconv.ParseInt(number, 10, 32)
		if err != nil {
			return fmt.Errorf("%q: the code must be a number", one)
		}
		if !ok {
			message = "simulated error"
		}
		parsed[target] = EventError{Code: int(code), Message: message}
	}
	*e = parsed
	return nil
}

// callGone is the simulator's own code for a call that has ended; T-Server's codes are not imitated.
const callGone = 9404

// gone reports whether the call has ended.
func (f *Faults) gone(ixnID string) bool {
	for _, g := range f.GoneCalls {
		if prefix, ok := strings.CutSuffix(g, "*"); ok && strings.HasPrefix(ixnID, prefix) || g == ixnID {
			return true
		}
	}
	return false
}
