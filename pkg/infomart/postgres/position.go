package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ringback/ringback/pkg/infomart"
)

// Position implements [infomart.Store] and [infomart.Ledger].
func (s *Store) Position(ctx context.Context, key infomart.PositionKey) (infomart.Position, bool, error) {
	var p infomart.Position
	var id string
	var ms int64
	bounded, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	err := s.pool.QueryRow(bounded, `SELECT NEXT_OFFSET, LAST_OFFSET, LAST_ID, LAST_TIME_MS FROM RINGBACK_POSITION
		WHERE CONSUMER_GROUP = $1 AND TOPIC = $2 AND PARTITION_ID = $3`, key.Group, key.Topic, key.Partition).Scan(&p.Next, &p.LastOffset, &id, &ms)
	if errors.Is(err, pgx.ErrNoRows) {
		return infomart.Position{}, false, nil
	}
	if err != nil {
		return infomart.Position{}, false, classify(ctx, "read the position", err)
	}
	p.LastID, p.LastTime = infomart.DecodeID(id), time.UnixMilli(ms).UTC()
	return p, true, nil
}

const insertPosition = `INSERT INTO RINGBACK_POSITION
	(NEXT_OFFSET, LAST_OFFSET, LAST_ID, LAST_TIME_MS, CONSUMER_GROUP, TOPIC, PARTITION_ID)
	VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`

const updatePosition = `UPDATE RINGBACK_POSITION SET NEXT_OFFSET = $1, LAST_OFFSET = $2, LAST_ID = $3, LAST_TIME_MS = $4
	WHERE CONSUMER_GROUP = $5 AND TOPIC = $6 AND PARTITION_ID = $7 AND NEXT_OFFSET = $8 AND LAST_OFFSET = $9`

// movePosition moves the position in the transaction that writes what it stands for
// (invariant 5). A former owner's expectation is not met: it writes nothing.
func movePosition(ctx context.Context, tx pgx.Tx, key infomart.PositionKey, expected *infomart.Position, to infomart.Position) error {
	query, args := positionMove(key, expected, to)
	return moved(tx.Exec(ctx, query, args...))
}

// positionMove is the statement that moves the position where it is the expected one.
func positionMove(key infomart.PositionKey, expected *infomart.Position, to infomart.Position) (query string, args []any) {
	args = []any{to.Next, to.LastOffset, infomart.EncodeID(to.LastID), to.LastTime.UnixMilli(), key.Group, key.Topic, key.Partition}
	if expected == nil {
		return insertPosition, args
	}
	return updatePosition, append(args, expected.Next, expected.LastOffset)
}

// moved tells whether that statement has moved it.
func moved(tag pgconn.CommandTag, err error) error {
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 0 {
		return infomart.ErrPositionMoved
	}
	return nil
}
