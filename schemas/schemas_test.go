package schemas

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestEverySchemaHasAVersion(t *testing.T) {
	t.Parallel()
	entries, err := FS.ReadDir("avro")
	if err != nil {
		t.Fatal(err)
	}
	var dirs []string
	for _, e := range entries {
		dirs = append(dirs, e.Name())
	}
	names := slices.Sorted(slices.Values(Names()))
	if !slices.Equal(dirs, names) {
		t.Fatalf("the folders are %v, Names lists %v", dirs, names)
	}
	for _, name := range names {
		text, version, err := Latest(name)
		if err != nil {
			t.Fatal(err)
		}
		if version < 1 || !json.Valid([]byte(text)) {
			t.Errorf("%s: version %d is no JSON", name, version)
		}
	}
}

func TestUnknownSchemas(t *testing.T) {
	t.Parallel()
	if _, _, err := Latest("none"); err == nil {
		t.Error("Latest of a schema that is not there gave no error")
	}
	if _, err := Text(UserEvent, 99); err == nil {
		t.Error("Text of a version that is not there gave no error")
	}
}
