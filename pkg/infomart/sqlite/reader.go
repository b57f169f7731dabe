package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/query"
)

var _ infomart.Reader = (*Reader)(nil)

// Reader reads a store; it can write nothing. It may be used concurrently, also beside
// a Store of the same file.
type Reader struct {
	*query.Reader
	db *sql.DB
}

// readers bounds the connections of a Reader.
const readers = 4

// OpenReader opens an existing store for reading. It neither makes nor migrates it.
func OpenReader(ctx context.Context, cfg Config) (*Reader, error) {
	cfg = cfg.withDefaults()
	if _, err := os.Stat(cfg.Path); errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Misconfigf("sqlite: there is no store at %q", cfg.Path)
	}
	source, err := cfg.source("query_only(1)")
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	db, err := sql.Open("sqlite", source)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	db.SetMaxOpenConns(readers)
	if _, err := db.ExecContext(ctx, "SELECT 1 FROM CALLBACK_LATEST WHERE SERVICE_ID = ''"); err != nil {
		return nil, errors.Join(classify(fmt.Sprintf("%q is no store of this version", cfg.Path), err), db.Close())
	}
	dialect := query.Dialect{Parameter: func(int) string { return "?" }, Classify: func(_ context.Context, doing string, err error) error { return classify(doing, err) }}
	return &Reader{Reader: query.New(db, dialect), db: db}, nil
}

// Close closes the reader.
func (r *Reader) Close() error { return r.db.Close() }
