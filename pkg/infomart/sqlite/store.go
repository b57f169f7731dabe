package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/pressly/goose/v3"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/tracing"
)

//go:embed migrations/*.sql
var migrations embed.FS

var (
	_ infomart.Store  = (*Store)(nil)
	_ infomart.Ledger = (*Store)(nil)
)

// Store is the store and the ledger, and reads what they hold. It may be used concurrently;
// writes take turns.
type Store struct {
	*Reader
	cfg  Config
	keep []callback.KVP // what goes to G_CUSTOM_DATA_S
	keys *infomart.KeyCache

	write *sql.DB

	mu      sync.Mutex // held from the begin to the end of a transaction
	session *session
	conn    *sql.Conn
	customs map[kvpSet]string // insertCustom by the KVPs that a UserEvent has
}

// cachedKeys bounds the dimension rows that are remembered; about 200 bytes each.
const cachedKeys = 1 << 16

// Open opens the store, makes the file where it is absent, and migrates it. A store
// that a newer release has migrated is a misconfiguration.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	cfg = cfg.withDefaults()
	if cfg.Path == "" {
		return nil, fault.Misconfigf("sqlite: no path of a database file")
	}
	keep, err := cfg.EventData.Select()
	if err != nil {
		return nil, err
	}
	// A larger write-ahead log checkpoints a page once that would have been written often.
	source, err := cfg.source("journal_mode(WAL)", "synchronous(NORMAL)", "wal_autocheckpoint(4000)", "temp_store(MEMORY)")
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	db, err := sql.Open("sqlite", source)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	db.SetMaxOpenConns(1)
	s := &Store{cfg: cfg, keep: keep, keys: infomart.NewKeyCache(cachedKeys), customs: make(map[kvpSet]string), write: db}
	if err := migrate(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if s.Reader, err = OpenReader(ctx, cfg); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// migrate brings the database to the newest version that the program knows.
func migrate(ctx context.Context, db *sql.DB) error {
	provider, err := newProvider(db)
	if err != nil {
		return err
	}
	// Two processes may open a new file at once. Each migration is one transaction, so
	// the loser fails whole, and finds it done when it looks again.
	for attempt := 0; ; attempt++ {
		if err = refuseNewer(ctx, provider); err == nil {
			_, err = provider.Up(ctx)
		}
		if err == nil || fault.ClassOf(err) == fault.Misconfiguration || attempt == 2 || ctx.Err() != nil {
			break
		}
	}
	if err != nil && fault.ClassOf(err) == fault.Bug {
		return classify("migrate", err)
	}
	return err
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return nil, fmt.Errorf("sqlite: migrations: %w", err)
	}
	return provider, nil
}

func refuseNewer(ctx context.Context, provider *goose.Provider) error {
	have, newest, err := provider.GetVersions(ctx)
	if err != nil {
		return classify("read the store's version", err)
	}
	if have > newest {
		return fault.Misconfigf("sqlite: the store has version %d, this program knows up to %d: a newer release has migrated it", have, newest)
	}
	return nil
}

// Close closes the store. It waits for a write that is under way.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.drop(), s.Reader.Close(), s.write.Close())
}

// errDone rolls a transaction back that is not to be committed, without being an error.
var errDone = errors.New("sqlite: nothing to commit")

// transaction runs f in one transaction, which it commits where f returns nil.
func (s *Store) transaction(ctx context.Context, doing string, f func(*session) error) (err error) {
	ctx, span := tracing.Start(ctx, doing, trace.SpanKindClient, attribute.String("db.system.name", "sqlite"))
	defer func() { span.End(err) }()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("sqlite: %s: %w", doing, err)
	}
	if s.conn == nil {
		conn, err := s.write.Conn(ctx)
		if err != nil {
			return classify("connect", err)
		}
		s.conn, s.session = conn, newSession()
	}
	clean := false
	err = s.conn.Raw(func(dc any) error {
		conn, ok := dc.(driver.ConnPrepareContext)
		if !ok {
			return fmt.Errorf("the driver's connection %T does not prepare", dc)
		}
		s.session.conn = conn
		var err error
		clean, err = s.session.transaction(f)
		return err
	})
	if err != nil && !clean {
		// SQLite may have rolled back by itself, as on a full disk. A new connection is clean.
		err = errors.Join(err, s.drop())
	}
	if errors.Is(err, errDone) {
		return nil
	}
	return classify(doing, err)
}

// drop gives the writing connection up; the next write makes a new one.
func (s *Store) drop() error {
	if s.conn == nil {
		return nil
	}
	err := errors.Join(s.session.close(), s.conn.Close())
	s.conn, s.session = nil, nil
	return err
}
