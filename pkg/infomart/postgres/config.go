// Package postgres is the Info Mart-shaped store on PostgreSQL 14 or newer. Batches go
// in by COPY; several sinks may write at once. It needs sessions of its own: a pooler
// between them must work in session mode.
package postgres

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
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

// Format hides the text from every verb, also those that are not meant for texts.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("***")) }

// GoString hides the text.
func (Secret) GoString() string { return "***" }

// MarshalText hides the text, so that no log and no JSON shows it.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Config says where the store is and what it keeps.
type Config struct {
	// URL is the connection URL of a PostgreSQL store; it goes before the POSTGRES_* parts. Where it has no
	// sslmode, [SSLMode] holds.
	URL Secret `env:"STORE_URL" empty:"POSTGRES_HOST and the like make it"`
	// Host is the server's name or address, where there is no URL.
	Host string `env:"POSTGRES_HOST" empty:"refused, unless [URL] or STORE_PATH is given"`
	// Port is the server's port.
	Port int `env:"POSTGRES_PORT, default=5432" unit:"port"`
	// User is who the sink is to the database.
	User string `env:"POSTGRES_USER, default=ringback"`
	// Password is the password of [User]. A file is to be preferred.
	Password Secret `env:"POSTGRES_PASSWORD" empty:"no password"`
	// Database is the name of the database.
	Database string `env:"POSTGRES_DB, default=ringback"`
	// SSLMode is whether the connection is encrypted, and what the server must show: disable, allow, prefer,
	// require, verify-ca or verify-full. Only the last keeps out who passes himself off as the server, and all
	// before require go on in the clear where somebody on the way says that the server has no TLS.
	SSLMode string `env:"POSTGRES_SSLMODE, default=verify-full"`

	// Schema holds the tables; it is made where it is absent.
	Schema string `env:"STORE_SCHEMA, default=dbo"`
	// MaxConns bounds the connections that write. Each partition that is applied at the
	// same time needs one. 0 is the default.
	MaxConns int32 `env:"STORE_MAX_CONNS, default=8" unit:"connections"`
	// Timeout is how long one transaction may take; after it the database is taken for away, and readiness
	// says so. 0 is the default.
	Timeout time.Duration `env:"STORE_TIMEOUT, default=30s"`

	// NoMigration leaves it to `sink migrate` to make and change the tables, so that this user needs no right
	// to. A store that is behind is waited for.
	NoMigration bool `env:"STORE_NO_MIGRATION, default=false"`

	EventData infomart.EventData
	// Now is the clock of CTL_AUDIT_LOG and of the ledger. nil: time.Now.
	Now func() time.Time `json:"-"`
}

// Validate returns every fault; each names its variable.
func (c *Config) Validate() []error {
	var faults []error
	if !slices.Contains(sslModes, cmp.Or(c.SSLMode, verifyFull)) {
		faults = append(faults, fmt.Errorf("POSTGRES_SSLMODE: %q is none of %s", c.SSLMode, strings.Join(sslModes, ", ")))
	}
	if c.Port < 0 || c.Port > 65535 {
		faults = append(faults, fmt.Errorf("POSTGRES_PORT: must be 1 to 65535, is %d", c.Port))
	}
	if c.MaxConns < 0 {
		faults = append(faults, fmt.Errorf("STORE_MAX_CONNS: must not be negative, is %d", c.MaxConns))
	}
	if c.Timeout < 0 {
		faults = append(faults, fmt.Errorf("STORE_TIMEOUT: must not be negative, is %s", c.Timeout))
	}
	if c.URL != "" && c.Host != "" {
		faults = append(faults, errors.New("POSTGRES_HOST: is given and so is STORE_URL: which of them holds?"))
	}
	// What the driver says of a part is of that part: it is left to when these are in order.
	if len(faults) == 0 {
		if _, err := c.withDefaults().pool(nil); err != nil {
			name := "STORE_URL"
			if c.URL == "" {
				name = "POSTGRES_HOST"
			}
			faults = append(faults, fmt.Errorf("%s: %w", name, err))
		}
	}
	return append(faults, c.EventData.Validate()...)
}

const verifyFull = "verify-full"

var sslModes = []string{"disable", "allow", "prefer", "require", "verify-ca", verifyFull}

func (c Config) withDefaults() Config {
	c.Schema = cmp.Or(c.Schema, "dbo")
	c.MaxConns = cmp.Or(c.MaxConns, 8)
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	c.SSLMode = cmp.Or(c.SSLMode, verifyFull)
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
			User: url.UserPassword(cmp.Or(c.User, "ringback"), string(c.Password)), RawQuery: url.Values{"sslmode": {c.SSLMode}}.Encode(),
		}
		source = u.String()
	}
	source = withSSLMode(source, c.SSLMode)
	pool, err := pgxpool.ParseConfig(source)
	if err != nil {
		return nil, fault.Misconfigf("postgres: the driver cannot use it: %s", unquoted(err))
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

// saysSSLMode finds the mode in a connection string of the form host=h sslmode=require.
var saysSSLMode = regexp.MustCompile(`(^|\s)sslmode\s*=\s*('[^']|[^\s'])`)

// withSSLMode gives a connection string that has no sslmode this one: the driver's own default is prefer.
func withSSLMode(source, mode string) string {
	if !strings.HasPrefix(source, "postgres://") && !strings.HasPrefix(source, "postgresql://") {
		if saysSSLMode.MatchString(source) || !strings.Contains(source, "=") {
			return source
		}
		return source + " sslmode=" + mode
	}
	u, err := url.Parse(source)
	if err != nil || u.Query().Get("sslmode") != "" {
		return source // what is wrong with it the driver says
	}
	query := u.Query()
	query.Set("sslmode", mode)
	u.RawQuery = query.Encode()
	return u.String()
}

// unquoted is what the driver says of a connection string, without the string, of which it masks most
// but not all secrets, and without the part that it stumbled over, which may be one's (invariant 10).
func unquoted(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, "`: "); i >= 0 {
		text = text[i+len("`: "):]
	} else {
		return "it is no connection string"
	}
	text, _, _ = strings.Cut(text, " (")
	return text
}
