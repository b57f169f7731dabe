// Command generate writes the migrations that package ddl makes. Run it in pkg/infomart.
package main

import (
	"fmt"
	"os"

	"github.com/ringback/ringback/pkg/infomart/ddl"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	for path, dialect := range map[string]ddl.Dialect{
		"postgres/migrations/00002_callback.sql": ddl.PostgreSQL,
		"sqlite/migrations/00002_callback.sql":   ddl.SQLite,
	} {
		if err := os.WriteFile(path, []byte(ddl.Migration(dialect)), 0o644); err != nil {
			return fmt.Errorf("ddl: %w", err)
		}
	}
	return nil
}
