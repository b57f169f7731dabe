package infomart

import (
	"context"
	"errors"
	"time"

	"github.com/ringback/ringback/pkg/callback"
)

// ErrPositionMoved says that the stored position is not the expected one: another
// owner of the partition has moved it, and this one must stop (invariant 5).
var ErrPositionMoved = errors.New("infomart: the stored position is not the expected one")

// PositionKey names a stored position.
type PositionKey struct {
	Group     string
	Topic     string
	Partition int32
}

// Position is where a consumer stands in a partition.
type Position struct {
	Next       int64     // next offset to fetch, past transaction markers
	LastOffset int64     // offset of the last record applied; -1 without one
	LastID     string    // its CloudEvents id; may be empty
	LastTime   time.Time // its timestamp, to the millisecond
}

// Input is one UserEvent and where it came from.
type Input struct {
	Event   *callback.UserEvent
	AddedTS int64 // epoch second of arrival of the record that made it due: the Kafka record's timestamp
	Offset  int64

	mapped *mapped // what Prepare made of it
}

// Rejection is an input that makes no fact, with the reason.
type Rejection struct {
	Offset    int64
	Reason    callback.Reason
	Detail    string
	Missing   []string // names of the missing mandatory KVPs
	ServiceID string   // empty where unknown
	Sequence  int32    // 0 where unknown
}

// Batch is the records of one partition that are applied in one transaction.
type Batch struct {
	PositionKey
	Expected *Position // the stored position; nil: there is none yet
	To       Position
	Inputs   []Input // in offset order
	// SetAside are records that the caller has rejected already (they could not be
	// decoded); they get their row in STG_TRANSFORM_DISCARDS.
	SetAside []Rejection
}

// Result says how the inputs of a batch ended; each is counted once (invariant 2).
type Result struct {
	Applied        int
	AlreadyApplied int
	Rejected       []Rejection // missing KVPs, conflicts, values the database refuses; not those of SetAside
}

// Store is an Info Mart-shaped store. Errors have a class (package fault): an
// outage or a misconfiguration; data that the database refuses is a Rejection.
type Store interface {
	// Position returns the stored position, false without one.
	Position(ctx context.Context, key PositionKey) (Position, bool, error)
	// Apply writes facts, dimensions, custom data, discards and the position in one
	// transaction (invariant 5). Before it commits it calls beforeCommit with what it
	// rejected, so that the dead letters are durable before the position moves
	// (invariant 4); an error from it rolls back. ErrPositionMoved where the stored
	// position is not the expected one. After an outage the outcome is unknown, as the
	// connection may have broken in the commit: read Position before repeating the batch.
	Apply(ctx context.Context, b Batch, beforeCommit func(context.Context, []Rejection) error) (Result, error)
}

// SendState is the state of a UserEvent (or attached data) in the T-Server ledger.
type SendState string

// The states of the ledger. Every one but StateSending ends the matter.
const (
	StateSending    SendState = "SENDING"     // about to be sent, or sent without an answer
	StateAcked      SendState = "ACKED"       // acknowledged by EventACK
	StateSkippedOld SendState = "SKIPPED_OLD" // the session's last event is older than TSERVER_MAX_AGE
	StateDisabled   SendState = "DISABLED"    // reporting is off for its callback service
	StateCallGone   SendState = "CALL_GONE"   // the call to attach to has ended
	StateRefused    SendState = "REFUSED"     // an EventError that is listed as a data error; dead-lettered
)

// LedgerEntry is one line of the T-Server ledger.
type LedgerEntry struct {
	ID          string // id of the UserEvent or of the attached data
	ServiceID   string
	Sequence    int32 // EVENT_SEQUENCE; 0 for attached data
	State       SendState
	Attempts    int   // sends so far, by which a duplicate send is explained
	ReferenceID int64 // of the last send; 0 before
	ErrorCode   int64 // of an EventError; 0 without one
}

// Ledger records what was sent to T-Server (invariant 8). It shares the store's database.
type Ledger interface {
	Position(ctx context.Context, key PositionKey) (Position, bool, error)
	// Entries returns the ledger's lines for these ids; an id it does not know is absent from the map.
	Entries(ctx context.Context, ids []string) (map[string]LedgerEntry, error)
	// Sending writes the entries as SENDING, counting an attempt each, before they are
	// sent. ErrPositionMoved where one of them has ended since it was read: another owner is at work.
	Sending(ctx context.Context, entries []LedgerEntry) error
	// Settle writes the entries' outcome and moves the position, in one transaction.
	// ErrPositionMoved as in Store.
	Settle(ctx context.Context, key PositionKey, expected *Position, to Position, entries []LedgerEntry) error
}
