package parity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/ringback/ringback/pkg/embedded/broker"
	embedded "github.com/ringback/ringback/pkg/embedded/registry"
	"github.com/ringback/ringback/pkg/infomart/sqlite"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/wire"
	"github.com/ringback/ringback/services/ringback/pipeline"
)

// Once imports the files by `ringback run --once` into the new directory dir, and reads what they came to. env is all
// that it finds in its environment.
func Once(ctx context.Context, program, dir string, env []string, files ...string) (*Contents, pipeline.Summary, error) {
	var s pipeline.Summary
	args := []string{"run", "--once", "--data", dir}
	for _, f := range files {
		args = append(args, "--import", f)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.Env = append([]string{"TMPDIR=" + os.TempDir()}, env...)
	out, err := cmd.Output()
	if err != nil {
		return nil, s, fmt.Errorf("ringback run --once: %w\n%s", err, stderr.Bytes())
	}
	if err := json.Unmarshal(out, &s); err != nil {
		return nil, s, fmt.Errorf("ringback run --once: %w: %s", err, out)
	}
	c, err := readDirectory(ctx, pipeline.PathsOf(dir))
	return c, s, err
}

// readDirectory reads all that the data directory of a pipeline holds, which no longer runs.
func readDirectory(ctx context.Context, paths pipeline.Paths) (c *Contents, err error) {
	closing := func(f func() error) { err = errors.Join(err, f()) }
	b, err := broker.Start(broker.Config{Dir: paths.Broker})
	if err != nil {
		return nil, err
	}
	defer closing(b.Close)
	schemas, err := embedded.Start(embedded.Config{Dir: paths.Registry})
	if err != nil {
		return nil, err
	}
	defer closing(schemas.Close)
	db, err := sqlite.OpenReader(ctx, sqlite.Config{Path: paths.Store})
	if err != nil {
		return nil, err
	}
	defer closing(db.Close)
	return read(ctx, kafka.Config{Brokers: b.Addrs()}, schemas.URL(), db, paths.TServerLog)
}

// read reads what the parts hold.
func read(ctx context.Context, brokers kafka.Config, schemas string, db store, tserverLog string) (*Contents, error) {
	client, err := kafka.New(brokers)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	reg, err := registry.New(registry.Config{URL: schemas})
	if err != nil {
		return nil, err
	}
	defer reg.Close()
	codec, err := wire.New(ctx, reg)
	if err != nil {
		return nil, err
	}
	log, err := os.Open(tserverLog)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c := &Contents{}
	return c, errors.Join(c.readTopics(ctx, client, codec), c.readStore(ctx, db), c.readTServer(log))
}
