package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// Root is the top directory of the checkout.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// Binaries are the services' programs, built.
type Binaries struct{ Dir string }

// Build builds the services, and the embedded schema registry as a program of its own, into dir; race turns the
// race detector on in them.
func Build(ctx context.Context, dir string, race bool) (*Binaries, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	flags := []string{"build"}
	if race {
		flags = append(flags, "-race")
	}
	build := func(from, workspace, name, pkg string) error {
		cmd := exec.CommandContext(ctx, "go", append(flags, "-o", filepath.Join(dir, name), pkg)...)
		cmd.Dir = from
		cmd.Env = append(os.Environ(), "GOWORK="+workspace)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("process: go build %s: %w\n%s", pkg, err, out)
		}
		return nil
	}
	for _, service := range []string{"producer", "enricher", "sink", "tserver", "ringback"} {
		if err := build(Root(), filepath.Join(Root(), "go.work"), service, "./services/"+service+"/cmd/"+service); err != nil {
			return nil, err
		}
	}
	if err := build(filepath.Join(Root(), "integration"), "off", "registry", "./process/registry"); err != nil {
		return nil, err
	}
	return &Binaries{Dir: dir}, nil
}

// Path is where a program lies.
func (b *Binaries) Path(name string) string { return filepath.Join(b.Dir, name) }
