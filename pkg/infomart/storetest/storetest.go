// Package storetest is the suite that every Info Mart-shaped store passes, and the
// UserEvents that its tests and benchmarks write.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/infomart"
)

// Store is what an adapter gives.
type Store interface {
	infomart.Store
	infomart.Ledger
	infomart.Reader
	Close() error
}

// Database is an empty database of an adapter.
type Database interface {
	// Open opens a store on the database. Several may be open at a time.
	Open(ctx context.Context, keep infomart.EventData, now func() time.Time) (Store, error)
	// Refuse makes the database refuse each CALLBACK_FACT row of that service as data.
	Refuse(t testing.TB, serviceID string)
	// Exec runs a statement on the side.
	Exec(statement string) error
	// Rows runs a query on the side.
	Rows(t testing.TB, statement string) []infomart.Row
}

// Run runs the suite. newDatabase makes an empty database that lasts as long as t.
func Run(t *testing.T, newDatabase func(t *testing.T) Database) {
	for name, test := range map[string]func(*testing.T, *bundle){
		"StartThenFinal":        testStartThenFinal,
		"Columns":               testColumns,
		"Defaults":              testDefaults,
		"Golden":                testGolden,
		"Redelivery":            testRedelivery,
		"Rewind":                testRewind,
		"PositionMoved":         testPositionMoved,
		"PositionRoundTrip":     testPositionRoundTrip,
		"RollBack":              testRollBack,
		"Cancelled":             testCancelled,
		"OutOfOrder":            testOutOfOrder,
		"OutOfOrderInOneBatch":  testOutOfOrderInOneBatch,
		"NotFinalAnyMore":       testNotFinalAnyMore,
		"Conflict":              testConflict,
		"ConflictInOneBatch":    testConflictInOneBatch,
		"MissingKVP":            testMissingKVP,
		"InvalidFields":         testInvalidFields,
		"LongestTexts":          testLongestTexts,
		"BadRowAmong500":        testBadRowAmong500,
		"RaceForPosition":       testRaceForPosition,
		"RaceForDimensions":     testRaceForDimensions,
		"Dimensions":            testDimensions,
		"Resources":             testResources,
		"ResourceType":          testResourceType,
		"ResourceRace":          testResourceRace,
		"DateTime":              testDateTime,
		"SetAside":              testSetAside,
		"EventData":             testEventData,
		"AuditLog":              testAuditLog,
		"NewerStore":            testNewerStore,
		"Reopen":                testReopen,
		"Model":                 testModel,
		"Ledger":                testLedger,
		"LedgerSettled":         testLedgerSettled,
		"LedgerPosition":        testLedgerPosition,
		"LedgerHostileIDs":      testLedgerHostileIDs,
		"ManyPartitionsAtOnce":  testManyPartitionsAtOnce,
		"LargeBatchAndTooLarge": testLargeBatch,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := newDatabase(t)
			b := &bundle{db: db}
			b.Store = b.open(t, infomart.EventData{})
			test(t, b)
			check, err := b.Check(context.Background())
			require.NoError(t, err)
			check.FactsWithoutCustomData = 0 // some tests keep none
			require.Zero(t, check, "a store that is sound")
		})
	}
}

// bundle is a database with one store open.
type bundle struct {
	Store
	db Database
}

// oneKey keeps the volume of G_CUSTOM_DATA_S down where a test is about many facts.
var oneKey = infomart.EventData{Store: "conf", Keys: []string{"_CB_SERVICE_ID"}}

// now is the clock of the stores under test.
func now() time.Time { return at(Start + 1000) }

func at(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

func (b *bundle) open(t *testing.T, keep infomart.EventData) Store {
	t.Helper()
	s, err := b.db.Open(context.Background(), keep, now)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// apply applies a batch and returns the position after it.
func (b *bundle) apply(t *testing.T, batch infomart.Batch) (infomart.Result, *infomart.Position) {
	t.Helper()
	var told []infomart.Rejection
	calls := 0
	result, err := b.Apply(t.Context(), batch, func(_ context.Context, rejected []infomart.Rejection) error {
		calls++
		told = rejected
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 1, calls, "beforeCommit is called once")
	require.Equal(t, result.Rejected, told)
	// Invariant 2: each input ends one way.
	require.Equal(t, len(batch.Inputs), result.Applied+result.AlreadyApplied+len(result.Rejected))
	position, found, err := b.Position(t.Context(), batch.PositionKey)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, batch.To, position)
	return result, &position
}

func (b *bundle) counts(t *testing.T) infomart.Counts {
	t.Helper()
	c, err := b.Counts(t.Context())
	require.NoError(t, err)
	return c
}

// finals are the values of FINAL_RECORD of a service by EVENT_SEQUENCE.
func (b *bundle) finals(t *testing.T, serviceID string) map[int64]int64 {
	t.Helper()
	rows, err := b.Facts(t.Context(), serviceID)
	require.NoError(t, err)
	finals := make(map[int64]int64)
	for _, row := range rows {
		finals[row["EVENT_SEQUENCE"].(int64)] = row["FINAL_RECORD"].(int64)
	}
	return finals
}

func (b *bundle) latest(t *testing.T, serviceID string) infomart.Row {
	t.Helper()
	row, found, err := b.Latest(t.Context(), serviceID)
	require.NoError(t, err)
	require.True(t, found)
	return row
}
