package storetest

import (
	"fmt"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
)

// Start is _CB_T_SERVICE_START of the UserEvents made here: 2026-03-04 05:06:07 UTC.
const Start = 1772600767

// UserEvent makes a UserEvent of a service that ran its course, with every KVP set.
func UserEvent(serviceID string, sequence int32, final bool) *callback.UserEvent {
	u := &callback.UserEvent{Sequence: sequence, Cause: callback.CauseStart, LogicVersion: callback.LogicVersion, LastEventTime: (Start + 600) * 1_000_000}
	for k := range callback.KVP(callback.NumKVPs) {
		switch info := k.Info(); info.Kind {
		case callback.String:
			u.KVPs.SetStr(k, fmt.Sprintf("VALUE_OF_%d", k), -1)
		case callback.Timestamp:
			u.KVPs.SetInt(k, Start+int64(k), -1)
		case callback.Flag:
			u.KVPs.SetInt(k, 1, -1)
		default:
			u.KVPs.SetInt(k, 10+int64(k), -1)
		}
	}
	u.KVPs.SetStr(callback.KeyServiceID, serviceID, -1)
	u.KVPs.SetInt(callback.KeyTServiceStart, Start, -1)
	u.KVPs.SetInt(callback.KeyTenantDBID, 101, -1)
	u.KVPs.SetInt(callback.KeyDimVQDBID, 5001, -1)
	u.KVPs.SetStr(callback.KeyDimVQ, "VQ_Sales", -1)
	u.KVPs.SetStr(callback.KeyDimChannel, "WEB", -1)
	u.KVPs.SetStr(callback.KeyDisposition, "COMPLETED.AGENT", -1)
	u.KVPs.SetStr(callback.KeyCustomerANI, personal, -1)
	u.KVPs.SetStr(callback.KeyCustomerPhoneNumber, personal, -1)
	u.KVPs.SetInt(callback.KeyFinalRecord, 0, -1)
	if final {
		u.Cause = callback.CauseFinal
		u.KVPs.SetInt(callback.KeyFinalRecord, 1, -1)
	}
	desired, pushed, ready := int64(Start+60), int64(Start+70), int64(Start+80)
	u.DesiredTime, u.PushDeliveryConfirmed, u.CustomerReadyToStartIxn = &desired, &pushed, &ready
	return u
}

// personal is a number that must appear in no error, detail or reason (invariant 10).
const personal = "+442079460958"

// Minimal makes a UserEvent with the mandatory KVPs alone.
func Minimal(serviceID string, sequence int32) *callback.UserEvent {
	u := &callback.UserEvent{Sequence: sequence, Cause: callback.CauseStart, LogicVersion: callback.LogicVersion, LastEventTime: Start * 1_000_000}
	for _, k := range callback.Mandatory() {
		u.KVPs.SetInt(k, 0, -1)
	}
	u.KVPs.SetStr(callback.KeyServiceID, serviceID, -1)
	u.KVPs.SetInt(callback.KeyTServiceStart, Start, -1)
	u.KVPs.SetInt(callback.KeyTCallbackOffered, Start, -1)
	u.KVPs.SetInt(callback.KeyNCallbackOffered, 1, -1)
	return u
}

// Batch makes the batch that follows position in partition 0 of a topic.
func Batch(after *infomart.Position, events ...*callback.UserEvent) infomart.Batch {
	b := infomart.Batch{PositionKey: Key, Expected: after}
	next := int64(0)
	if after != nil {
		next = after.Next
	}
	for _, u := range events {
		b.Inputs = append(b.Inputs, infomart.Input{Event: u, AddedTS: Start + 700, Offset: next})
		b.To.LastID = u.ID()
		next++
	}
	b.To.Next, b.To.LastOffset = next, next-1
	b.To.LastTime = at(Start + 700)
	return b
}

// Key is the position of the batches made here.
var Key = infomart.PositionKey{Group: "ringback-infomart", Topic: "callback.userevents.v1", Partition: 0}
