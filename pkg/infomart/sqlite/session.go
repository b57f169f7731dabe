package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// session is the one connection that writes. It speaks to the driver below
// database/sql, with prepared statements that are kept: database/sql and a context per
// statement would double the cost of a row. A statement is never interrupted; each is short.
type session struct {
	conn       driver.ConnPrepareContext
	statements map[string]driver.Stmt
	args       []driver.NamedValue
}

func newSession() *session { return &session{statements: make(map[string]driver.Stmt)} }

// transaction runs f between BEGIN and COMMIT, or ROLLBACK where f fails. It returns
// false where the connection may be left in a transaction.
func (s *session) transaction(f func(*session) error) (clean bool, err error) {
	// IMMEDIATE takes the write lock now: a read that a later write builds on cannot go stale.
	if _, err := s.exec("BEGIN IMMEDIATE"); err != nil {
		return true, err
	}
	defer func() {
		if clean {
			return
		}
		if _, failed := s.exec("ROLLBACK"); failed == nil {
			clean = true
		}
	}()
	if err = f(s); err == nil {
		_, err = s.exec("COMMIT")
	}
	return err == nil, err
}

func (s *session) close() error {
	var errs []error
	for _, st := range s.statements {
		errs = append(errs, st.Close())
	}
	clear(s.statements)
	return errors.Join(errs...)
}

func (s *session) prepare(query string) (driver.Stmt, error) {
	st, ok := s.statements[query]
	if !ok {
		var err error
		if st, err = s.conn.PrepareContext(context.Background(), query); err != nil {
			return nil, err
		}
		s.statements[query] = st
	}
	return st, nil
}

func (s *session) named(args []any) []driver.NamedValue {
	s.args = s.args[:0]
	for i, v := range args {
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return s.args
}

// exec runs a statement; a value is an int64, a string or nil. It returns the number of rows changed.
func (s *session) exec(query string, args ...any) (int64, error) {
	st, err := s.prepare(query)
	if err != nil {
		return 0, err
	}
	ex, ok := st.(driver.StmtExecContext)
	if !ok {
		return 0, fmt.Errorf("the driver's statement %T does not execute", st)
	}
	result, err := ex.ExecContext(context.Background(), s.named(args))
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// query returns all rows; a value is an int64, a string or nil.
func (s *session) query(query string, args ...any) ([][]any, error) {
	st, err := s.prepare(query)
	if err != nil {
		return nil, err
	}
	q, ok := st.(driver.StmtQueryContext)
	if !ok {
		return nil, fmt.Errorf("the driver's statement %T does not query", st)
	}
	rows, err := q.QueryContext(context.Background(), s.named(args))
	if err != nil {
		return nil, err
	}
	var all [][]any
	for {
		values := make([]driver.Value, len(rows.Columns()))
		if err = rows.Next(values); err != nil {
			break
		}
		row := make([]any, len(values))
		for i, v := range values {
			row[i] = v
		}
		all = append(all, row)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return all, errors.Join(err, rows.Close())
}

// row returns the only row, nil where there is none.
func (s *session) row(query string, args ...any) ([]any, error) {
	rows, err := s.query(query, args...)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0], nil
}

// number returns the only value of the only row.
func (s *session) number(query string, args ...any) (int64, error) {
	row, err := s.row(query, args...)
	if err != nil {
		return 0, err
	}
	if len(row) == 1 {
		if n, ok := row[0].(int64); ok {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%q gave no number", query)
}
