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

// kindOf has the bit of the type's rank.
func kindOf(t callback.Type) kind { return 1 << t.Rank() }
