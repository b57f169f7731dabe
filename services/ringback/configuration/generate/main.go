// Command generate writes docs/configuration.md from the configuration's structs.
//
//	go run ./services/ringback/configuration/generate [-check]    in the root of the checkout
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/ringback/ringback/services/ringback/configuration"
)

const file = "docs/configuration.md"

func main() {
	check := flag.Bool("check", false, "write nothing; fail where the file is not as it would be written")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	text, err := configuration.Document(".")
	if err != nil {
		return err
	}
	have, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	switch {
	case bytes.Equal(have, text):
		return nil
	case check:
		return fmt.Errorf("%s is not as generated; run go run ./services/ringback/configuration/generate", file)
	}
	return os.WriteFile(file, text, 0o644)
}
