// Command generate writes what follows from the Avro schemas: Go code, documentation and the AsyncAPI document.
//
//	go run ./schemas/generate          writes the files, from the repository's root
//	go run ./schemas/generate -check   fails where a file is not what would be written
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ringback/ringback/schemas"
	"github.com/ringback/ringback/schemas/asyncapi"
)

func main() {
	root := flag.String("root", ".", "root of the repository")
	check := flag.Bool("check", false, "write nothing, fail on a difference")
	flag.Parse()
	if err := run(*root, *check); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// output is a generated file.
type output struct {
	path    string
	content []byte
}

func run(root string, check bool) error {
	outputs, err := generate()
	if err != nil {
		return err
	}
	for _, o := range outputs {
		path := filepath.Join(root, filepath.FromSlash(o.path))
		if check {
			have, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if !bytes.Equal(have, o.content) {
				return fmt.Errorf("%s is not what the schemas say: run make generate", o.path)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, o.content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func generate() ([]output, error) {
	userEvent, err := load(schemas.UserEvent)
	if err != nil {
		return nil, err
	}
	lifecycle, err := load(schemas.LifecycleEvent)
	if err != nil {
		return nil, err
	}
	kvps, err := userEvent.kvps()
	if err != nil {
		return nil, err
	}
	code, err := kvpCode(kvps)
	if err != nil {
		return nil, err
	}
	events, err := eventDocs(lifecycle)
	if err != nil {
		return nil, err
	}
	contract, err := asyncAPI(asyncapi.Topics)
	if err != nil {
		return nil, err
	}
	return []output{
		{"pkg/callback/kvp_gen.go", code},
		{"docs/kvps.md", kvpDocs(kvps, userEvent)},
		{"docs/events.md", events},
		{"schemas/asyncapi/ringback.json", contract},
	}, nil
}
