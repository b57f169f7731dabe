package foldtest

import (
	"github.com/ringback/ringback/pkg/callback"
)

// FromEvents turns events of the domain into plain ones.
func FromEvents(events []callback.Event) []Event {
	plain := make([]Event, len(events))
	for i := range events {
		plain[i] = FromEvent(&events[i])
	}
	return plain
}

// FromKVPs turns the KVPs that are set into plain values by name.
func FromKVPs(kvps *callback.KVPs) map[string]any {
	plain := map[string]any{}
	for k := range callback.KVP(callback.NumKVPs) {
		switch v := kvps[k]; {
		case !v.Set:
		case k.Info().Kind == callback.String:
			plain[k.String()] = v.Str
		default:
			plain[k.String()] = v.Int
		}
	}
	return plain
}

// FromAttachedData turns attached data into its plain form.
func FromAttachedData(a *callback.AttachedData) Attached {
	plain := Attached{
		IxnID: a.IxnID, Occasion: string(a.Occasion), EventID: a.EventID, EventSource: a.EventSource,
		KVPs: map[string]any{"_CB_SERVICE_ID": a.ServiceID},
	}
	for kvp, v := range map[string]*int64{
		"_CB_T_SERVICE_START": a.ServiceStart, "_CB_T_CALLBACK_ACCEPTED": a.CallbackAccepted, "_CB_T_CUSTOMER_CONNECTED": a.CustomerConnected,
	} {
		if v != nil {
			plain.KVPs[kvp] = *v
		}
	}
	return plain
}
