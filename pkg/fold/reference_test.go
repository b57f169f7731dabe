package fold_test

import (
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fold"
	"github.com/ringback/ringback/pkg/fold/foldtest"
)

// facts turns the fold's result into the plain form of the reference.
func facts(events []callback.Event, r *fold.Result) foldtest.Facts {
	f := foldtest.Facts{
		KVPs: foldtest.FromKVPs(&r.KVPs),
		Columns: map[string]int64{
			"DESIRED_TIME_TS":                r.DesiredTime.Int,
			"PUSH_DELIVERY_CONFIRMED_TS":     r.PushDeliveryConfirmed.Int,
			"CUSTOMER_READY_TO_START_IXN_TS": r.CustomerReadyToStartIxn.Int,
		},
		Terminal: r.Terminal,
		Ignored:  r.IgnoredParameters,
	}
	if r.ServiceName != nil {
		f.ServiceName = *r.ServiceName
	}
	if r.MediaType != nil {
		f.MediaType = *r.MediaType
	}
	for _, a := range fold.Attached(events, r) {
		f.Attached = append(f.Attached, foldtest.FromAttachedData(&a.AttachedData))
	}
	return f
}
