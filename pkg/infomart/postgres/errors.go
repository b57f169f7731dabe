package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
)

// classify gives an error of the database its class (invariant 7): an operator must act
// on refused credentials and on what is missing or forbidden; all else is an outage.
func classify(ctx context.Context, doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil: // and no more, for what the server said meanwhile may repeat a value (invariant 10)
		return fmt.Errorf("postgres: %s: %w", doing, ctx.Err())
	case errors.Is(err, infomart.ErrPositionMoved), fault.ClassOf(err) != fault.Bug:
		return fmt.Errorf("postgres: %s: %w", doing, err)
	}
	var e *pgconn.PgError
	if errors.As(err, &e) {
		switch {
		case e.Code == wrongBinary:
			return fault.Misconfigf("postgres: %s: SQLSTATE %s: a column has another type than the migrations gave it", doing, e.Code)
		case isTaken(err):
			return fault.Outagef("postgres: %s: other writers put in the same facts: %s", doing, refusal(err))
		case isData(err):
			// Bad data was to be found before; the server's text may repeat a value (invariant 10).
			return fmt.Errorf("postgres: %s: unexpected %s", doing, refusal(err))
		case strings.HasPrefix(e.Code, "P0"):
			// Raised by someone's trigger, whose text may hold a value (invariant 10).
			return fault.Outagef("postgres: %s: a function of the database refused: SQLSTATE %s", doing, e.Code)
		case strings.HasPrefix(e.Code, "28"), strings.HasPrefix(e.Code, "42"), e.Code == "3D000", e.Code == "3F000":
			return fault.Misconfigf("postgres: %s: %w", doing, err)
		}
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) || strings.Contains(err.Error(), "server refused TLS connection") {
		return fault.Misconfigf("postgres: %s: %w: see POSTGRES_SSLMODE and PGSSLROOTCERT", doing, err)
	}
	if strings.Contains(err.Error(), "unable to encode") {
		// The driver's own check, which repeats the value; it has no type.
		return fmt.Errorf("postgres: %s: a value that the driver cannot encode", doing)
	}
	return fault.Outagef("postgres: %s: %w", doing, err)
}

// wrongBinary is what a COPY answers whose encoding is not that of a column: no value is at fault.
const wrongBinary = "22P03"

// isData tells whether the database refused a value.
func isData(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (strings.HasPrefix(e.Code, "22") || strings.HasPrefix(e.Code, "23")) && e.Code != wrongBinary && !isTaken(err)
}

// isTaken tells whether a fact of the same key is there, though it was not a moment ago:
// the fact is to be held against it.
func isTaken(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "23505" && e.ConstraintName == "callback_fact_pkey"
}

// isReadOnly tells whether the server takes no writes: it is a standby, or has become one.
func isReadOnly(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "25006"
}

// isRetriable tells whether the same transaction may well succeed at once: a deadlock or a serialization failure.
func isRetriable(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && strings.HasPrefix(e.Code, "40")
}

// refusal says why the database refused a row: by code and name, since the server's
// message may repeat the value (invariant 10).
func refusal(err error) string {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return "the database refused the row"
	}
	s := "the database refused the row: SQLSTATE " + e.Code
	for _, part := range [][2]string{{"table", e.TableName}, {"column", e.ColumnName}, {"constraint", e.ConstraintName}} {
		if part[1] != "" {
			s += ", " + part[0] + " " + part[1]
		}
	}
	return s
}
