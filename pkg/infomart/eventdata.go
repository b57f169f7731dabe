package infomart

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
)

// EventData says which KVPs are kept in G_CUSTOM_DATA_S, as ICON's option
// custom-states/store-event-data does.
type EventData struct {
	// Store is which KVPs go to G_CUSTOM_DATA_S: none, conf (only [Keys]) or all, as the guide sets it.
	Store string `env:"INFOMART_STORE_EVENT_DATA, default=all"`
	// Keys are the names of the KVPs to keep with conf, such as _CB_SERVICE_ID.
	Keys []string `env:"INFOMART_EVENT_DATA_KEYS" empty:"none"`
}

// Validate returns every fault.
func (e EventData) Validate() []error {
	var faults []error
	if e.Store != "" && e.Store != "none" && e.Store != "conf" && e.Store != "all" {
		faults = append(faults, fmt.Errorf("INFOMART_STORE_EVENT_DATA: must be none, conf or all, is %q", e.Store))
	}
	if len(e.Keys) > 0 && e.Store != "conf" {
		faults = append(faults, errors.New("INFOMART_EVENT_DATA_KEYS: is given although INFOMART_STORE_EVENT_DATA is not conf: it would not be used"))
	}
	for _, name := range e.Keys {
		if _, ok := callback.KVPByName(strings.TrimSpace(name)); !ok {
			faults = append(faults, fmt.Errorf("INFOMART_EVENT_DATA_KEYS: names %q, which is no KVP of a callback UserEvent", name))
		}
	}
	return faults
}

// Select returns the KVPs to keep, in schema order.
func (e EventData) Select() ([]callback.KVP, error) {
	var keep [callback.NumKVPs]bool
	switch e.Store {
	case "none":
	case "", "all":
		for k := range keep {
			keep[k] = true
		}
	case "conf":
		for _, name := range e.Keys {
			k, ok := callback.KVPByName(strings.TrimSpace(name))
			if !ok {
				return nil, fault.Misconfigf("infomart: INFOMART_EVENT_DATA_KEYS names %q, which is no KVP of a callback UserEvent", name)
			}
			keep[k] = true
		}
	default:
		return nil, fault.Misconfigf("infomart: INFOMART_STORE_EVENT_DATA is %q; it is none, conf or all", e.Store)
	}
	var selected []callback.KVP
	for k, yes := range keep {
		if yes {
			selected = append(selected, callback.KVP(k))
		}
	}
	return selected, nil
}

// customDataBits is the room for the rows of one batch in an ID of G_CUSTOM_DATA_S.
const customDataBits = 20

// CustomDataID is an ID for the n-th row that a batch writes to G_CUSTOM_DATA_S, for a
// store whose batches run side by side: the batch's audit key in its upper part makes
// it unique.
func CustomDataID(audit int64, n int) int64 { return audit<<customDataBits | int64(n) }
