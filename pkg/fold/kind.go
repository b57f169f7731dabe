package fold

import "github.com/ringback/ringback/pkg/callback"

// kind is a set of event types, one bit each. Bit 0 stands for a type that is not known.
type kind uint32

const (
	unknownType kind = 1 << iota
	offered
	offerAccepted
	offerRejected
	offerAbandoned
	requested
	scheduled
	rescheduled
	queued
	readyToStartMedia
	attemptStarted
	attemptEnded
	snoozed
	customerConnected
	dialogEnded
	agentRequested
	agentConnected
	agentTransferFailed
	customerAbandoned
	waitTimedOut
	inboundCallEnded
	cancelled
	completed
)

// kindOf is a switch, not a map: it runs once per event of every fold.
func kindOf(t callback.Type) kind {
	switch t {
	case callback.Offered:
		return offered
	case callback.OfferAccepted:
		return offerAccepted
	case callback.OfferRejected:
		return offerRejected
	case callback.OfferAbandoned:
		return offerAbandoned
	case callback.Requested:
		return requested
	case callback.Scheduled:
		return scheduled
	case callback.Rescheduled:
		return rescheduled
	case callback.Queued:
		return queued
	case callback.ReadyToStartMedia:
		return readyToStartMedia
	case callback.AttemptStarted:
		return attemptStarted
	case callback.AttemptEnded:
		return attemptEnded
	case callback.Snoozed:
		return snoozed
	case callback.CustomerConnected:
		return customerConnected
	case callback.DialogEnded:
		return dialogEnded
	case callback.AgentRequested:
		return agentRequested
	case callback.AgentConnected:
		return agentConnected
	case callback.AgentTransferFailed:
		return agentTransferFailed
	case callback.CustomerAbandoned:
		return customerAbandoned
	case callback.WaitTimedOut:
		return waitTimedOut
	case callback.InboundCallEnded:
		return inboundCallEnded
	case callback.Cancelled:
		return cancelled
	case callback.Completed:
		return completed
	default:
		return unknownType
	}
}
