package postgres

import "context"

// Reset gives up every session, as a server's fall does.
func (s *Store) Reset() { s.pool.Reset() }

// Setting is a parameter of a session that writes.
func (s *Store) Setting(ctx context.Context, name string) (value string, err error) {
	err = s.pool.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&value)
	return value, err
}
