package infomart_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/storetest"
)

func TestBisect(t *testing.T) {
	t.Parallel()
	bad := errors.New("bad")
	isBad := func(err error) bool { return errors.Is(err, bad) }
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOf(rapid.IntRange(0, 9)).Draw(t, "items") // 0 is refused
		var taken, refused []int
		err := infomart.Bisect(items, func(part []int) error {
			if slices.Contains(part, 0) {
				return fmt.Errorf("wrapped: %w", bad)
			}
			taken = append(taken, part...)
			return nil
		}, isBad, func(n int, err error) {
			require.ErrorIs(t, err, bad)
			refused = append(refused, n)
		})
		require.NoError(t, err)
		want := slices.DeleteFunc(slices.Clone(items), func(n int) bool { return n == 0 })
		require.True(t, slices.Equal(want, taken), "in order, each once")
		require.Len(t, refused, len(items)-len(want))
	})

	outage := errors.New("away")
	calls := 0
	err := infomart.Bisect([]int{1, 2, 3}, func([]int) error { calls++; return outage }, isBad, func(int, error) {})
	require.ErrorIs(t, err, outage)
	require.Equal(t, 1, calls, "an outage is not the data's fault")
}

func TestKeyCache(t *testing.T) {
	t.Parallel()
	facts := func(channel string) []*infomart.Fact {
		u := storetest.Minimal("s", 1)
		u.KVPs.SetStr(callback.KeyDimChannel, channel, -1)
		plan, err := infomart.NewPlan(&infomart.Batch{Inputs: []infomart.Input{{Event: u}, {Event: u}}})
		require.NoError(t, err)
		return plan.Facts
	}
	cache := infomart.NewKeyCache(100)
	known, unknown := cache.Lookup(facts("WEB"))
	require.Empty(t, known)
	require.Len(t, unknown, 7, "five dimensions, the tenant and the day; each once")
	require.True(t, slices.IsSortedFunc(unknown, func(a, b *infomart.Ref) int { return compare(a.ID(), b.ID()) }))

	made := make(map[string]int64)
	for i, ref := range unknown {
		made[ref.ID()] = int64(i + 1)
	}
	cache.Add(cache.Generation(), made)
	known, unknown = cache.Lookup(facts("WEB"))
	require.Empty(t, unknown)
	require.Equal(t, made, known)
	_, unknown = cache.Lookup(facts("IVR"))
	require.Len(t, unknown, 1)

	f := facts("WEB")[0]
	require.True(t, f.SetKeys(made))
	delete(made, f.Refs[0].ID())
	require.False(t, f.SetKeys(made))

	// Forgotten keys do not come back with what was looked up before.
	before := cache.Generation()
	cache.Forget()
	cache.Add(before, known)
	_, unknown = cache.Lookup(facts("WEB"))
	require.Len(t, unknown, 7)
	cache.Add(cache.Generation(), known)

	// What is asked for stays; what is not is forgotten: the cache is bounded.
	for i := range 1000 {
		cache.Add(cache.Generation(), map[string]int64{fmt.Sprint("filler", i): 1})
		_, unknown = cache.Lookup(facts("WEB"))
		require.Empty(t, unknown)
	}
	for i := range 1000 {
		cache.Add(cache.Generation(), map[string]int64{fmt.Sprint("more", i): 1})
	}
	_, unknown = cache.Lookup(facts("WEB"))
	require.Len(t, unknown, 7)
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func TestDateTimeRows(t *testing.T) {
	t.Parallel()
	start := time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC).Unix() // a Thursday
	rows := infomart.DateTimeRows(start)
	require.Len(t, rows, 96)
	row := make(map[string]any)
	for i, name := range infomart.DateTimeColumns {
		row[name] = rows[95][i]
	}
	epoch := func(y int, m time.Month, d, h, min int) int64 {
		return time.Date(y, m, d, h, min, 0, 0, time.UTC).Unix()
	}
	require.Equal(t, map[string]any{
		"DATE_TIME_KEY": epoch(2024, 2, 29, 23, 45), "DATE_TIME_30MIN_KEY": epoch(2024, 2, 29, 23, 30), "DATE_TIME_HOUR_KEY": epoch(2024, 2, 29, 23, 0),
		"DATE_TIME_DAY_KEY": start, "DATE_TIME_WEEK_KEY": epoch(2024, 2, 25, 0, 0), "DATE_TIME_MONTH_KEY": epoch(2024, 2, 1, 0, 0),
		"DATE_TIME_QUARTER_KEY": epoch(2024, 1, 1, 0, 0), "DATE_TIME_YEAR_KEY": epoch(2024, 1, 1, 0, 0),
		"CAL_DATE": "2024-02-29", "CAL_DAY_NAME": "Thursday", "CAL_MONTH_NAME": "February", "CAL_DAY_NUM_IN_WEEK": int64(5),
		"CAL_DAY_NUM_IN_MONTH": int64(29), "CAL_DAY_NUM_IN_YEAR": int64(60), "CAL_MONTH_NUM_IN_YEAR": int64(2), "CAL_QUARTER_NUM_IN_YEAR": int64(1),
		"CAL_YEAR_NUM": int64(2024), "CAL_HOUR_24_NUM_IN_DAY": int64(23), "CAL_30MINUTE_NUM_IN_HOUR": int64(2),
		"LABEL_YYYY": "2024", "LABEL_YYYY_QQ": "2024 Q1", "LABEL_YYYY_MM": "2024-02", "LABEL_YYYY_MM_DD": "2024-02-29",
		"LABEL_YYYY_MM_DD_HH24": "2024-02-29 23", "LABEL_YYYY_MM_DD_HH24_30INT": "2024-02-29 23:30-23:59", "LABEL_YYYY_MM_DD_HH24_15INT": "2024-02-29 23:45-23:59",
	}, row)
	// A quarter begins in its own first month.
	december := infomart.DateTimeRows(epoch(2023, 12, 31, 0, 0))[0]
	require.Equal(t, epoch(2023, 10, 1, 0, 0), december[slices.Index(infomart.DateTimeColumns, "DATE_TIME_QUARTER_KEY")])
	require.Equal(t, epoch(2023, 12, 31, 0, 0), december[slices.Index(infomart.DateTimeColumns, "DATE_TIME_WEEK_KEY")], "a Sunday begins its week")
}

func TestEventDataSelect(t *testing.T) {
	t.Parallel()
	all, err := infomart.EventData{}.Select()
	require.NoError(t, err)
	require.Len(t, all, callback.NumKVPs)
	none, err := infomart.EventData{Store: "none"}.Select()
	require.NoError(t, err)
	require.Empty(t, none)
	conf, err := infomart.EventData{Store: "conf", Keys: []string{" _CB_DISPOSITION", "_CB_TENANT_DBID", "_CB_DISPOSITION"}}.Select()
	require.NoError(t, err)
	require.Equal(t, []callback.KVP{callback.KeyTenantDBID, callback.KeyDisposition}, conf)
	_, err = infomart.EventData{Store: "conf", Keys: []string{"_CB_NOTHING"}}.Select()
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	require.ErrorContains(t, err, "_CB_NOTHING")
	_, err = infomart.EventData{Store: "ALL"}.Select()
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
}

func TestCustomDataIDsOfABatchStayInItsRange(t *testing.T) {
	t.Parallel()
	require.Less(t, infomart.CustomDataID(7, infomart.MaxInputs*callback.NumKVPs-1), infomart.CustomDataID(8, 0))
}
