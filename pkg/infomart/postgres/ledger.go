package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/ringback/ringback/pkg/infomart"
)

// Entries implements [infomart.Ledger].
func (s *Store) Entries(ctx context.Context, ids []string) (map[string]infomart.LedgerEntry, error) {
	byKey := make(map[string]string, len(ids))
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = infomart.LedgerKey(id)
		byKey[keys[i]] = id
	}
	entries := make(map[string]infomart.LedgerEntry, len(ids))
	bounded, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	rows, err := s.pool.Query(bounded, `SELECT ID, SERVICE_ID, EVENT_SEQUENCE, STATE, ATTEMPTS, REFERENCE_ID, ERROR_CODE
		FROM RINGBACK_TSERVER_LEDGER WHERE ID = ANY ($1)`, keys)
	if err != nil {
		return nil, classify(ctx, "read the ledger", err)
	}
	var e infomart.LedgerEntry
	_, err = pgx.ForEachRow(rows, []any{&e.ID, &e.ServiceID, &e.Sequence, &e.State, &e.Attempts, &e.ReferenceID, &e.ErrorCode}, func() error {
		e.ID, e.ServiceID = byKey[e.ID], infomart.DecodeID(e.ServiceID)
		entries[e.ID] = e
		return nil
	})
	return entries, classify(ctx, "read the ledger", err)
}

// columns are entries as arrays, ordered by key so that two writers lock rows in the
// same order, and each key once: the last of equal ones counts.
type columns struct {
	keys, services, states []string
	sequences, attempts    []int32
	references, codes      []int64
}

func transpose(entries []infomart.LedgerEntry) columns {
	last := make(map[string]*infomart.LedgerEntry, len(entries))
	for i := range entries {
		last[infomart.LedgerKey(entries[i].ID)] = &entries[i]
	}
	var c columns
	for key := range last {
		c.keys = append(c.keys, key)
	}
	slices.SortFunc(c.keys, strings.Compare)
	for _, key := range c.keys {
		e := last[key]
		c.services = append(c.services, infomart.EncodeID(e.ServiceID))
		c.states = append(c.states, string(e.State))
		c.sequences = append(c.sequences, e.Sequence)
		c.attempts = append(c.attempts, int32(e.Attempts))
		c.references = append(c.references, e.ReferenceID)
		c.codes = append(c.codes, e.ErrorCode)
	}
	return c
}

// The WHERE of both keeps what has ended as it ended (invariant 8).
const (
	upsertSending = `INSERT INTO RINGBACK_TSERVER_LEDGER AS l
	(ID, SERVICE_ID, EVENT_SEQUENCE, STATE, ATTEMPTS, REFERENCE_ID, ERROR_CODE, CREATED_TS, UPDATED_TS)
	SELECT n.id, n.service, n.sequence, 'SENDING', 1, n.reference, 0, $5, $5
	FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[]) AS n (id, service, sequence, reference)
	ON CONFLICT (ID) DO UPDATE SET ATTEMPTS = l.ATTEMPTS + 1, REFERENCE_ID = excluded.REFERENCE_ID, ERROR_CODE = 0, UPDATED_TS = excluded.UPDATED_TS
	WHERE l.STATE = 'SENDING'`
	upsertSettled = `INSERT INTO RINGBACK_TSERVER_LEDGER AS l
	(ID, SERVICE_ID, EVENT_SEQUENCE, STATE, ATTEMPTS, REFERENCE_ID, ERROR_CODE, CREATED_TS, UPDATED_TS)
	SELECT n.id, n.service, n.sequence, n.state, n.attempts, n.reference, n.code, $8, $8
	FROM unnest($1::text[], $2::text[], $3::integer[], $4::text[], $5::integer[], $6::bigint[], $7::bigint[])
		AS n (id, service, sequence, state, attempts, reference, code)
	ON CONFLICT (ID) DO UPDATE SET STATE = excluded.STATE, ERROR_CODE = excluded.ERROR_CODE, UPDATED_TS = excluded.UPDATED_TS,
		REFERENCE_ID = CASE WHEN excluded.REFERENCE_ID = 0 THEN l.REFERENCE_ID ELSE excluded.REFERENCE_ID END
	WHERE l.STATE = 'SENDING'`
)

// Sending implements [infomart.Ledger].
func (s *Store) Sending(ctx context.Context, entries []infomart.LedgerEntry) error {
	c := transpose(entries)
	return s.transaction(ctx, "write the ledger", func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, upsertSending, c.keys, c.services, c.sequences, c.references, s.cfg.Now().Unix())
		if err != nil {
			return err
		}
		if tag.RowsAffected() != int64(len(c.keys)) {
			return fmt.Errorf("a ledger entry has ended since it was read: %w", infomart.ErrPositionMoved)
		}
		return nil
	})
}

// Settle implements [infomart.Ledger].
func (s *Store) Settle(ctx context.Context, key infomart.PositionKey, expected *infomart.Position, to infomart.Position, entries []infomart.LedgerEntry) error {
	c := transpose(entries)
	return s.transaction(ctx, "settle the ledger", func(ctx context.Context, tx pgx.Tx) error {
		if err := movePosition(ctx, tx, key, expected, to); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, upsertSettled, c.keys, c.services, c.sequences, c.states, c.attempts, c.references, c.codes, s.cfg.Now().Unix())
		return err
	})
}
