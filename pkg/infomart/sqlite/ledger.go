package sqlite

import (
	"context"
	"fmt"

	"github.com/ringback/ringback/pkg/infomart"
)

const selectLedger = `SELECT SERVICE_ID, EVENT_SEQUENCE, STATE, ATTEMPTS, REFERENCE_ID, ERROR_CODE
	FROM RINGBACK_TSERVER_LEDGER WHERE ID = ?`

// Entries implements [infomart.Ledger].
func (s *Store) Entries(ctx context.Context, ids []string) (map[string]infomart.LedgerEntry, error) {
	entries := make(map[string]infomart.LedgerEntry)
	err := s.transaction(ctx, "read the ledger", func(db *session) error {
		for _, id := range ids {
			row, err := db.row(selectLedger, infomart.LedgerKey(id))
			if err != nil {
				return err
			}
			if row != nil {
				entries[id] = infomart.LedgerEntry{
					ID: id, ServiceID: infomart.DecodeID(row[0].(string)), Sequence: int32(row[1].(int64)), State: infomart.SendState(row[2].(string)),
					Attempts: int(row[3].(int64)), ReferenceID: row[4].(int64), ErrorCode: row[5].(int64),
				}
			}
		}
		return errDone
	})
	return entries, err
}

// The WHERE of both keeps what has ended as it ended (invariant 8).
const (
	upsertSending = `INSERT INTO RINGBACK_TSERVER_LEDGER
	(ID, SERVICE_ID, EVENT_SEQUENCE, STATE, ATTEMPTS, REFERENCE_ID, ERROR_CODE, CREATED_TS, UPDATED_TS)
	VALUES (?1, ?2, ?3, 'SENDING', 1, ?4, 0, ?5, ?5)
	ON CONFLICT (ID) DO UPDATE SET ATTEMPTS = ATTEMPTS + 1, REFERENCE_ID = excluded.REFERENCE_ID, ERROR_CODE = 0, UPDATED_TS = excluded.UPDATED_TS
	WHERE STATE = 'SENDING'`
	upsertSettled = `INSERT INTO RINGBACK_TSERVER_LEDGER
	(ID, SERVICE_ID, EVENT_SEQUENCE, STATE, ATTEMPTS, REFERENCE_ID, ERROR_CODE, CREATED_TS, UPDATED_TS)
	VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)
	ON CONFLICT (ID) DO UPDATE SET STATE = excluded.STATE, ERROR_CODE = excluded.ERROR_CODE, UPDATED_TS = excluded.UPDATED_TS,
		REFERENCE_ID = CASE WHEN excluded.REFERENCE_ID = 0 THEN REFERENCE_ID ELSE excluded.REFERENCE_ID END
	WHERE STATE = 'SENDING'`
)

// Sending implements [infomart.Ledger].
func (s *Store) Sending(ctx context.Context, entries []infomart.LedgerEntry) error {
	now := s.cfg.Now().Unix()
	return s.transaction(ctx, "write the ledger", func(db *session) error {
		for _, e := range entries {
			n, err := db.exec(upsertSending, infomart.LedgerKey(e.ID), infomart.EncodeID(e.ServiceID), int64(e.Sequence), e.ReferenceID, now)
			if err != nil {
				return err
			}
			if n == 0 {
				return fmt.Errorf("a ledger entry has ended since it was read: %w", infomart.ErrPositionMoved)
			}
		}
		return nil
	})
}

// Settle implements [infomart.Ledger].
func (s *Store) Settle(ctx context.Context, key infomart.PositionKey, expected *infomart.Position, to infomart.Position, entries []infomart.LedgerEntry) error {
	now := s.cfg.Now().Unix()
	return s.transaction(ctx, "settle the ledger", func(db *session) error {
		if err := movePosition(db, key, expected, to); err != nil {
			return err
		}
		for _, e := range entries {
			_, err := db.exec(upsertSettled, infomart.LedgerKey(e.ID), infomart.EncodeID(e.ServiceID), int64(e.Sequence),
				string(e.State), int64(e.Attempts), e.ReferenceID, e.ErrorCode, now)
			if err != nil {
				return err
			}
		}
		return nil
	})
}
