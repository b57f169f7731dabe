package storetest

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
)

func testStartThenFinal(t *testing.T, b *bundle) {
	result, position := b.apply(t, Batch(nil, UserEvent("s1", 1, false)))
	require.Equal(t, infomart.Result{Applied: 1}, result)
	result, _ = b.apply(t, Batch(position, UserEvent("s1", 2, true)))
	require.Equal(t, infomart.Result{Applied: 1}, result)

	require.Equal(t, map[int64]int64{1: 0, 2: 1}, b.finals(t, "s1"))
	latest := b.latest(t, "s1")
	require.EqualValues(t, 2, latest["EVENT_SEQUENCE"])
	require.EqualValues(t, 1, latest["FINAL_RECORD"])
	require.Equal(t, "WEB", latest["CHANNEL"])
	require.Equal(t, "COMPLETED.AGENT", latest["DISPOSITION"])
	require.Equal(t, "VQ_Sales", latest["RESOURCE_NAME"])

	counts := b.counts(t)
	require.EqualValues(t, 2, counts.Facts)
	require.EqualValues(t, 1, counts.Services)
	require.EqualValues(t, 1, counts.Finals)
	require.EqualValues(t, 2*callback.NumKVPs, counts.CustomData)
	require.Zero(t, counts.Discards)

	u := UserEvent("s1", 2, true)
	want := make(map[string]string)
	for k := range callback.KVP(callback.NumKVPs) {
		want[k.String()] = u.KVPs.Text(k)
	}
	data, err := b.CustomData(t.Context(), "s1", 2)
	require.NoError(t, err)
	require.Equal(t, want, data)

	_, found, err := b.Latest(t.Context(), "another")
	require.NoError(t, err)
	require.False(t, found)
}

//go:embed testdata/*.json
var golden embed.FS

// testGolden compares whole rows, so that every adapter stores the same ones. With
// STORETEST_UPDATE=1 it writes the file instead.
func testGolden(t *testing.T, b *bundle) {
	full := UserEvent("full", 2, true)
	_, position := b.apply(t, Batch(nil, Minimal("minimal", 1), full))
	negative := Minimal("negative", 1)
	negative.KVPs.SetInt(callback.KeyTServiceStart, -1, -1)
	b.apply(t, Batch(position, negative))

	var rows []infomart.Row
	for row, err := range b.AllLatest(t.Context()) {
		require.NoError(t, err)
		rows = append(rows, row)
	}
	have, err := json.MarshalIndent(rows, "", "  ")
	require.NoError(t, err)
	if os.Getenv("STORETEST_UPDATE") != "" {
		require.NoError(t, os.WriteFile("../storetest/testdata/latest.json", append(have, '\n'), 0o644))
		return
	}
	want, err := golden.ReadFile("testdata/latest.json")
	require.NoError(t, err)
	require.JSONEq(t, string(want), string(have))
}

// testRedelivery: invariant 5. Another group reads the same records.
func testRedelivery(t *testing.T, b *bundle) {
	batch := Batch(nil, UserEvent("s1", 1, false), UserEvent("s1", 2, true), UserEvent("s2", 1, false))
	b.apply(t, batch)
	before := b.counts(t)

	batch.Group = "another-group"
	batch.Inputs[1].AddedTS += 5 // not content
	result, _ := b.apply(t, batch)
	require.Equal(t, infomart.Result{AlreadyApplied: 3}, result)
	after := b.counts(t)
	before.Tables["RINGBACK_POSITION"]++
	before.Tables["CTL_AUDIT_LOG"]++
	require.Equal(t, before, after)
	require.Equal(t, map[int64]int64{1: 0, 2: 1}, b.finals(t, "s1"))
}

// testRewind: a rewound sink fills holes and changes no row.
func testRewind(t *testing.T, b *bundle) {
	missing := Minimal("s2", 1)
	missing.KVPs[callback.KeyTCallbackOffered].Set = false
	_, position := b.apply(t, Batch(nil, UserEvent("s1", 1, false), UserEvent("s1", 2, true), missing, UserEvent("s1", 3, true)))
	require.EqualValues(t, 4, position.Next)
	require.NoError(t, b.db.Exec("DELETE FROM CALLBACK_FACT WHERE EVENT_SEQUENCE = 2"))
	before := b.counts(t)
	require.NoError(t, b.db.Exec("DELETE FROM RINGBACK_POSITION"))

	result, _ := b.apply(t, Batch(nil, UserEvent("s1", 1, false), UserEvent("s1", 2, true), missing, UserEvent("s1", 3, true)))
	require.Equal(t, 1, result.Applied)
	require.Equal(t, 2, result.AlreadyApplied)
	require.Equal(t, callback.ReasonMissingKVP, result.Rejected[0].Reason)
	require.Equal(t, map[int64]int64{1: 0, 2: 0, 3: 1}, b.finals(t, "s1"))
	after := b.counts(t)
	require.Equal(t, before.Discards, after.Discards)
	require.Equal(t, before.CustomData+callback.NumKVPs, after.CustomData, "only the hole's rows are added")
}

func testPositionMoved(t *testing.T, b *bundle) {
	first := Batch(nil, UserEvent("s1", 1, false))
	_, position := b.apply(t, first)
	before := b.counts(t)
	stale := *position
	stale.Next--
	other := *position
	other.LastOffset--
	for name, expected := range map[string]*infomart.Position{"none": nil, "older": &stale, "another record": &other} {
		batch := Batch(position, UserEvent("s2", 1, false))
		batch.Expected = expected
		_, err := b.Apply(t.Context(), batch, func(context.Context, []infomart.Rejection) error {
			require.Fail(t, "a former owner tells nobody anything")
			return nil
		})
		require.ErrorIs(t, err, infomart.ErrPositionMoved, name)
	}
	first.Group = "nobody's"
	first.Expected = position
	_, err := b.Apply(t.Context(), first, nil)
	require.ErrorIs(t, err, infomart.ErrPositionMoved, "an expected position that is not there")
	require.Equal(t, before.Facts, b.counts(t).Facts)
}

func testPositionRoundTrip(t *testing.T, b *bundle) {
	_, found, err := b.Position(t.Context(), Key)
	require.NoError(t, err)
	require.False(t, found)
	var expected *infomart.Position
	for i, id := range []string{"", "plain/1", "100%", "a\x00b", "\xff\xfe", strings.Repeat("long", 2000), "ünï"} {
		batch := infomart.Batch{PositionKey: Key, Expected: expected, To: infomart.Position{
			Next: 5_000_000_000 * int64(i+1), LastOffset: int64(i) - 1, LastID: id, LastTime: at(Start).Add(123_000_000),
		}}
		_, expected = b.apply(t, batch)
	}
	require.Zero(t, b.counts(t).Tables["CTL_AUDIT_LOG"], "a batch without records leaves nothing but the position")
}

// testRollBack: invariant 4. The dead letters could not be written: nothing is.
func testRollBack(t *testing.T, b *bundle) {
	batch := Batch(nil, UserEvent("s1", 1, false), func() *callback.UserEvent {
		u := Minimal("s2", 1)
		u.KVPs[callback.KeyDCallbackOffer].Set = false
		return u
	}())
	_, err := b.Apply(t.Context(), batch, func(context.Context, []infomart.Rejection) error {
		return fault.Outagef("the broker is away")
	})
	require.ErrorContains(t, err, "the broker is away")
	require.Equal(t, fault.Outage, fault.ClassOf(err))
	counts := b.counts(t)
	require.Zero(t, counts.Facts+counts.CustomData+counts.Discards)
	_, found, err := b.Position(t.Context(), Key)
	require.NoError(t, err)
	require.False(t, found)

	result, _ := b.apply(t, batch)
	require.Equal(t, 1, result.Applied)
}

func testCancelled(t *testing.T, b *bundle) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := b.Apply(ctx, Batch(nil, UserEvent("s1", 1, false)), func(context.Context, []infomart.Rejection) error {
		cancel()
		return ctx.Err()
	})
	require.ErrorIs(t, err, context.Canceled)
	require.NotEqual(t, fault.Outage, fault.ClassOf(err))
	_, err = b.Apply(ctx, Batch(nil, UserEvent("s1", 1, false)), nil)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, b.counts(t).Facts)
	b.apply(t, Batch(nil, UserEvent("s1", 1, false)))
}

func testSetAside(t *testing.T, b *bundle) {
	batch := infomart.Batch{PositionKey: Key, To: infomart.Position{Next: 3, LastOffset: 2, LastTime: at(0)}}
	batch.SetAside = []infomart.Rejection{
		{Offset: 0, Reason: callback.ReasonUndecodable, Detail: "no\x00thing \xff" + strings.Repeat("ä", 5000)},
		{Offset: 1, Reason: callback.ReasonUnknownSchema, Detail: "schema 9", ServiceID: strings.Repeat("s\x00", 300), Sequence: 4, Missing: []string{"a", "b"}},
	}
	result, _ := b.apply(t, batch)
	require.Empty(t, result.Rejected, "who set them aside has told")
	var rows []infomart.Row
	for row, err := range b.Discards(t.Context()) {
		require.NoError(t, err)
		rows = append(rows, row)
	}
	require.Len(t, rows, 2)
	require.Equal(t, "UNDECODABLE", rows[0]["REASON"])
	require.Equal(t, 4000, len([]rune(rows[0]["DETAIL"].(string))))
	require.Nil(t, rows[0]["SERVICE_ID"])
	require.Equal(t, "a,b", rows[1]["MISSING_KVPS"])
	require.EqualValues(t, 4, rows[1]["EVENT_SEQUENCE"])
	require.EqualValues(t, now().Unix(), rows[1]["CREATED_TS"])
	require.Equal(t, Key.Topic, rows[1]["TOPIC"])
	require.EqualValues(t, 1, rows[1]["OFFSET_ID"])
}

func testEventData(t *testing.T, b *bundle) {
	none := b.open(t, infomart.EventData{Store: "none"})
	_, err := none.Apply(t.Context(), Batch(nil, UserEvent("s1", 1, false)), nil)
	require.NoError(t, err)
	require.Zero(t, b.counts(t).CustomData)

	conf := b.open(t, infomart.EventData{Store: "conf", Keys: []string{"_CB_DISPOSITION", "_CB_N_IS_SNOOZED", "_CB_T_DIAL_5"}})
	batch := Batch(nil, Minimal("s2", 1), UserEvent("s2", 2, false))
	batch.Partition = 1
	_, err = conf.Apply(t.Context(), batch, nil)
	require.NoError(t, err)
	data, err := b.CustomData(t.Context(), "s2", 2)
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		"_CB_DISPOSITION": "COMPLETED.AGENT", "_CB_N_IS_SNOOZED": "1", "_CB_T_DIAL_5": fmt.Sprint(Start + int(callback.KeyTDial5)),
	}, data)
	require.EqualValues(t, 3, b.counts(t).CustomData, "an absent KVP has no row")

	for _, bad := range []infomart.EventData{{Store: "some"}, {Store: "conf", Keys: []string{"_CB_NO_SUCH"}}} {
		_, err = b.db.Open(t.Context(), bad, now)
		require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	}
	rows := b.db.Rows(t, "SELECT * FROM G_CUSTOM_DATA_S WHERE KeyName = '_CB_DISPOSITION'")
	require.Len(t, rows, 1)
	require.EqualValues(t, 101, rows[0]["TENANTID"])
	require.EqualValues(t, Start+700, rows[0]["ADDED_TS"])
	fact := b.latest(t, "s2")
	require.Equal(t, fact["PRODUCER_BATCH_ID"], rows[0]["GSYS_SEQ"])
}

func testAuditLog(t *testing.T, b *bundle) {
	late := Minimal("s3", 1)
	late.KVPs.SetInt(callback.KeyTServiceStart, Start+9000, -1)
	noKey := Minimal("s4", 1)
	noKey.KVPs[callback.KeyNCallbackOffered].Set = false
	b.apply(t, Batch(nil, UserEvent("s1", 1, false), late, noKey))
	fact := b.latest(t, "s1")
	rows := b.db.Rows(t, fmt.Sprintf("SELECT * FROM CTL_AUDIT_LOG WHERE AUDIT_KEY = %d", fact["CREATE_AUDIT_KEY"]))
	require.Len(t, rows, 1)
	require.Equal(t, fact["CREATE_AUDIT_KEY"], fact["DS_AUDIT_KEY"])
	for column, want := range map[string]any{
		"JOB_ID": infomart.JobFacts, "CREATED_TS": now().Unix(), "PROCESSING_STATUS": int64(infomart.StatusCommitted),
		"FACT_COUNT": int64(2), "DISCARD_COUNT": int64(1), "CONSUMER_GROUP": Key.Group, "TOPIC": Key.Topic, "PARTITION_ID": int64(0), "NEXT_OFFSET": int64(3),
		"MIN_START_DATE_TIME_KEY": fact["START_DATE_TIME_KEY"], "MAX_START_DATE_TIME_KEY": fact["START_DATE_TIME_KEY"].(int64) + 9000,
	} {
		require.Equal(t, want, rows[0][column], column)
	}
	rows = b.db.Rows(t, "SELECT DISTINCT a.JOB_ID FROM CALLBACK_DIM_1 d JOIN CTL_AUDIT_LOG a ON a.AUDIT_KEY = d.CREATE_AUDIT_KEY")
	require.Equal(t, []infomart.Row{{"JOB_ID": infomart.JobDimensions}}, rows)
}

// testNewerStore: a store that a newer release has migrated is not touched.
func testNewerStore(t *testing.T, b *bundle) {
	require.NoError(t, b.db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)"))
	_, err := b.db.Open(t.Context(), infomart.EventData{}, now)
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	require.ErrorContains(t, err, "version 999")
}

func testReopen(t *testing.T, b *bundle) {
	_, position := b.apply(t, Batch(nil, UserEvent("s1", 1, false)))
	again := b.open(t, infomart.EventData{})
	found, ok, err := again.Position(t.Context(), Key)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, *position, found)
	_, err = again.Apply(t.Context(), Batch(position, UserEvent("s1", 2, true)), nil)
	require.NoError(t, err)
	counts := b.counts(t)
	require.EqualValues(t, 2, counts.Facts)
	require.EqualValues(t, 1, counts.Tables["CALLBACK_DIM_1"], "a key that another store made is found")
}

func testLargeBatch(t *testing.T, b *bundle) {
	b.Store = b.open(t, oneKey)
	var events []*callback.UserEvent
	for i := range 1500 {
		events = append(events, UserEvent(fmt.Sprintf("s%d", i/2), int32(1+i%2), i%2 == 1))
	}
	result, _ := b.apply(t, Batch(nil, events...))
	require.Equal(t, 1500, result.Applied)
	counts := b.counts(t)
	require.EqualValues(t, 750, counts.Services)
	require.EqualValues(t, 750, counts.Finals)
	require.EqualValues(t, 1500, counts.CustomData)

	tooLarge := infomart.Batch{PositionKey: infomart.PositionKey{Group: "g"}, Inputs: make([]infomart.Input, infomart.MaxInputs+1)}
	_, err := b.Apply(t.Context(), tooLarge, nil)
	require.Error(t, err)
	require.False(t, errors.Is(err, infomart.ErrPositionMoved))
}
