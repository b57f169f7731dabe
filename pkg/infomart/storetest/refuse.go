package storetest

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
)

// testMissingKVP: invariant 9.
func testMissingKVP(t *testing.T, b *bundle) {
	u := UserEvent("s1", 1, true)
	u.KVPs[callback.KeyTCallbackOffered].Set = false
	u.KVPs[callback.KeyDCallbackOffer].Set = false
	batch := Batch(nil, UserEvent("s2", 1, false), u)
	result, _ := b.apply(t, batch)
	require.Equal(t, 1, result.Applied)
	require.Equal(t, []infomart.Rejection{{
		Offset: 1, Reason: callback.ReasonMissingKVP, ServiceID: "s1", Sequence: 1,
		Detail:  "no CALLBACK_FACT row: missing _CB_D_CALLBACK_OFFER, _CB_T_CALLBACK_OFFERED",
		Missing: []string{"_CB_D_CALLBACK_OFFER", "_CB_T_CALLBACK_OFFERED"},
	}}, result.Rejected)
	require.Empty(t, b.finals(t, "s1"))
	counts := b.counts(t)
	require.EqualValues(t, 1, counts.Discards)
	require.EqualValues(t, 2*callback.NumKVPs-2, counts.CustomData, "ICON keeps what Info Mart makes no fact of")

	var all []infomart.CustomData
	for data, err := range b.AllCustomData(t.Context()) {
		require.NoError(t, err)
		all = append(all, data)
	}
	require.Len(t, all, 2, "UserEvent by UserEvent")
	require.Equal(t, "s2", all[0].Values["_CB_SERVICE_ID"])
	require.Len(t, all[0].Values, callback.NumKVPs)
	require.EqualValues(t, 1, all[1].Source, "as its discard has it in PRODUCER_BATCH_ID")
	require.Equal(t, "s1", all[1].Values["_CB_SERVICE_ID"])
	require.NotContains(t, all[1].Values, "_CB_T_CALLBACK_OFFERED")
	for row, err := range b.AllFacts(t.Context()) {
		require.NoError(t, err)
		require.Equal(t, infomart.Row{"SERVICE_ID": "s2", "EVENT_SEQUENCE": int64(1), "FINAL_RECORD": int64(0), "PRODUCER_BATCH_ID": int64(0)}, row)
	}

	batch.Group = "another-group"
	b.apply(t, batch)
	again := b.counts(t)
	require.Equal(t, counts.Discards, again.Discards)
	require.Equal(t, counts.CustomData, again.CustomData)
}

// testInvalidFields: values that no store takes, from a producer that is not ours.
func testInvalidFields(t *testing.T, b *bundle) {
	secret := strings.Repeat(personal, 30)
	cases := []struct {
		name, where string
		change      func(u *callback.UserEvent)
	}{
		{"too long", "CALLBACK_FACT.CUSTOMER_ANI", func(u *callback.UserEvent) { u.KVPs.SetStr(callback.KeyCustomerANI, secret, -1) }},
		{"256 characters", "CALLBACK_DIM_3.DISPOSITION", func(u *callback.UserEvent) { u.KVPs.SetStr(callback.KeyDisposition, strings.Repeat("ä", 256), -1) }},
		{"a NUL byte", "CALLBACK_FACT.ORS_SESSION_ID", func(u *callback.UserEvent) { u.KVPs.SetStr(callback.KeyORSSessionID, "a\x00"+personal, -1) }},
		{"not UTF-8", "CALLBACK_FACT.RESOURCE_KEY", func(u *callback.UserEvent) { u.KVPs.SetStr(callback.KeyDimVQ, "\xff"+personal, -1) }},
		{"13 digits", "CALLBACK_FACT.SERVICE_START_TS", func(u *callback.UserEvent) { u.KVPs.SetInt(callback.KeyTServiceStart, Start*1000, -1) }},
		{"over 32 bits", "CALLBACK_FACT.EWT_WHEN_OFFERED", func(u *callback.UserEvent) {
			u.KVPs.SetInt(callback.KeyEWTWhenCallbackWasOffered, math.MaxInt32+1, -1)
		}},
		{"under 32 bits", "CALLBACK_DIM_4.ABANDONED_DURING_CB_OFFER", func(u *callback.UserEvent) {
			u.KVPs.SetInt(callback.KeyNAbandonedDuringCallbackOffer, math.MinInt32-1, -1)
		}},
		{"a DBID", "CALLBACK_FACT.RESOURCE_KEY (_CB_DIM_VQ_DBID)", func(u *callback.UserEvent) { u.KVPs.SetInt(callback.KeyDimVQDBID, math.MaxInt64, -1) }},
		{"desired time", "CALLBACK_FACT.DESIRED_TIME_TS", func(u *callback.UserEvent) { *u.DesiredTime = math.MaxInt64 }},
		{"sequence", "CALLBACK_FACT.EVENT_SEQUENCE", func(u *callback.UserEvent) { u.Sequence = 0 }},
		{"final", "CALLBACK_FACT.FINAL_RECORD", func(u *callback.UserEvent) { u.KVPs.SetInt(callback.KeyFinalRecord, 2, -1) }},
		{"empty service id", "CALLBACK_FACT.SERVICE_ID", func(u *callback.UserEvent) { u.KVPs.SetStr(callback.KeyServiceID, "", -1) }},
		{"service id too long", "CALLBACK_FACT.SERVICE_ID", func(u *callback.UserEvent) { u.KVPs.SetStr(callback.KeyServiceID, secret, -1) }},
	}
	var position *infomart.Position
	for i, c := range cases {
		u := UserEvent(fmt.Sprintf("s%d", i), 1, false)
		c.change(u)
		var result infomart.Result
		result, position = b.apply(t, Batch(position, u, UserEvent(fmt.Sprintf("neighbour%d", i), 1, false)))
		require.Equal(t, 1, result.Applied, c.name)
		require.Len(t, result.Rejected, 1, c.name)
		require.Equal(t, callback.ReasonInvalidField, result.Rejected[0].Reason, c.name)
		require.Contains(t, result.Rejected[0].Detail, c.where, c.name)
		require.NotContains(t, result.Rejected[0].Detail, personal, c.name)
	}
	require.EqualValues(t, len(cases), b.counts(t).Facts)

	// A missing KVP is told as such even beside a value that cannot be stored.
	u := UserEvent("both", 1, false)
	u.KVPs[callback.KeyTServiceStart].Set = false
	u.KVPs.SetStr(callback.KeyCustomerANI, "\x00", -1)
	before := b.counts(t).CustomData
	result, _ := b.apply(t, Batch(position, u))
	require.Equal(t, callback.ReasonMissingKVP, result.Rejected[0].Reason)
	require.Equal(t, before, b.counts(t).CustomData, "what no column holds is not kept as custom data either")
}

func testLongestTexts(t *testing.T, b *bundle) {
	u := UserEvent("s1", 1, false)
	for k := range callback.KVP(callback.NumKVPs) {
		switch k.Info().Kind {
		case callback.String:
			// Different at the end alone, four bytes a character.
			u.KVPs.SetStr(k, strings.Repeat("𝄞", infomart.MaxText-2)+fmt.Sprintf("%02d", k), -1)
		case callback.Flag:
		default:
			u.KVPs.SetInt(k, math.MaxInt32, -1)
		}
	}
	result, _ := b.apply(t, Batch(nil, u))
	require.Equal(t, 1, result.Applied, "%v", result.Rejected)
	row := b.latest(t, u.ServiceID())
	for _, k := range []callback.KVP{callback.KeyDial1Result, callback.KeyDial5Result, callback.KeyCustomerANI, callback.KeyDisposition} {
		require.Equal(t, u.KVPs[k].Str, row[k.Info().Column])
	}
}

func testBadRowAmong500(t *testing.T, b *bundle) {
	b.Store = b.open(t, oneKey)
	b.db.Refuse(t, "s250")
	b.db.Refuse(t, "s499")
	var events []*callback.UserEvent
	for i := range 500 {
		events = append(events, UserEvent(fmt.Sprintf("s%d", i), 1, false))
	}
	result, _ := b.apply(t, Batch(nil, events...))
	require.Equal(t, 498, result.Applied)
	require.Len(t, result.Rejected, 2)
	for i, offset := range []int64{250, 499} {
		require.Equal(t, callback.ReasonRefused, result.Rejected[i].Reason)
		require.Equal(t, offset, result.Rejected[i].Offset)
		require.NotContains(t, result.Rejected[i].Detail, personal)
	}
	counts := b.counts(t)
	require.EqualValues(t, 498, counts.Facts)
	require.EqualValues(t, 498, counts.CustomData, "none of a refused row")
	require.EqualValues(t, 2, counts.Discards)
}
