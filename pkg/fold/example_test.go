package fold_test

import (
	"fmt"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fold"
)

// The events may have come in any order: it is their time that counts.
func Example() {
	events := []callback.Event{
		{Source: "gms", ID: "3", Type: callback.Completed, Subject: "svc-1", Time: 1700000700_000_000},
		{Source: "ivr", ID: "1", Type: callback.Offered, Subject: "svc-1", Time: 1700000000_000_000},
		{Source: "gms", ID: "2", Type: callback.Requested, Subject: "svc-1", Time: 1700000009_000_000},
	}
	fold.Sort(events)
	r := fold.Session(events, fold.Options{}, false)
	for _, k := range []callback.KVP{callback.KeyTCallbackOffered, callback.KeyDCallbackOffer, callback.KeyDisposition} {
		fmt.Printf("%s=%s, set by %s\n", k, r.KVPs.Text(k), events[r.KVPs[k].By].Type)
	}
	// Output:
	// _CB_T_CALLBACK_OFFERED=1700000000, set by callback.offered
	// _CB_D_CALLBACK_OFFER=9, set by callback.requested
	// _CB_DISPOSITION=COMPLETED.FAILED, set by callback.completed
}
