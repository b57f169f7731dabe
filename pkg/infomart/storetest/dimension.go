package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
)

// testRaceForPosition: invariant 5. Two owners of one partition: one writes.
func testRaceForPosition(t *testing.T, b *bundle) {
	other := b.open(t, infomart.EventData{})
	var position *infomart.Position
	for round := range 10 {
		batch := Batch(position, UserEvent(fmt.Sprintf("s%d", round), 1, false), UserEvent(fmt.Sprintf("s%d", round), 2, true))
		errs := make([]error, 2)
		var wg sync.WaitGroup
		for i, s := range []Store{b.Store, other} {
			wg.Go(func() { _, errs[i] = s.Apply(t.Context(), batch, nil) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
				continue
			}
			require.ErrorIs(t, err, infomart.ErrPositionMoved)
		}
		require.Equal(t, 1, won)
		position = &batch.To
	}
	counts := b.counts(t)
	require.EqualValues(t, 20, counts.Facts)
	require.EqualValues(t, 20*callback.NumKVPs, counts.CustomData)
}

// testRaceForDimensions: rows are never duplicated, however many sinks run.
func testRaceForDimensions(t *testing.T, b *bundle) {
	const stores, combinations = 4, 25
	var group errgroup.Group
	start := make(chan struct{})
	for i := range stores {
		s := b.open(t, infomart.EventData{Store: "none"})
		group.Go(func() error {
			<-start
			var position *infomart.Position
			for n := range combinations {
				u := UserEvent(fmt.Sprintf("s%d-%d", i, n), 1, false)
				for _, k := range []callback.KVP{callback.KeyDimChannel, callback.KeyDimOfferTiming, callback.KeyDisposition, callback.KeyDial3Result, callback.KeyDimVQ} {
					u.KVPs.SetStr(k, fmt.Sprintf("V%d", n), -1)
				}
				u.KVPs.SetInt(callback.KeyDimVQDBID, int64(n), -1)
				u.KVPs.SetInt(callback.KeyTenantDBID, int64(n), -1)
				u.KVPs.SetInt(callback.KeyNAbandonedDuringCallbackOffer, int64(n), -1)
				batch := Batch(position, u)
				batch.Partition = int32(i)
				if _, err := s.Apply(t.Context(), batch, nil); err != nil {
					return err
				}
				position = &batch.To
			}
			return nil
		})
	}
	close(start)
	require.NoError(t, group.Wait())
	tables := b.counts(t).Tables
	for _, d := range infomart.Dimensions() {
		require.EqualValues(t, combinations, tables[d.Table], d.Table)
	}
	require.EqualValues(t, combinations+1, tables["RESOURCE_"], "and UNKNOWN")
	require.EqualValues(t, combinations+1, tables["TENANT"], "and UNKNOWN")
	require.EqualValues(t, 96, tables["DATE_TIME"])
	require.EqualValues(t, stores*combinations, tables["CALLBACK_FACT"])
}

func testManyPartitionsAtOnce(t *testing.T, b *bundle) {
	b.Store = b.open(t, oneKey)
	var group errgroup.Group
	for partition := range 8 {
		group.Go(func() error {
			var position *infomart.Position
			for n := range 5 {
				var events []*callback.UserEvent
				for i := range 20 {
					events = append(events, UserEvent(fmt.Sprintf("s%d-%d-%d", partition, n, i), 1, true))
				}
				batch := Batch(position, events...)
				batch.Partition = int32(partition)
				result, err := b.Apply(t.Context(), batch, nil)
				if err != nil {
					return err
				}
				if result.Applied != 20 {
					return errors.New("not all applied")
				}
				position = &batch.To
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	require.EqualValues(t, 800, b.counts(t).Finals)
	rows := b.db.Rows(t, "SELECT PRODUCER_BATCH_ID FROM CALLBACK_FACT GROUP BY PRODUCER_BATCH_ID HAVING COUNT(*) > 1")
	require.Empty(t, rows, "PRODUCER_BATCH_ID is unique")
}

func testDimensions(t *testing.T, b *bundle) {
	one, two, three := Minimal("s1", 1), Minimal("s2", 1), Minimal("s3", 1)
	two.KVPs.SetStr(callback.KeyDimChannel, "UNKNOWN", -1) // the same as absent
	three.KVPs.SetStr(callback.KeyDimChannel, "CARRIER_PIGEON", -1)
	// The same text in another column, and a shift between columns, are other combinations.
	four, five := Minimal("s4", 1), Minimal("s5", 1)
	four.KVPs.SetStr(callback.KeyDial1Result, "BUSY", -1)
	five.KVPs.SetStr(callback.KeyDial2Result, "BUSY", -1)
	b.apply(t, Batch(nil, one, two, three, four, five))

	tables := b.counts(t).Tables
	require.EqualValues(t, 2, tables["CALLBACK_DIM_1"])
	require.EqualValues(t, 1, tables["CALLBACK_DIM_2"])
	require.EqualValues(t, 1, tables["CALLBACK_DIM_4"])
	require.EqualValues(t, 3, tables["CALLBACK_DIAL_RESULTS"])
	require.Equal(t, "CARRIER_PIGEON", b.latest(t, "s3")["CHANNEL"], "enumerations are open")
	first := b.latest(t, "s1")
	require.Equal(t, "UNKNOWN", first["CALLBACK_TYPE"])
	require.EqualValues(t, -1, first["TENANT_KEY"])
	require.EqualValues(t, -1, first["RESOURCE_KEY"])
	require.Equal(t, "UNKNOWN", first["RESOURCE_NAME"])
	require.EqualValues(t, 0, first["ABANDONED_DURING_CB_OFFER"])
	require.Equal(t, first["CALLBACK_DIM_1_KEY"], b.latest(t, "s2")["CALLBACK_DIM_1_KEY"])
	require.Equal(t, "BUSY", b.latest(t, "s5")["DIAL_2_RESULT"])

	tenants := b.db.Rows(t, "SELECT ID, NAME FROM TENANT ORDER BY ID")
	require.Equal(t, []infomart.Row{{"ID": int64(-1), "NAME": "UNKNOWN"}}, tenants)
}

// queue makes a UserEvent of a virtual queue; dbid 0 is none.
func queue(service, name string, dbid int64) *callback.UserEvent {
	u := Minimal(service, 1)
	if name != "" {
		u.KVPs.SetStr(callback.KeyDimVQ, name, -1)
	}
	if dbid != 0 {
		u.KVPs.SetInt(callback.KeyDimVQDBID, dbid, -1)
		u.KVPs.SetInt(callback.KeyVQCfgTypeID, 1, -1)
		u.KVPs.SetStr(callback.KeyVQCfgType, "CfgDN", -1)
	}
	return u
}

func testResources(t *testing.T, b *bundle) {
	key := func(service string) int64 { return b.latest(t, service)["RESOURCE_KEY"].(int64) }
	deliver := func() []*callback.UserEvent {
		return []*callback.UserEvent{
			queue("named", "VQ1", 0),
			queue("with dbid", "VQ1", 10),          // the row of the name takes the DBID on
			queue("other dbid", "VQ1", 11),         // another switch's queue of that name
			queue("named again", "VQ1", 0),         // the oldest of the name
			queue("renamed", "VQ1_old", 10),        // the DBID counts
			queue("nameless", "", 10),              // no queue is named
			queue("UNKNOWN by name", "UNKNOWN", 0), // a queue that is really called so
		}
	}
	var position *infomart.Position
	for _, u := range deliver() { // one batch each: the cache and the database must agree
		_, position = b.apply(t, Batch(position, u))
	}
	vq1 := key("named")
	require.Positive(t, vq1)
	require.Equal(t, vq1, key("with dbid"))
	require.NotEqual(t, vq1, key("other dbid"))
	require.Equal(t, vq1, key("named again"))
	require.Equal(t, vq1, key("renamed"))
	require.EqualValues(t, -1, key("nameless"))
	require.Positive(t, key("UNKNOWN by name"))
	require.EqualValues(t, 10, b.latest(t, "named")["RESOURCE_CFG_DBID"])
	require.Equal(t, "CfgDN", b.latest(t, "named")["RESOURCE_CFG_TYPE"])
	require.EqualValues(t, 4, b.counts(t).Tables["RESOURCE_"])

	// Redelivered to a store that remembers nothing, each finds its row again.
	again := b.open(t, infomart.EventData{})
	batch := Batch(nil, deliver()...)
	batch.Group = "another-group"
	result, err := again.Apply(t.Context(), batch, nil)
	require.NoError(t, err)
	require.Equal(t, infomart.Result{AlreadyApplied: 7}, result)
}

// testResourceType: a queue takes its type on from whichever UserEvent brings it, the first or a later one.
func testResourceType(t *testing.T, b *bundle) {
	typed := func(service, name string, dbid int64) *callback.UserEvent {
		u := queue(service, name, dbid)
		u.KVPs.SetInt(callback.KeyVQCfgTypeID, 1, -1)
		u.KVPs.SetStr(callback.KeyVQCfgType, "CfgDN", -1)
		return u
	}
	bare := func(service, name string, dbid int64) *callback.UserEvent {
		u := queue(service, name, dbid)
		u.KVPs[callback.KeyVQCfgTypeID], u.KVPs[callback.KeyVQCfgType] = callback.Value{}, callback.Value{}
		return u
	}
	var position *infomart.Position
	for _, u := range []*callback.UserEvent{
		bare("by dbid", "VQ1", 10), typed("by dbid, typed", "VQ1", 10), bare("by dbid, bare again", "VQ1", 10),
		bare("by name", "VQ2", 0), typed("by name, typed", "VQ2", 0),
	} {
		_, position = b.apply(t, Batch(position, u))
	}
	for _, service := range []string{"by dbid", "by dbid, bare again", "by name", "by name, typed"} {
		row := b.latest(t, service)
		require.EqualValues(t, 1, row["RESOURCE_CFG_TYPE_ID"], service)
		require.Equal(t, "CfgDN", row["RESOURCE_CFG_TYPE"], service)
	}
	require.EqualValues(t, 3, b.counts(t).Tables["RESOURCE_"], "two queues and UNKNOWN")
}

func testResourceRace(t *testing.T, b *bundle) {
	var group errgroup.Group
	for i := range 6 {
		s := b.open(t, infomart.EventData{Store: "none"})
		group.Go(func() error {
			batch := Batch(nil, queue(fmt.Sprintf("s%d", i), "VQ", int64(i%3)*100))
			batch.Partition = int32(i)
			_, err := s.Apply(t.Context(), batch, nil)
			return err
		})
	}
	require.NoError(t, group.Wait())
	rows := b.db.Rows(t, "SELECT RESOURCE_CFG_DBID FROM RESOURCE_ WHERE RESOURCE_NAME = 'VQ' AND RESOURCE_CFG_DBID IS NOT NULL ORDER BY 1")
	require.Equal(t, []infomart.Row{{"RESOURCE_CFG_DBID": int64(100)}, {"RESOURCE_CFG_DBID": int64(200)}}, rows)
	rows = b.db.Rows(t, "SELECT COUNT(*) AS N FROM RESOURCE_ WHERE RESOURCE_NAME = 'VQ' AND RESOURCE_CFG_DBID IS NULL")
	require.LessOrEqual(t, rows[0]["N"], int64(1))
}

func testDateTime(t *testing.T, b *bundle) {
	b.apply(t, Batch(nil, UserEvent("s1", 1, false)))
	rows := b.db.Rows(t, "SELECT d.* FROM CALLBACK_FACT f JOIN DATE_TIME d ON d.DATE_TIME_KEY = f.START_DATE_TIME_KEY")
	require.Len(t, rows, 1)
	for column, want := range map[string]any{
		"DATE_TIME_KEY": int64(1772600400), "LABEL_YYYY_MM_DD_HH24_15INT": "2026-03-04 05:00-05:14", "CAL_DAY_NAME": "Wednesday",
		"CAL_QUARTER_NUM_IN_YEAR": int64(1), "CAL_30MINUTE_NUM_IN_HOUR": int64(1), "UPDATE_AUDIT_KEY": int64(0),
	} {
		require.Equal(t, want, rows[0][column], column)
	}
	require.EqualValues(t, 96, b.counts(t).Tables["DATE_TIME"])
}
