// Package build tells what a binary was built of: its version, its commit, and the schemas that it
// writes.
package build

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringback/ringback/schemas"
)

// commit may be set by the linker, for a build that sees no repository:
// -ldflags "-X github.com/ringback/ringback/pkg/build.commit=<hash>". A build that does is asked.
var commit string

// unknown is what nobody has told.
const unknown = "unknown"

// Info is what a binary was built of.
type Info struct {
	Version, Commit, Go string
	Schemas             []Schema
}

// Schema is the newest version of a schema that the binary knows, which is the one that it writes.
type Schema struct {
	Name    string
	Version int
}

// Read returns what this binary was built of. version is what the linker gave its main package.
func Read(version string) Info {
	i := Info{Version: version, Commit: commit, Go: runtime.Version()}
	if built, ok := debug.ReadBuildInfo(); ok {
		i.from(built)
	}
	i.Version, i.Commit = cmp.Or(i.Version, unknown), cmp.Or(i.Commit, unknown)
	for _, name := range schemas.Names() {
		// Only what is embedded badly fails, which the schemas' own tests find.
		if versions, err := schemas.Versions(name); err == nil {
			i.Schemas = append(i.Schemas, Schema{name, len(versions)})
		}
	}
	return i
}

func (i *Info) from(built *debug.BuildInfo) {
	// By `go install ...@v1.2.3` there is no linker's word, and the module knows.
	if v := built.Main.Version; (i.Version == "" || i.Version == unknown) && v != "(devel)" {
		i.Version = v
	}
	if i.Commit != "" {
		return
	}
	modified := ""
	for _, s := range built.Settings {
		switch {
		case s.Key == "vcs.revision":
			i.Commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "-modified"
		}
	}
	if i.Commit != "" {
		i.Commit += modified
	}
}

// String is what --version prints after the binary's name.
func (i Info) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\ncommit   %s\nbuilt by %s\nschemas ", i.Version, i.Commit, i.Go)
	for _, s := range i.Schemas {
		fmt.Fprintf(&b, " %s v%d", s.Name, s.Version)
	}
	return b.String()
}

// Print writes what --version prints.
func (i Info) Print(w io.Writer, name string) error {
	_, err := fmt.Fprintf(w, "%s %s\n", name, i)
	return err
}

// Register has the registry tell it.
func (i Info) Register(r prometheus.Registerer) {
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "ringback_build_info", Help: "1, with what the binary was built of.",
	}, []string{"version", "commit", "goversion"})
	info.WithLabelValues(i.Version, i.Commit, i.Go).Set(1)
	newest := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "ringback_schema_version", Help: "Newest version of each schema that the binary knows, which is the one that it writes.",
	}, []string{"schema"})
	for _, s := range i.Schemas {
		newest.WithLabelValues(s.Name).Set(float64(s.Version))
	}
	r.MustRegister(info, newest)
}
