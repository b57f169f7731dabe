package postgres

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/query"
)

var _ infomart.Reader = (*Reader)(nil)

// Reader reads a store; it can write nothing. It may be used concurrently.
type Reader struct {
	*query.Reader
	db *sql.DB
}

// readers bounds the connections of a Reader.
const readers = 4

// OpenReader opens an existing store for reading. It neither makes nor migrates it.
func OpenReader(ctx context.Context, cfg Config) (*Reader, error) {
	cfg = cfg.withDefaults()
	config, err := cfg.pool(map[string]string{"default_transaction_read_only": "on"})
	if err != nil {
		return nil, err
	}
	db := stdlib.OpenDB(*config.ConnConfig)
	db.SetMaxOpenConns(readers)
	db.SetConnMaxIdleTime(time.Minute) // a sink reads once, when it starts
	if _, err := db.ExecContext(ctx, "SELECT 1 FROM CALLBACK_LATEST WHERE SERVICE_ID = ''"); err != nil {
		return nil, errors.Join(classify(ctx, "look for the store", err), db.Close())
	}
	dialect := query.Dialect{
		Parameter: func(n int) string { return "$" + strconv.Itoa(n) },
		Classify:  func(ctx context.Context, doing string, err error) error { return classify(ctx, doing, err) },
	}
	return &Reader{Reader: query.New(db, dialect), db: db}, nil
}

// Close closes the reader.
func (r *Reader) Close() error { return r.db.Close() }
