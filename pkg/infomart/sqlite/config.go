// Package sqlite is the Info Mart-shaped store on one SQLite file, for one process at
// a time: the embedded store of `ringback run`, and one that any SQLite tool opens.
//
// WAL with synchronous=NORMAL: what is committed survives the process being killed at
// any moment. A power cut may take the last commits with it, each of them whole: facts,
// custom data and position go together, so the consumer reads those records again.
package sqlite

import (
	"cmp"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"github.com/ringback/ringback/pkg/infomart"
)

// Config says where the store is and what it keeps.
type Config struct {
	// Path is the file of a SQLite store; it is made where it is absent.
	Path string `env:"STORE_PATH" empty:"the store is PostgreSQL"`
	// CacheMiB bounds the page cache of a SQLite store's writer. 0 is the default.
	CacheMiB int `env:"STORE_CACHE_MIB, default=64" unit:"MiB"`
	// BusyTimeout is how long a write to a SQLite store waits for another process's. 0 is the default.
	BusyTimeout time.Duration `env:"STORE_BUSY_TIMEOUT, default=5s"`

	EventData infomart.EventData
	// Now is the clock of CTL_AUDIT_LOG and of the ledger. nil: time.Now.
	Now func() time.Time `json:"-"`
}

func (c Config) withDefaults() Config {
	c.CacheMiB = cmp.Or(c.CacheMiB, 64)
	c.BusyTimeout = cmp.Or(c.BusyTimeout, 5*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// source is the data source name. Its pragmas are set on every new connection.
func (c Config) source(pragmas ...string) (string, error) {
	path, err := filepath.Abs(c.Path)
	if err != nil {
		return "", err
	}
	query := url.Values{"_pragma": append([]string{
		"busy_timeout(" + strconv.FormatInt(c.BusyTimeout.Milliseconds(), 10) + ")",
		"cache_size(" + strconv.Itoa(-1024*c.CacheMiB) + ")",
	}, pragmas...)}
	u := url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}
	return u.String(), nil
}
