package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/tracing"
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
	// careful is on while rows are found there already, as in a topic that is read again.
	careful atomic.Bool
}

// cachedKeys bounds the dimension rows that are remembered; about 200 bytes each.
const cachedKeys = 1 << 16

// Open opens the store and, unless it is told not to, migrates it. A database that is away is an outage; a store
// that a newer release has migrated is a misconfiguration.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	cfg = cfg.withDefaults()
	keep, err := cfg.EventData.Select()
	if err != nil {
		return nil, err
	}
	if cfg.Timeout < 0 {
		return nil, fault.Misconfigf("postgres: STORE_TIMEOUT is %s; it must not be negative", cfg.Timeout)
	}
	config, err := cfg.pool(map[string]string{
		// No plan may read a table from end to end, however the statistics stand: the cost
		// of a batch must not grow with what is stored. Each join here is by a unique index.
		"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off", "jit": "off",
		"enable_bitmapscan": "off", // for the one or two rows that such a look-up finds, twice as dear
		// What another sink has committed is seen by the next statement, whatever the server's default.
		"default_transaction_isolation": "read committed",
		// A sink that is cut off in the middle of a batch must not hold the position's lock
		// until the server's TCP gives up, in hours: the partition's next owner waits for it.
		"tcp_keepalives_idle": "15", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3",
		"idle_in_transaction_session_timeout": strconv.FormatInt(cfg.Timeout.Milliseconds(), 10),
	})
	if err != nil {
		return nil, err
	}
	if cfg.NoMigration {
		err = requireMigrated(ctx, config.ConnConfig.Copy(), cfg.Schema)
	} else {
		_, _, err = migrate(ctx, config.ConnConfig.Copy(), cfg.Schema)
	}
	if err != nil {
		return nil, err
	}
	// fmt would print secrets in a field that is not exported (invariant 10); what is kept needs none.
	kept := cfg
	kept.URL, kept.Password = "", ""
	s := &Store{cfg: kept, keep: keep, keys: infomart.NewKeyCache(cachedKeys)}
	config.AfterConnect = func(context.Context, *pgx.Conn) error {
		s.keys.Forget()
		return nil
	}
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, classify(ctx, "connect", err)
	}
	if s.Reader, err = OpenReader(ctx, cfg); err != nil {
		s.pool.Close()
		return nil, err
	}
	return s, nil
}

// Close closes the store. It waits for the writes that are under way.
func (s *Store) Close() error {
	s.pool.Close()
	return s.Reader.Close()
}

// transaction runs f in one transaction, which it commits where f returns nil. A
// database that has not done it in the configured time is taken for away.
func (s *Store) transaction(ctx context.Context, doing string, f func(context.Context, pgx.Tx) error) (err error) {
	ctx, span := tracing.Start(ctx, doing, trace.SpanKindClient, attribute.String("db.system.name", "postgresql"))
	defer func() { span.End(err) }()
	bounded, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	var own error // of f itself, which has its class
	err = pgx.BeginFunc(bounded, s.pool, func(tx pgx.Tx) error {
		err := f(bounded, tx)
		var hook *hookError
		if errors.As(err, &hook) {
			own = hook.error
		}
		return err
	})
	if own != nil {
		return fmt.Errorf("postgres: %s: %w", doing, own)
	}
	if isReadOnly(err) {
		s.pool.Reset() // the sessions are of a server that is the primary no more; new ones look for it
	}
	return classify(ctx, doing, err)
}

// hookError is an error of the caller's, in a transaction of ours.
type hookError struct{ error }
