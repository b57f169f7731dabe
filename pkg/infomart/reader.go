package infomart

import (
	"context"
	"iter"
)

// Counts are the numbers of rows in the store.
type Counts struct {
	Facts      int64 // rows of CALLBACK_FACT
	Services   int64 // services that have one
	Finals     int64 // rows with FINAL_RECORD 1, at most one a service
	CustomData int64 // rows of G_CUSTOM_DATA_S
	Discards   int64 // rows of STG_TRANSFORM_DISCARDS
	// Tables has the number of rows of every table, by its name in capitals.
	Tables map[string]int64
}

// Row is a row by the name of its columns in capitals. A value is an int64, a string or nil.
type Row map[string]any

// Reader reads a store. It writes nothing.
type Reader interface {
	// Counts counts; it reads every table once.
	Counts(ctx context.Context) (Counts, error)
	// Latest returns a service's row of CALLBACK_LATEST, false without one.
	Latest(ctx context.Context, serviceID string) (Row, bool, error)
	// AllLatest returns CALLBACK_LATEST in the order of SERVICE_ID (bytewise); the
	// first error ends it.
	AllLatest(ctx context.Context) iter.Seq2[Row, error]
	// Facts returns a service's rows of CALLBACK_FACT in the order of EVENT_SEQUENCE.
	Facts(ctx context.Context, serviceID string) ([]Row, error)
	// CustomData returns what G_CUSTOM_DATA_S holds of one UserEvent, by KVP name.
	CustomData(ctx context.Context, serviceID string, sequence int32) (map[string]string, error)
	// AllCustomData returns what G_CUSTOM_DATA_S holds, UserEvent by UserEvent, those
	// that make no fact among them: ICON keeps custom data all the same.
	AllCustomData(ctx context.Context) iter.Seq2[CustomData, error]
	// AllFacts returns SERVICE_ID, EVENT_SEQUENCE, FINAL_RECORD and PRODUCER_BATCH_ID of
	// CALLBACK_FACT in the order of the first two.
	AllFacts(ctx context.Context) iter.Seq2[Row, error]
	// Discards returns STG_TRANSFORM_DISCARDS in the order of topic, partition, offset.
	Discards(ctx context.Context) iter.Seq2[Row, error]
	// Unsent are the UserEvents that T-Server was rightly not given, by SERVICE_ID and EVENT_SEQUENCE: too old, reporting
	// disabled for their callback service, or refused as bad data.
	Unsent(ctx context.Context) iter.Seq2[Row, error]
	// Check looks for what must not be.
	Check(ctx context.Context) (Check, error)
}

// CustomData is what G_CUSTOM_DATA_S holds of one UserEvent.
type CustomData struct {
	Source int64 // PRODUCER_BATCH_ID of its fact or discard
	Values map[string]string
}

// Check is what a sound store has none of, but for FactsWithoutCustomData where
// custom data is not stored.
type Check struct {
	FactsWithoutCustomData int64 // rows of CALLBACK_FACT of which G_CUSTOM_DATA_S has no row
	ServicesWithTwoFinals  int64 // services with more than one FINAL_RECORD 1
	FinalsNotLatest        int64 // rows with FINAL_RECORD 1 that have a newer one
	DanglingKeys           int64 // keys of dimension rows that are not there
}

// Tables lists the tables of the store, dimensions first.
func Tables() []string {
	return []string{
		"CALLBACK_DIM_1", "CALLBACK_DIM_2", "CALLBACK_DIM_3", "CALLBACK_DIM_4", "CALLBACK_DIAL_RESULTS",
		"RESOURCE_", "TENANT", "DATE_TIME", "CTL_AUDIT_LOG", "CALLBACK_FACT", "STG_TRANSFORM_DISCARDS",
		"G_CUSTOM_DATA_S", "RINGBACK_POSITION", "RINGBACK_TSERVER_LEDGER",
	}
}
