// Package fold derives the KVPs of a callback session from the set of its lifecycle
// events. It is pure: the same set gives the same values, whatever the order of arrival.
package fold

import (
	"slices"

	"github.com/ringback/ringback/pkg/callback"
)

// Options are the settings on which a derivation depends.
type Options struct {
	// ServiceStartRequest makes _CB_T_SERVICE_START the time of the request, not of the offer.
	ServiceStartRequest bool
	// MaxAttempts is the limit of media attempts where no callback.requested gives one.
	MaxAttempts int64
}

// Result is what the events of a session say.
type Result struct {
	// KVPs has every KVP known; _CB_FINAL_RECORD is 0, the caller sets it. Value.By is
	// the index of the event that gave the value, -1 where none did (a default, a count of none).
	KVPs callback.KVPs
	// The columns of CALLBACK_FACT that no KVP fills; UTC epoch seconds.
	DesiredTime             callback.Value
	PushDeliveryConfirmed   callback.Value
	CustomerReadyToStartIxn callback.Value

	ServiceName *string // of the last requested that has one
	MediaType   *string // of the last requested that has one
	// Terminal is the index of THE terminal event, -1 without one.
	Terminal int
	// IgnoredParameters counts _cb_* parameters that are not of their KVP's type.
	IgnoredParameters int
}

// Attachment is attached data that is due once START has been sent.
type Attachment struct {
	callback.AttachedData
	Event int // index of its customer_connected; -1 for that of the acceptance
}

// Sort puts events in fold order.
func Sort(events []callback.Event) {
	slices.SortFunc(events, func(a, b callback.Event) int { return callback.Compare(&a, &b) })
}
