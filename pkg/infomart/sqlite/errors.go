package sqlite

import (
	"context"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/ringback/ringback/pkg/fault"
)

// classify gives an error of SQLite its class (invariant 7). The text of SQLite's own
// errors names tables and columns, never values.
func classify(doing string, err error) error {
	if err == nil {
		return nil
	}
	var e *sqlite.Error
	if !errors.As(err, &e) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("sqlite: %s: %w", doing, err)
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL,
		sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_SCHEMA:
		return fault.Outagef("sqlite: %s: %w", doing, err)
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_AUTH,
		sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR:
		return fault.Misconfigf("sqlite: %s: %w", doing, err)
	}
	return fmt.Errorf("sqlite: %s: %w", doing, err)
}

// isData tells whether the database refused a value.
func isData(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG:
		return true
	}
	return false
}

// refusal says why the database refused a row: a code, since a trigger's message could
// hold anything (invariant 10).
func refusal(err error) string {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return fmt.Sprintf("the database refused the row: SQLite result code %d", e.Code())
	}
	return "the database refused the row"
}
