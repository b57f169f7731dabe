package parity

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
)

// sample is the contents of a pipeline that dealt with one UserEvent.
func sample() *Contents {
	u := callback.UserEvent{Sequence: 1, Cause: callback.CauseStart}
	u.KVPs.SetStr(callback.KeyServiceID, "s", -1)
	accepted := int64(5)
	return &Contents{
		UserEvents: map[string]callback.UserEvent{"s/1": u},
		Attached:   map[string]callback.AttachedData{"s/accepted": {ServiceID: "s", CallbackAccepted: &accepted}},
		Letters:    map[string]int{"enricher CONFLICT": 1},
		Facts:      map[string]infomart.Row{"s/1": {"SERVICE_ID": "s", "EVENT_SEQUENCE": int64(1)}},
		Custom:     map[string]map[string]string{"s/1": {"_CB_SERVICE_ID": "s"}},
		Discards:   map[string]infomart.Row{"s/2": {"REASON": "MISSING_MANDATORY_KVP"}},
		TServer:    map[string][]string{"s": {"one", "two"}},
	}
}

// Each part is compared, and what differs in it is named.
func TestDiffNamesEachDifference(t *testing.T) {
	t.Parallel()
	require.Empty(t, Diff(sample(), sample()))
	for part, change := range map[string]func(c *Contents){
		"UserEvents: s/1: Cause is FINAL and not START": func(c *Contents) {
			u := c.UserEvents["s/1"]
			u.Cause = callback.CauseFinal
			c.UserEvents["s/1"] = u
		},
		"UserEvents: s/2 is one too many": func(c *Contents) { c.UserEvents["s/2"] = c.UserEvents["s/1"] },
		"UserEvents: s/1: KVPs is": func(c *Contents) {
			u := c.UserEvents["s/1"]
			u.KVPs.SetInt(callback.KeyFinalRecord, 1, -1)
			c.UserEvents["s/1"] = u
		},
		"attached data: s/accepted: CallbackAccepted is absent and not 5": func(c *Contents) {
			a := c.Attached["s/accepted"]
			a.CallbackAccepted = nil
			c.Attached["s/accepted"] = a
		},
		"dead letters: enricher CONFLICT is missing":                            func(c *Contents) { clear(c.Letters) },
		"CALLBACK_FACT with its dimensions: s/1: EVENT_SEQUENCE is 2 and not 1": func(c *Contents) { c.Facts["s/1"]["EVENT_SEQUENCE"] = int64(2) },
		"G_CUSTOM_DATA_S: s/1: _CB_SERVICE_ID is absent and not s":              func(c *Contents) { clear(c.Custom["s/1"]) },
		"STG_TRANSFORM_DISCARDS: s/2 is missing":                                func(c *Contents) { clear(c.Discards) },
		"T-Server's log: s: it is [two one] and not [one two]":                  func(c *Contents) { c.TServer["s"] = []string{"two", "one"} },
	} {
		changed := sample()
		change(changed)
		differences := Diff(changed, sample())
		require.Len(t, differences, 1, part)
		require.True(t, strings.HasPrefix(differences[0], part), "%s: %s", part, differences[0])
	}
}
