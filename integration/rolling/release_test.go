//go:build realcluster

package rolling_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/schemas"
)

// change is a place of the source where the next release differs.
type change struct{ file, from, to string }

// The next release has other rules by their number, and one more field in every schema, which it fills. What a later
// release changes in earnest, it changes in these places.
var (
	nextField = `,
    {
      "name": "made_by",
      "type": [
        "null",
        "string"
      ],
      "doc": "The release that wrote it.",
      "default": null
    }`
	nextChanges = []change{
		{"pkg/callback/userevent.go", "const LogicVersion = 1", "const LogicVersion = 2\n\n// Release is written into every record.\nvar Release = \"the next\""},

		{"pkg/wire/data.go", `"connect_order", "disposition",`, `"connect_order", "disposition", "made_by",`},
		{"pkg/wire/data.go", "r[26], r[27], r[28] = d.Target, d.ConnectOrder, d.Disposition", "r[26], r[27], r[28], r[29] = d.Target, d.ConnectOrder, d.Disposition, &callback.Release"},
		{"pkg/wire/plain.go", "return !r.bad && len(r.b) == 0", "r.optText()\n\treturn !r.bad && len(r.b) == 0"},

		{"pkg/wire/userevent.go", `return append(names, "events")`, `return append(names, "events", "made_by")`},
		{"pkg/wire/userevent.go", "r[numHead+callback.NumKVPs] = events", "r[numHead+callback.NumKVPs], r[numHead+callback.NumKVPs+1] = events, &callback.Release"},
		{"pkg/wire/plain_userevent.go", "return append(w.b, 0), w.ok", "w.b = append(w.b, 0)\n\tw.optText(&callback.Release)\n\treturn w.b, w.ok"},
		{"pkg/wire/plain_userevent.go", "r.passSources()\n\treturn", "r.passSources()\n\tr.optText()\n\treturn"},

		{"pkg/wire/attached.go", `"cb_t_service_start",`, `"cb_t_service_start", "made_by",`},
		{"pkg/wire/attached.go", "r[4], r[5], r[6] = d.ServiceName", "r[11] = &callback.Release\n\tr[4], r[5], r[6] = d.ServiceName"},
		{"pkg/wire/deadletter.go", `"record_headers",`, `"record_headers", "made_by",`},
		{"pkg/wire/deadletter.go", "r[11] = headers", "r[11], r[12] = headers, &callback.Release"},

		{"pkg/wire/sessions.go", `"ticks", "sessions"}`, `"ticks", "sessions", "made_by"}`},
		{"pkg/wire/sessions.go", "p.Ticks, p.Sessions}", "p.Ticks, p.Sessions, &callback.Release}"},
		{"pkg/session/encode.go", "return append(b, 0)\n}\n\n// Head", "return appendString(append(b, 0, 2), callback.Release)\n}\n\n// Head"},
		{"pkg/session/encode.go", "s.body = whole[start:end]", "s.body = whole[start:end]\n\tif d.optional() {\n\t\t_ = d.string()\n\t}"},
	}
)

// nextRelease builds the services as the next release would have them, out of this checkout with its changes laid
// over: no flag for it is in the services.
func nextRelease(ctx context.Context, t *testing.T, dir string) *process.Binaries {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "source"), 0o755))
	changed := map[string]string{}
	for _, c := range nextChanges {
		text, ok := changed[c.file]
		if !ok {
			read, err := os.ReadFile(filepath.Join(process.Root(), c.file))
			require.NoError(t, err)
			text = string(read)
		}
		require.Equal(t, 1, strings.Count(text, c.from), "%s has one place with %q", c.file, c.from)
		changed[c.file] = strings.Replace(text, c.from, c.to, 1)
	}
	for _, name := range schemas.Names() {
		text, version, err := schemas.Latest(name)
		require.NoError(t, err)
		end := strings.LastIndex(text, "\n  ]")
		require.Positive(t, end, name)
		next := text[:end] + nextField + text[end:]
		require.True(t, json.Valid([]byte(next)), name)
		changed[fmt.Sprintf("schemas/avro/%s/v%d.avsc", name, version+1)] = next
	}
	var overlay struct{ Replace map[string]string }
	overlay.Replace = map[string]string{}
	for file, text := range changed {
		at := filepath.Join(dir, "source", strings.ReplaceAll(file, "/", "-"))
		require.NoError(t, os.WriteFile(at, []byte(text), 0o644))
		overlay.Replace[filepath.Join(process.Root(), file)] = at
	}
	text, err := json.Marshal(overlay)
	require.NoError(t, err)
	over := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(over, text, 0o644))
	for _, service := range []string{"producer", "enricher", "sink"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-overlay", over, "-o", filepath.Join(dir, service), "./services/"+service+"/cmd/"+service)
		cmd.Dir = process.Root()
		cmd.Env = append(os.Environ(), "GOWORK="+filepath.Join(process.Root(), "go.work"))
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	return &process.Binaries{Dir: dir}
}
