// Package postgres is the Info Mart-shaped store on PostgreSQL 14 or newer. Batches go
// in by COPY; several sinks may write at once. It needs sessions of its own: a pooler
// between them must work in session mode.
package postgres

import (
	"cmp"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/jackc/pgx/v5"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
)

// Secret is text that does not print.
type Secret string

// String hides the text.
func (Secret) String() string { return "***" }

// GoString hides the text.
func (Secret) GoString() string { return "***" }

// MarshalText hides the text, so that no log and no JSON shows it.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Config says where the store is and what it keeps.
type Config struct {
	// URL is a PostgreSQL connection URL; it goes before the POSTGRES_* parts.
	URL Secret `env:"STORE_URL"`
	// Host and the following make the URL where there is none.
	Host     string `env:"POSTGRES_HOST"`
	Port     int    `env:"POSTGRES_PORT, default=5432"`
	User     string `env:"POSTGRES_USER, default=ringback"`
	Password Secret `env:"POSTGRES_PASSWORD"`
	Database string `env:"POSTGRES_DB, default=ringback"`
	// SSLMode is disable, prefer, require, verify-ca or verify-full.
	SSLMode string `env:"POSTGRES_SSLMODE, default=prefer"`

	// Schema holds the tables; it is made where it is absent. Empty: dbo.
	Schema string `env:"STORE_SCHEMA, default=dbo"`
	// MaxConns bounds the connections that write. Each partition that is applied at the
	// same time needs one. 0: 8.
	MaxConns int32 `env:"STORE_MAX_CONNS, default=8"`
	// Timeout is how long one transaction may take; after it the database is taken for away, and readiness
	// says so. 0: 30 seconds.
	Timeout time.Duration `env:"STORE_TIMEOUT, default=30s"`

	// NoMigration leaves it to `sink migrate` to make and change the tables, so that this user needs no right
	// to. A store that is behind is waited for.
	NoMigration bool `env:"STORE_NO_MIGRATION"`

	EventData infomart.EventData
	// Now is the clock of CTL_AUDIT_LOG and of the ledger. nil: time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	c.Schema = cmp.Or(c.Schema, "dbo")
	c.MaxConns = cmp.Or(c.MaxConns, 8)
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// connectTimeout bounds a connection attempt where the URL does not.
const connectTimeout = 10 * time.Second

// pool is the configuration of a pool whose sessions have these parameters.
func (c Config) pool(parameters map[string]string) (*pgxpool.Config, error) {
	source := string(c.URL)
	if source == "" {
		if c.Host == "" {
			return nil, fault.Misconfigf("postgres: neither STORE_URL nor POSTGRES_HOST is set")
		}
		u := url.URL{
			Scheme: "postgres", Host: net.JoinHostPort(c.Host, strconv.Itoa(cmp.Or(c.Port, 5432))), Path: cmp.Or(c.Database, "ringback"),
			User: url.UserPassword(cmp.Or(c.User, "ringback"), string(c.Password)), RawQuery: url.Values{"sslmode": {cmp.Or(c.SSLMode, "prefer")}}.Encode(),
		}
		source = u.String()
	}
	pool, err := pgxpool.ParseConfig(source)
	if err != nil {
		return nil, fault.Misconfigf("postgres: %w", err) // pgx masks the password
	}
	pool.MaxConns = c.MaxConns
	pool.ConnConfig.ConnectTimeout = cmp.Or(pool.ConnConfig.ConnectTimeout, connectTimeout)
	run := pool.ConnConfig.RuntimeParams
	run["search_path"] = pgx.Identifier{c.Schema}.Sanitize()
	run["timezone"] = "UTC"
	if run["application_name"] == "" {
		run["application_name"] = "ringback"
	}
	for name, value := range parameters {
		run[name] = value
	}
	return pool, nil
}
