package infomart_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/storetest"
)

// values are a fact's values by column.
func values(t *testing.T, u *callback.UserEvent) map[string]any {
	t.Helper()
	plan := plan(t, u)
	require.Len(t, plan.Facts, 1, "%v", plan.Discards)
	named := make(map[string]any)
	for i, c := range infomart.FactColumns() {
		named[c.Name] = plan.Facts[0].Value(i)
	}
	return named
}

func plan(t *testing.T, u *callback.UserEvent) infomart.Plan {
	t.Helper()
	plan, err := infomart.NewPlan(&infomart.Batch{
		PositionKey: infomart.PositionKey{Partition: 3},
		Inputs:      []infomart.Input{{Event: u, AddedTS: 1772600800, Offset: 4711}},
	})
	require.NoError(t, err)
	return plan
}

func TestEveryKVPReachesItsColumn(t *testing.T) {
	t.Parallel()
	u := storetest.UserEvent("s1", 2, true)
	have := values(t, u)
	reached := 0
	for k := range callback.KVP(callback.NumKVPs) {
		info := k.Info()
		if info.Table != "CALLBACK_FACT" || info.Via != "" {
			continue
		}
		reached++
		var want any = u.KVPs[k].Int
		if info.Kind == callback.String {
			want = u.KVPs[k].Str
		}
		column := info.Column
		if k == callback.KeyTServiceStart {
			column = "SERVICE_START_TS"
		}
		require.Equal(t, want, have[column], info.Name)
	}
	require.Equal(t, 44, reached)
	attributes := 0
	for _, d := range infomart.Dimensions() {
		attributes += len(d.Attributes)
	}
	// With the four of the virtual queue, and the five that have no column, all 70 are told of.
	require.Equal(t, callback.NumKVPs, reached+attributes+4+5)
}

func TestColumnsWithoutKVP(t *testing.T) {
	t.Parallel()
	u := storetest.UserEvent("s1", 2, true)
	have := values(t, u)
	for column, want := range map[string]int64{
		"EVENT_SEQUENCE": 2, "ADDED_TS": 1772600800, "PRODUCER_BATCH_ID": 30_000_000_004_711, "UPDATE_AUDIT_KEY": 0,
		"START_DATE_TIME_KEY": 1772600400, "DESIRED_TIME_TS": *u.DesiredTime,
		"PUSH_DELIVERY_CONFIRMED_TS": *u.PushDeliveryConfirmed, "CUSTOMER_READY_TO_START_IXN_TS": *u.CustomerReadyToStartIxn,
	} {
		require.Equal(t, want, have[column], column)
	}
	u.DesiredTime, u.PushDeliveryConfirmed, u.CustomerReadyToStartIxn = nil, nil, nil
	have = values(t, u)
	require.Equal(t, u.KVPs[callback.KeyTCallbackAccepted].Int, have["DESIRED_TIME_TS"], "the acceptance")
	require.Zero(t, have["PUSH_DELIVERY_CONFIRMED_TS"])
	require.Zero(t, have["CUSTOMER_READY_TO_START_IXN_TS"])
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	have := values(t, storetest.Minimal("s1", 1))
	given := map[string]bool{
		"SERVICE_ID": true, "SERVICE_START_TS": true, "START_DATE_TIME_KEY": true, "CALLBACK_OFFERED_TS": true,
		"CALLBACK_OFFERED": true, "ADDED_TS": true, "EVENT_SEQUENCE": true, "PRODUCER_BATCH_ID": true, "CALLBACK_OFFER_TIME": true,
		// These are the store's to fill in.
		"DS_AUDIT_KEY": true, "CREATE_AUDIT_KEY": true, "CALLBACK_DIM_1_KEY": true, "CALLBACK_DIM_2_KEY": true,
		"CALLBACK_DIM_3_KEY": true, "CALLBACK_DIM_4_KEY": true, "CALLBACK_DIAL_RESULTS_KEY": true,
	}
	for _, c := range infomart.FactColumns() {
		if !given[c.Name] {
			require.Equal(t, c.Default, have[c.Name], c.Name)
		}
	}
	require.EqualValues(t, -1, have["TENANT_KEY"])
	require.EqualValues(t, -1, have["RESOURCE_KEY"])
	require.Nil(t, have["CUSTOMER_ANI"])
	require.EqualValues(t, 0, have["DESIRED_TIME_TS"])
}

func TestStartDateTimeKey(t *testing.T) {
	t.Parallel()
	for start, want := range map[int64]int64{0: 0, 899: 0, 900: 900, 1772600767: 1772600400, -1: -900, -900: -900, math.MaxInt32: 2147482800} {
		u := storetest.Minimal("s1", 1)
		u.KVPs.SetInt(callback.KeyTServiceStart, start, -1)
		require.Equal(t, want, values(t, u)["START_DATE_TIME_KEY"], start)
	}
	u := storetest.Minimal("s1", 1)
	u.KVPs.SetInt(callback.KeyTServiceStart, math.MinInt32, -1)
	require.Contains(t, plan(t, u).Discards[0].Detail, "CALLBACK_FACT.START_DATE_TIME_KEY")
}

func TestMandatoryKVPs(t *testing.T) {
	t.Parallel()
	for _, k := range callback.Mandatory() {
		u := storetest.UserEvent("s1", 1, false)
		u.KVPs[k] = callback.Value{}
		p := plan(t, u)
		require.Empty(t, p.Facts) // invariant 9
		require.Equal(t, callback.ReasonMissingKVP, p.Discards[0].Reason)
		require.Equal(t, []string{k.String()}, p.Discards[0].Missing)
		require.NotNil(t, p.Discards[0].Event, "its custom data is kept")
	}
}

func TestEveryTextIsChecked(t *testing.T) {
	t.Parallel()
	for k := range callback.KVP(callback.NumKVPs) {
		u := storetest.UserEvent("s1", 1, false)
		if k.Info().Kind == callback.String {
			u.KVPs.SetStr(k, "a\x00b", -1)
		} else {
			u.KVPs.SetInt(k, math.MaxInt64, -1)
		}
		p := plan(t, u)
		if k.Info().Kind != callback.String && k.Info().Table == "" {
			require.Len(t, p.Facts, 1, "no column of 32 bits holds it")
			continue
		}
		require.Len(t, p.Discards, 1, k.String())
		require.Equal(t, callback.ReasonInvalidField, p.Discards[0].Reason)
		require.Contains(t, p.Discards[0].Detail, k.String())
		require.Nil(t, p.Discards[0].Event, "nothing of it can be stored")
	}
}

func TestAllFaultsAreNamed(t *testing.T) {
	t.Parallel()
	u := storetest.UserEvent("s1", 0, false)
	u.KVPs.SetStr(callback.KeyDisposition, "\xff", -1)
	u.KVPs.SetInt(callback.KeyTDial3, math.MaxInt64, -1)
	detail := plan(t, u).Discards[0].Detail
	require.Equal(t, "CALLBACK_DIM_3.DISPOSITION (_CB_DISPOSITION): bytes that are not UTF-8; "+
		"CALLBACK_FACT.DIAL_3_TS (_CB_T_DIAL_3): the integer does not fit 32 bits; CALLBACK_FACT.EVENT_SEQUENCE: below 1", detail)
}

func TestProducerBatchID(t *testing.T) {
	t.Parallel()
	id, err := infomart.ProducerBatchID(922_336, 9_999_999_999_999)
	require.NoError(t, err)
	require.Positive(t, id)
	for _, bad := range [][2]int64{{0, -1}, {0, 10_000_000_000_000}, {-1, 0}, {922_337, 0}} {
		_, err := infomart.ProducerBatchID(int32(bad[0]), bad[1])
		require.Error(t, err, fmt.Sprint(bad))
	}
}

func TestRefsTellCombinationsApart(t *testing.T) {
	t.Parallel()
	seen := make(map[string][2]string)
	for _, pair := range [][2]string{{"a", "b"}, {"a|1:b", ""}, {"", "a|1:b"}, {"ab", ""}, {"UNKNOWN", "b"}, {"a", "UNKNOWN"}} {
		u := storetest.Minimal("s1", 1)
		u.KVPs.SetStr(callback.KeyDisposition, pair[0], -1)
		u.KVPs.SetStr(callback.KeyDimFinalTarget, pair[1], -1)
		for i := range plan(t, u).Facts[0].Refs {
			ref := &plan(t, u).Facts[0].Refs[i]
			if ref.Kind != 2 { // CALLBACK_DIM_3
				continue
			}
			require.NotContains(t, seen, ref.ID())
			seen[ref.ID()] = pair
		}
	}
	require.Len(t, seen, 6)
}

func TestSameContent(t *testing.T) {
	t.Parallel()
	f := plan(t, storetest.UserEvent("s1", 2, true)).Facts[0]
	var stored []any
	for i := range infomart.FactColumns() {
		stored = append(stored, f.Value(i))
	}
	final := infomart.ColumnFinal
	require.True(t, f.SameContent(stored, false))
	stored[final] = int64(0)
	require.False(t, f.SameContent(stored, false), "it was stored as not final")
	require.True(t, f.SameContent(stored, true), "a newer row has cleared it")

	notFinal := plan(t, storetest.UserEvent("s1", 2, false)).Facts[0]
	stored[final] = int64(1)
	require.False(t, notFinal.SameContent(stored, false))
	require.False(t, notFinal.SameContent(stored, true))
}

func BenchmarkNewPlan(b *testing.B) {
	var inputs []infomart.Input
	for i := range 1000 {
		inputs = append(inputs, infomart.Input{Event: storetest.Ordinary(fmt.Sprint(i), 1, i), Offset: int64(i)})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := infomart.NewPlan(&infomart.Batch{Inputs: inputs}); err != nil {
			b.Fatal(err)
		}
	}
}
