package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
)

var (
	_ infomart.Store  = (*Store)(nil)
	_ infomart.Ledger = (*Store)(nil)
)

// Store is the store and the ledger, and reads what they hold. It may be used
// concurrently; each write has a connection of its own.
type Store struct {
	*Reader
	cfg  Config
	keep []callback.KVP // what goes to G_CUSTOM_DATA_S
	keys *infomart.KeyCache
	pool *pgxpool.Pool
}

// cachedKeys bounds the dimension rows that are remembered; about 200 bytes each.
const cachedKeys = 1 << 16

// Open opens the store and migrates it. A database that is away is an outage; a store
// that a newer release has migrated is a misconfiguration.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	cfg = cfg.withDefaults()
	keep, err := cfg.EventData.Select()
	if err != nil {
		return nil, err
	}
	config, err := cfg.pool(map[string]string{
		// No plan may read a table from end to end, however the statistics stand: the cost
		// of a batch must not grow with what is stored. Each join here is by a unique index.
		"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off", "jit": "off",
	})
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, config.ConnConfig.Copy(), cfg.Schema); err != nil {
		return nil, err
	}
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, makeIncoming)
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, classify(ctx, "connect", err)
	}
	s := &Store{cfg: cfg, keep: keep, keys: infomart.NewKeyCache(cachedKeys), pool: pool}
	if s.Reader, err = OpenReader(ctx, cfg); err != nil {
		pool.Close()
		return nil, err
	}
	return s, nil
}

// Close closes the store. It waits for the writes that are under way.
func (s *Store) Close() error {
	s.pool.Close()
	return s.Reader.Close()
}

// transaction runs f in one transaction, which it commits where f returns nil.
func (s *Store) transaction(ctx context.Context, doing string, f func(pgx.Tx) error) error {
	var own error // of f itself, which has its class
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		err := f(tx)
		var hook *hookError
		if errors.As(err, &hook) {
			own = hook.error
		}
		return err
	})
	if own != nil {
		return fmt.Errorf("postgres: %s: %w", doing, own)
	}
	return classify(ctx, doing, err)
}

// hookError is an error of the caller's, in a transaction of ours.
type hookError struct{ error }

// incoming is the session's temporary table by which facts come in: CALLBACK_FACT
// without what is the same for a whole batch.
var incoming = func() (columns []int) {
	for i, c := range infomart.FactColumns() {
		switch c.Name {
		case "DS_AUDIT_KEY", "CREATE_AUDIT_KEY", "UPDATE_AUDIT_KEY":
		default:
			columns = append(columns, i)
		}
	}
	return columns
}()

var (
	incomingNames = func() []string {
		names := []string{"pass"}
		for _, i := range incoming {
			names = append(names, strings.ToLower(infomart.FactColumns()[i].Name))
		}
		return names
	}()
	makeIncoming = func() string {
		types := map[infomart.ColumnType]string{infomart.Int: "integer", infomart.Text: "text", infomart.Key: "bigint"}
		lines := []string{"pass integer NOT NULL"}
		for _, i := range incoming {
			c := infomart.FactColumns()[i]
			lines = append(lines, c.Name+" "+types[c.Type])
		}
		return "CREATE TEMPORARY TABLE IF NOT EXISTS incoming_fact (" + strings.Join(lines, ", ") + ") ON COMMIT DELETE ROWS"
	}()
)
