// Package service is how the binary of a service begins and ends: its command line, its environment, the
// signals that stop it, its exit code.
package service

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/ringback/ringback/pkg/build"
	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/fault"
)

// The exit codes.
const (
	ExitOK       = 0 // it was told to stop, or has done what was asked
	ExitFailed   = 1
	ExitMisusage = 2 // the command line or the configuration is at fault: an operator must act
)

// Program is a service's binary.
type Program struct {
	Name    string
	Version string // what the linker gave its main package
	// Verbs are what may stand after the name, each with its effect. None: nothing may.
	Verbs []Verb
	// Run runs it until ctx ends. verb is "" where there are none.
	Run func(ctx context.Context, verb string, p Process) error
}

// Verb is a word of the command line.
type Verb struct{ Name, Effect string }

// Process is what a program runs with.
type Process struct {
	Env      config.Environment
	Build    build.Info
	Out, Err io.Writer
}

// Main runs the program in this process and returns its exit code. SIGINT and SIGTERM tell it to stop.
func Main(p Program) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return p.main(ctx, os.Args[1:], Process{Env: config.OS(), Out: os.Stdout, Err: os.Stderr})
}

func (p Program) main(ctx context.Context, args []string, with Process) int {
	with.Build = build.Read(p.Version)
	if len(args) == 1 && (args[0] == "--version" || args[0] == "-version") {
		return p.exit(with, with.Build.Print(with.Out, p.Name))
	}
	if len(args) == 1 && (args[0] == "--help" || args[0] == "-help" || args[0] == "-h") {
		_, err := fmt.Fprintln(with.Out, p.usage())
		return p.exit(with, err)
	}
	verb, err := p.verb(args)
	if err == nil {
		err = p.Run(ctx, verb, with)
	}
	return p.exit(with, err)
}

// verb is what the command line asks for.
func (p Program) verb(args []string) (string, error) {
	if len(args) == 0 && len(p.Verbs) == 0 {
		return "", nil
	}
	for _, v := range p.Verbs {
		if len(args) == 1 && args[0] == v.Name {
			return v.Name, nil
		}
	}
	return "", fault.Misconfigf("%s", p.usage())
}

func (p Program) usage() string {
	var b strings.Builder
	b.WriteString("usage:\n")
	if len(p.Verbs) == 0 {
		fmt.Fprintf(&b, "  %s            run the service\n", p.Name)
	}
	for _, v := range p.Verbs {
		fmt.Fprintf(&b, "  %s %-10s %s\n", p.Name, v.Name, v.Effect)
	}
	fmt.Fprintf(&b, "  %s --version  print what it was built of\n", p.Name)
	b.WriteString("The environment configures it: docs/configuration.md lists the variables.\n")
	b.WriteString("The exit code is 0 where it was told to stop or has done what was asked, 2 where the command line\nor the configuration is at fault, and 1 where it failed otherwise.")
	return b.String()
}

func (p Program) exit(with Process, err error) int {
	if err == nil {
		return ExitOK
	}
	fmt.Fprintf(with.Err, "%s %s: %v\n", p.Name, with.Build.Version, err)
	if fault.ClassOf(err) == fault.Misconfiguration {
		return ExitMisusage
	}
	return ExitFailed
}
