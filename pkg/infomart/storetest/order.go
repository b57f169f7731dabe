package storetest

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
)

// testOutOfOrder: invariant 6.
func testOutOfOrder(t *testing.T, b *bundle) {
	_, position := b.apply(t, Batch(nil, UserEvent("s1", 3, true)))
	require.Equal(t, map[int64]int64{3: 1}, b.finals(t, "s1"))
	_, position = b.apply(t, Batch(position, UserEvent("s1", 2, true)))
	require.Equal(t, map[int64]int64{2: 0, 3: 1}, b.finals(t, "s1"), "an older revision is not final")
	_, position = b.apply(t, Batch(position, UserEvent("s1", 5, true)))
	require.Equal(t, map[int64]int64{2: 0, 3: 0, 5: 1}, b.finals(t, "s1"))
	result, _ := b.apply(t, Batch(position, UserEvent("s1", 3, true), UserEvent("s1", 1, false), UserEvent("s1", 4, true)))
	require.Equal(t, infomart.Result{Applied: 2, AlreadyApplied: 1}, result)
	require.Equal(t, map[int64]int64{1: 0, 2: 0, 3: 0, 4: 0, 5: 1}, b.finals(t, "s1"))
	require.EqualValues(t, 5, b.latest(t, "s1")["EVENT_SEQUENCE"])
}

func testOutOfOrderInOneBatch(t *testing.T, b *bundle) {
	result, _ := b.apply(t, Batch(nil, UserEvent("s1", 3, true), UserEvent("s1", 1, true), UserEvent("s2", 1, true), UserEvent("s1", 4, true), UserEvent("s1", 2, false)))
	require.Equal(t, 5, result.Applied)
	require.Equal(t, map[int64]int64{1: 0, 2: 0, 3: 0, 4: 1}, b.finals(t, "s1"))
	require.Equal(t, map[int64]int64{1: 1}, b.finals(t, "s2"))
}

// testNotFinalAnyMore: news has taken the terminal event away.
func testNotFinalAnyMore(t *testing.T, b *bundle) {
	_, position := b.apply(t, Batch(nil, UserEvent("s1", 1, false), UserEvent("s1", 2, true)))
	_, position = b.apply(t, Batch(position, UserEvent("s1", 3, false)))
	require.Equal(t, map[int64]int64{1: 0, 2: 0, 3: 0}, b.finals(t, "s1"))
	require.Zero(t, b.counts(t).Finals)
	result, position := b.apply(t, Batch(position, UserEvent("s1", 3, true)))
	require.Equal(t, callback.ReasonConflict, result.Rejected[0].Reason, "it was stored as not final, and no newer row has cleared it")
	b.apply(t, Batch(position, UserEvent("s1", 4, true)))
	require.Equal(t, map[int64]int64{1: 0, 2: 0, 3: 0, 4: 1}, b.finals(t, "s1"))
}

func testConflict(t *testing.T, b *bundle) {
	_, position := b.apply(t, Batch(nil, UserEvent("s1", 1, false), UserEvent("s1", 2, true), UserEvent("s1", 3, true)))
	changes := map[string]func(u *callback.UserEvent){
		"an integer":            func(u *callback.UserEvent) { u.KVPs.SetInt(callback.KeyTDial1, 5, -1) },
		"a text":                func(u *callback.UserEvent) { u.KVPs.SetStr(callback.KeyCustomerANI, "+441632960001", -1) },
		"an absent text":        func(u *callback.UserEvent) { u.KVPs[callback.KeyORSSessionID].Set = false },
		"a dimension":           func(u *callback.UserEvent) { u.KVPs.SetStr(callback.KeyDimFinalTarget, "Agents@Other", -1) },
		"a flag of DIM_4":       func(u *callback.UserEvent) { u.KVPs.SetInt(callback.KeyNAbandonedDuringCallbackOffer, 0, -1) },
		"the virtual queue":     func(u *callback.UserEvent) { u.KVPs.SetInt(callback.KeyDimVQDBID, 77, -1) },
		"the desired time":      func(u *callback.UserEvent) { *u.DesiredTime++ },
		"the tenant":            func(u *callback.UserEvent) { u.KVPs[callback.KeyTenantDBID].Set = false },
		"an empty text":         func(u *callback.UserEvent) { u.KVPs.SetStr(callback.KeyLastOutIxnID, "", -1) },
		"the confirmed push":    func(u *callback.UserEvent) { u.PushDeliveryConfirmed = nil },
		"the 15-minute's start": func(u *callback.UserEvent) { u.KVPs.SetInt(callback.KeyTServiceStart, Start-900, -1) },
	}
	before := b.latest(t, "s1")
	for name, change := range changes {
		for _, sequence := range []int32{2, 3} {
			u := UserEvent("s1", sequence, true)
			change(u)
			var result infomart.Result
			result, position = b.apply(t, Batch(position, u))
			require.Len(t, result.Rejected, 1, name)
			require.Equal(t, callback.ReasonConflict, result.Rejected[0].Reason, name)
			require.Equal(t, sequence, result.Rejected[0].Sequence)
			require.NotContains(t, result.Rejected[0].Detail, personal)
		}
	}
	// FINAL_RECORD: what the store itself has cleared is no conflict, the rest is.
	result, position := b.apply(t, Batch(position, UserEvent("s1", 1, true), UserEvent("s1", 2, true), UserEvent("s1", 3, false)))
	require.Equal(t, 2, result.AlreadyApplied, "1 and 2 may have been cleared")
	require.Equal(t, callback.ReasonConflict, result.Rejected[0].Reason)
	require.EqualValues(t, 3, result.Rejected[0].Sequence)

	require.Equal(t, before, b.latest(t, "s1"), "the first stays")
	counts := b.counts(t)
	require.EqualValues(t, 3, counts.Facts)
	require.EqualValues(t, 3*callback.NumKVPs, counts.CustomData)
	require.EqualValues(t, 2*len(changes)+1, counts.Discards)
	require.EqualValues(t, 4+2*len(changes)+2, position.Next)
}

func testConflictInOneBatch(t *testing.T, b *bundle) {
	other := UserEvent("s1", 1, false)
	other.KVPs.SetInt(callback.KeyTDial1, 5, -1)
	result, _ := b.apply(t, Batch(nil, UserEvent("s1", 1, false), other, UserEvent("s1", 1, false), UserEvent("s2", 1, false)))
	require.Equal(t, 2, result.Applied)
	require.Equal(t, 1, result.AlreadyApplied)
	require.Len(t, result.Rejected, 1)
	require.Equal(t, callback.ReasonConflict, result.Rejected[0].Reason)
	require.EqualValues(t, 1, result.Rejected[0].Offset)
	require.EqualValues(t, Start+int(callback.KeyTDial1), b.latest(t, "s1")["DIAL_1_TS"])
}

// testModel applies deliveries in any order and grouping, with repetitions and other
// content, and compares the store with a model of invariants 2, 5 and 6.
func testModel(t *testing.T, b *bundle) {
	b.Store = b.open(t, oneKey)
	service := 0
	rapid.Check(t, func(rt *rapid.T) {
		service++
		id := "model-" + string(rune('a'+service/26%26)) + string(rune('a'+service%26)) + string(rune('a'+service/676))
		key := Key
		key.Partition = int32(service)
		type content struct {
			final bool
			dial  int64
		}
		model := make(map[int32]content)
		var position *infomart.Position
		for range rapid.IntRange(1, 4).Draw(rt, "batches") {
			var events []*callback.UserEvent
			var applied, already, conflicts int
			for range rapid.IntRange(1, 6).Draw(rt, "events") {
				sequence := rapid.Int32Range(1, 4).Draw(rt, "sequence")
				// Final from 3 on, so that a repetition carries the same flag.
				c := content{final: sequence > 2, dial: rapid.Int64Range(1, 2).Draw(rt, "dial")}
				u := UserEvent(id, sequence, c.final)
				u.KVPs.SetInt(callback.KeyTDial1, c.dial, -1)
				events = append(events, u)
				switch have, ok := model[sequence]; {
				case !ok:
					model[sequence] = c
					applied++
				case have == c:
					already++
				default:
					conflicts++
				}
			}
			batch := Batch(position, events...)
			batch.PositionKey = key
			result, err := b.Apply(t.Context(), batch, nil)
			require.NoError(rt, err)
			require.Equal(rt, applied, result.Applied)
			require.Equal(rt, already, result.AlreadyApplied)
			require.Len(rt, result.Rejected, conflicts)
			position = &batch.To
		}
		newest := int32(0)
		for sequence := range model {
			newest = max(newest, sequence)
		}
		rows, err := b.Facts(t.Context(), id)
		require.NoError(rt, err)
		require.Len(rt, rows, len(model))
		for _, row := range rows {
			sequence := int32(row["EVENT_SEQUENCE"].(int64))
			final := int64(0)
			if sequence == newest && model[sequence].final {
				final = 1
			}
			require.Equal(rt, final, row["FINAL_RECORD"], "sequence %d", sequence)
			require.Equal(rt, model[sequence].dial, row["DIAL_1_TS"])
		}
	})
}
