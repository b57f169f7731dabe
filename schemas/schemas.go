// Package schemas holds the Avro schemas of every topic, each released version of each.
package schemas

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// FS holds avro/<name>/v<version>.avsc.
//
//go:embed avro
var FS embed.FS

// The names of the schemas.
const (
	LifecycleEvent = "lifecycle-event"
	UserEvent      = "user-event"
	AttachedData   = "attached-data"
	SessionState   = "session-state"
	DeadLetter     = "dead-letter"
	Position       = "position"
)

// Names lists the schemas.
func Names() []string {
	return []string{LifecycleEvent, UserEvent, AttachedData, SessionState, DeadLetter, Position}
}

// Versions lists the released versions of a schema, from 1 on without a gap.
func Versions(name string) ([]int, error) {
	entries, err := fs.ReadDir(FS, "avro/"+name)
	if err != nil {
		return nil, fmt.Errorf("schemas: %w", err)
	}
	var versions []int
	for _, e := range entries {
		number, ok := strings.CutSuffix(strings.TrimPrefix(e.Name(), "v"), ".avsc")
		v, err := strconv.Atoi(number)
		if !ok || err != nil || e.Name() != fmt.Sprintf("v%d.avsc", v) {
			return nil, fmt.Errorf("schemas: %s/%s is not named v<version>.avsc", name, e.Name())
		}
		versions = append(versions, v)
	}
	slices.Sort(versions)
	for i, v := range versions {
		if v != i+1 {
			return nil, fmt.Errorf("schemas: version %d of %s is missing", i+1, name)
		}
	}
	return versions, nil
}

// Text returns one version of a schema.
func Text(name string, version int) (string, error) {
	text, err := FS.ReadFile(fmt.Sprintf("avro/%s/v%d.avsc", name, version))
	if err != nil {
		return "", fmt.Errorf("schemas: %w", err)
	}
	return string(text), nil
}

// Latest returns the newest version of a schema and its number.
func Latest(name string) (text string, version int, err error) {
	versions, err := Versions(name)
	if err != nil {
		return "", 0, err
	}
	version = len(versions)
	text, err = Text(name, version)
	return text, version, err
}
