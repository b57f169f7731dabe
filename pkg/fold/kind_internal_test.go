package fold

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
)

func TestKindOf(t *testing.T) {
	t.Parallel()
	kinds := map[callback.Type]kind{
		callback.Offered: offered, callback.OfferAccepted: offerAccepted, callback.OfferRejected: offerRejected, callback.OfferAbandoned: offerAbandoned,
		callback.Requested: requested, callback.Scheduled: scheduled, callback.Rescheduled: rescheduled, callback.Queued: queued,
		callback.ReadyToStartMedia: readyToStartMedia, callback.AttemptStarted: attemptStarted, callback.AttemptEnded: attemptEnded, callback.Snoozed: snoozed,
		callback.CustomerConnected: customerConnected, callback.DialogEnded: dialogEnded, callback.AgentRequested: agentRequested, callback.AgentConnected: agentConnected,
		callback.AgentTransferFailed: agentTransferFailed, callback.CustomerAbandoned: customerAbandoned, callback.WaitTimedOut: waitTimedOut,
		callback.InboundCallEnded: inboundCallEnded, callback.Cancelled: cancelled, callback.Completed: completed,
	}
	require.Len(t, kinds, len(callback.Types))
	for _, typ := range callback.Types {
		require.Equal(t, kinds[typ], kindOf(typ), "%s", typ)
	}
	require.Equal(t, unknownType, kindOf("callback.hummed"))
	require.Equal(t, unknownType, kindOf(callback.Tick))
}
