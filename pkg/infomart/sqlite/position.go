package sqlite

import (
	"context"
	"time"

	"github.com/ringback/ringback/pkg/infomart"
)

const selectPosition = `SELECT NEXT_OFFSET, LAST_OFFSET, LAST_ID, LAST_TIME_MS FROM RINGBACK_POSITION
	WHERE CONSUMER_GROUP = ? AND TOPIC = ? AND PARTITION_ID = ?`

// Position implements [infomart.Store] and [infomart.Ledger].
func (s *Store) Position(ctx context.Context, key infomart.PositionKey) (infomart.Position, bool, error) {
	var p infomart.Position
	found := false
	err := s.transaction(ctx, "read the position", func(db *session) error {
		row, err := db.row(selectPosition, key.Group, key.Topic, int64(key.Partition))
		if err != nil {
			return err
		}
		if row != nil {
			found = true
			p = infomart.Position{
				Next: row[0].(int64), LastOffset: row[1].(int64),
				LastID: infomart.DecodeID(row[2].(string)), LastTime: time.UnixMilli(row[3].(int64)).UTC(),
			}
		}
		return errDone
	})
	return p, found, err
}

const insertPosition = `INSERT INTO RINGBACK_POSITION
	(NEXT_OFFSET, LAST_OFFSET, LAST_ID, LAST_TIME_MS, CONSUMER_GROUP, TOPIC, PARTITION_ID)
	VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`

const updatePosition = `UPDATE RINGBACK_POSITION SET NEXT_OFFSET = ?, LAST_OFFSET = ?, LAST_ID = ?, LAST_TIME_MS = ?
	WHERE CONSUMER_GROUP = ? AND TOPIC = ? AND PARTITION_ID = ? AND NEXT_OFFSET = ? AND LAST_OFFSET = ?`

// movePosition moves the position in the transaction that writes what it stands for
// (invariant 5). A former owner's expectation is not met: it writes nothing.
func movePosition(db *session, key infomart.PositionKey, expected *infomart.Position, to infomart.Position) error {
	args := []any{to.Next, to.LastOffset, infomart.EncodeID(to.LastID), to.LastTime.UnixMilli(), key.Group, key.Topic, int64(key.Partition)}
	query := insertPosition
	if expected != nil {
		query = updatePosition
		args = append(args, expected.Next, expected.LastOffset)
	}
	moved, err := db.exec(query, args...)
	if err != nil {
		return err
	}
	if moved == 0 {
		return infomart.ErrPositionMoved
	}
	return nil
}
