package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringback/ringback/pkg/build"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/services/ringback/importer"
	"github.com/ringback/ringback/services/ringback/pipeline"
	"github.com/ringback/ringback/services/ringback/scenario"
)

type runOptions struct {
	data, addr, admin string
	files             []string
	once              bool
	anyAddr           bool // addr is the default, and another will do where it is taken
}

func runCommand(std IO, version string) *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run",
		Short: "run the whole pipeline in this process, data in one directory",
		Long: `run starts producer, enricher, both sinks, an embedded broker, schema registry,
SQLite store and a simulated T-Server, with all data in one directory. A new
directory is given a sample scenario, unless files are imported.

With --once it stops when all that was imported has ended as applied, already
applied or dead-lettered in every sink, and prints one JSON object on standard
output. Settle and offer-grace deadlines are then made due; sessions that go on
stay open and are counted.`,
		Args: exactly(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			o.anyAddr = !c.Flags().Changed("addr")
			return run(c.Context(), &o, std, version)
		},
	}
	dataFlag(c, &o.data)
	c.Flags().StringArrayVar(&o.files, "import", nil, "import this `file` of CloudEvents in JSON Lines; repeatable; - is standard input")
	c.Flags().BoolVar(&o.once, "once", false, "stop when all that was imported has been dealt with")
	c.Flags().StringVar(&o.addr, "addr", "127.0.0.1:8080", "take events in over HTTP at this `address`, or where it is not given and taken, at any free port; with --once at none")
	c.Flags().StringVar(&o.admin, "admin-addr", "", "serve /livez, /readyz and /metrics at this `address`")
	return c
}

func run(ctx context.Context, o *runOptions, std IO, version string) (err error) {
	inputs, err := openInputs("--import", o.files, std.In)
	if err != nil {
		return err
	}
	defer inputs.close()
	settings, err := pipeline.LoadSettings(ctx, std.Env)
	if err = errors.Join(err, checkAddress("--addr", o.addr), checkAddress("--admin-addr", o.admin)); err != nil {
		return err
	}
	cfg := pipeline.Config{
		Dir: o.data, Addr: o.addr, AdminAddr: o.admin, Partitions: 4, Settings: settings,
		Logger: slog.New(slog.NewTextHandler(std.Err, nil)),
	}
	if o.once {
		cfg.Addr = ""
	}
	began := time.Now()
	p, err := pipeline.Start(ctx, cfg)
	if errors.Is(err, syscall.EADDRINUSE) && o.anyAddr && cfg.Addr != "" {
		// Nobody asked for the default: what it shows now is in the banner.
		cfg.Addr = "127.0.0.1:0"
		p, err = pipeline.Start(ctx, cfg)
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("%w; choose another with --addr, port 0 for any that is free", err)
	}
	if err != nil {
		return err
	}
	build.Read(version).Register(p.Metrics)
	stopped := false
	defer func() {
		if !stopped {
			err = errors.Join(err, p.Stop())
		}
	}()
	show := newProgress(std.Err, std.Terminal, p)
	if !o.once {
		show.banner(o.data)
	}
	if len(inputs) == 0 && p.New {
		inputs = []input{{name: scenario.Sample, open: func() (io.ReadCloser, error) { return scenario.Open(scenario.Sample), nil }}}
		show.say("the directory is new: playing the sample scenario %q", scenario.Sample)
	}
	working, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-p.Failed():
			cancel(errPartEnded)
		case <-working.Done():
		}
	}()
	if len(inputs) > 0 || o.once {
		if err = importAll(working, p, inputs, show, o.once); err != nil {
			switch {
			case ctx.Err() != nil:
				return errors.New("interrupted; the same command again goes on from here")
			case errors.Is(context.Cause(working), errPartEnded):
				return errPartEnded // Stop says which, and why
			}
			return err
		}
		summary, err := p.Summary(working, show.files, time.Since(began))
		if err != nil {
			return err
		}
		show.done(&summary)
		if o.once {
			stopped = true
			if err := errors.Join(p.Stop(), summary.Check()); err != nil {
				return err
			}
			return summary.Print(std.Out)
		}
	}
	show.say("press Ctrl-C to stop")
	select {
	case <-ctx.Done():
	case <-p.Failed():
	}
	return nil
}

var errPartEnded = errors.New("a part of the pipeline has ended")

// importAll imports the inputs and waits until the pipeline has dealt with them.
func importAll(ctx context.Context, p *pipeline.Pipeline, inputs inputs, show *progress, once bool) error {
	stop := show.start(ctx)
	defer stop()
	m := importer.Importer{Accepter: p.Accepter, Letters: p.Letters, Now: time.Now, Refused: show.refused, Progress: show.imported, Waiting: show.waiting}
	for _, in := range inputs {
		r, err := in.open()
		if err != nil {
			return err
		}
		// A read of standard input may wait for ever; the end of the context ends it.
		unhook := context.AfterFunc(ctx, func() { _ = r.Close() })
		counts, err := m.File(ctx, in.name, r)
		unhook()
		show.files = append(show.files, counts)
		if err := errors.Join(err, r.Close()); err != nil {
			return err
		}
	}
	return p.Drain(ctx, once)
}

// checkAddress finds out before anything is made on disk.
func checkAddress(name, address string) error {
	if address == "" {
		return nil
	}
	if _, err := net.ResolveTCPAddr("tcp", address); err != nil {
		return fault.Misconfigf("%s: must be host:port: %w", name, err)
	}
	return nil
}

// input is a file to import.
type input struct {
	name string
	open func() (io.ReadCloser, error)
}

type inputs []input

// openInputs opens the files before anything starts, so that a wrong name is told at once.
func openInputs(of string, names []string, stdin io.Reader) (inputs, error) {
	var all inputs
	for _, name := range names {
		if name == "-" {
			all = append(all, input{name: "-", open: func() (io.ReadCloser, error) { return interruptible(stdin), nil }})
			continue
		}
		f, err := os.Open(name)
		if err == nil {
			err = checkFile(f)
		}
		if err != nil {
			all.close()
			return nil, fault.Misconfigf("%s: %w", of, err)
		}
		all = append(all, input{name: name, open: func() (io.ReadCloser, error) { return f, nil }})
	}
	return all, nil
}

func checkFile(f *os.File) error {
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a directory", f.Name())
	case !info.Mode().IsRegular():
		return nil // a pipe gives its first bytes once
	}
	var first [2]byte
	if n, _ := f.ReadAt(first[:], 0); n == 2 && first == [2]byte{0x1f, 0x8b} {
		return fmt.Errorf("%[1]s is compressed: gunzip -c %[1]s | ringback ... --import -", f.Name())
	}
	return nil
}

func (all inputs) close() {
	for _, in := range all {
		if in.name == "-" {
			continue // it is not ours to close
		}
		if r, err := in.open(); err == nil {
			_ = r.Close()
		}
	}
}

// interruptible is r with a Close that ends a read that waits. The goroutine that
// reads r ends with r.
func interruptible(r io.Reader) io.ReadCloser {
	out, in := io.Pipe()
	go func() {
		_, err := io.CopyBuffer(in, onlyReader{r}, make([]byte, 256<<10))
		in.CloseWithError(err)
	}()
	return out
}

type onlyReader struct{ io.Reader }
