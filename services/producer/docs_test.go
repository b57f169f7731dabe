package producer_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	settings "github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/services/producer"
)

func intakeDoc(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/intake.md")
	require.NoError(t, err)
	return string(text)
}

// docs/intake.md lists every variable with its default.
func TestDocsListEveryVariable(t *testing.T) {
	t.Parallel()
	doc := intakeDoc(t)
	for _, v := range settings.Variables(reflect.TypeFor[producer.Config]()) {
		row := "| " + v.Name + " | " + v.Default + " |"
		require.Contains(t, doc, strings.ReplaceAll(row, "|  |", "| |"))
	}
}

// Its example is accepted.
func TestDocsExampleIsAccepted(t *testing.T) {
	t.Parallel()
	doc := intakeDoc(t)
	_, example, _ := strings.Cut(doc, "```json\n")
	example, _, _ = strings.Cut(example, "```")
	require.True(t, json.Valid([]byte(example)))
	res, a := setup(t, nil).ask(t, post(structured, example))
	require.Equal(t, http.StatusAccepted, res.StatusCode, a.Errors)
}

// docs/events.md and the OpenAPI document give every type the same fields.
func TestDocsTellTheContract(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/events.md")
	require.NoError(t, err)
	doc, err := document()
	require.NoError(t, err)
	var types []callback.Type
	for _, row := range regexp.MustCompile("(?m)^\\| *[0-9]+ *\\| `(callback\\.[a-z_]+)` \\|.*\\|(.*)\\|$").FindAllStringSubmatch(string(text), -1) {
		types = append(types, callback.Type(row[1]))
		name := strings.TrimPrefix(doc.Components.Schemas["Event"].Value.Discriminator.Mapping[row[1]].Ref, "#/components/schemas/")
		schema := doc.Components.Schemas[name+"Data"].Value
		var fields, required []string
		for _, m := range regexp.MustCompile("(\\*\\*)?`([a-z_]+)`").FindAllStringSubmatch(row[2], -1) {
			fields = append(fields, m[2])
			if m[1] != "" {
				required = append(required, m[2])
			}
		}
		require.ElementsMatch(t, fields, slices.Collect(maps.Keys(schema.Properties)), row[1])
		require.ElementsMatch(t, required, schema.Required, row[1])
	}
	require.Equal(t, callback.Types, types)
}
