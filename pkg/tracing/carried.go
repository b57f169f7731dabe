package tracing

import "go.opentelemetry.io/otel/trace"

// Carried is the trace context of a record as it may be handed on, byte for byte as it came (invariant 3).
// It is nil unless it is of the form that W3C gives, so that no other text travels in its place
// (invariant 10). A CloudEvent's own, by the CloudEvents extension, stands in for a missing one.
func Carried(header func(key string) ([]byte, bool)) (parent, state []byte) {
	for _, names := range [...][2]string{{Parent, State}, {"ce_" + Parent, "ce_" + State}} {
		if parent, _ = header(names[0]); !wellFormed(parent) {
			continue
		}
		state, _ = header(names[1])
		if len(state) > maxState {
			return parent, nil
		}
		if _, err := trace.ParseTraceState(string(state)); err != nil || len(state) == 0 {
			return parent, nil
		}
		return parent, state
	}
	return nil, nil
}

// maxState is what W3C asks of everybody to hand on.
const maxState = 512

// wellFormed tells whether it is a traceparent of version 00: version, trace id, span id, flags.
func wellFormed(parent []byte) bool {
	const form = "00-tttttttttttttttttttttttttttttttt-ssssssssssssssss-ff"
	if len(parent) != len(form) || parent[0] != '0' || parent[1] != '0' {
		return false
	}
	trace, span := false, false // not all zero
	for i := 2; i < len(form); i++ {
		c := parent[i]
		if form[i] == '-' {
			if c != '-' {
				return false
			}
			continue
		}
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
		trace = trace || form[i] == 't' && c != '0'
		span = span || form[i] == 's' && c != '0'
	}
	// Of the flags only sampled and random are given a meaning.
	return trace && span && parent[53] == '0' && parent[54] <= '3'
}
