// Command generate writes the migrations that package ddl makes. Run it in pkg/infomart;
// with -check it only says which of them are not what it would write.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/ringback/ringback/pkg/infomart/ddl"
)

func main() {
	check := flag.Bool("check", false, "compare, write nothing")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(check bool) error {
	var errs []error
	for path, dialect := range map[string]ddl.Dialect{
		"postgres/migrations/00002_callback.sql": ddl.PostgreSQL,
		"sqlite/migrations/00002_callback.sql":   ddl.SQLite,
	} {
		want := ddl.Migration(dialect)
		if !check {
			errs = append(errs, os.WriteFile(path, []byte(want), 0o644))
			continue
		}
		have, err := os.ReadFile(path)
		if err == nil && string(have) != want {
			err = fmt.Errorf("ddl: %s is stale: run make generate", path)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
