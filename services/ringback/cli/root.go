// Package cli is the command line of ringback.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ringback/ringback/pkg/build"
	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/fault"
)

// The exit codes.
const (
	ExitOK       = 0
	ExitFailed   = 1 // it did not do what was asked; verify: a check failed
	ExitMisusage = 2 // the command line, a file or the configuration is at fault
)

// IO is what a command reads and writes.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
	Env      config.Environment
	// Terminal reports whether Err is a terminal, on which a line may be drawn anew.
	Terminal bool
}

// errFailed ends a command that has said all there is to say.
var errFailed = errors.New("failed")

// Run runs the command that args name and returns the exit code.
func Run(ctx context.Context, version string, args []string, std IO) int {
	root := newRoot(version, std)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, errFailed):
		return ExitFailed
	case errors.Is(err, errDifferent):
		return ExitDifferent
	}
	fmt.Fprintf(std.Err, "ringback: %v\n", err)
	if fault.ClassOf(err) == fault.Misconfiguration {
		return ExitMisusage
	}
	return ExitFailed
}

func newRoot(version string, std IO) *cobra.Command {
	root := &cobra.Command{
		Use:   "ringback",
		Short: "Genesys Callback historical reporting as an event stream",
		Long: `ringback runs the whole pipeline in one process, on embedded parts: callback
lifecycle events go in; UserEvents, CALLBACK_FACT rows and a T-Server log come out.
Start with: ringback run

The exit code is 0 where all was done that was asked, 1 where something was not (a
check of verify failed, import had lines refused, another process has the data
directory), 2 where the command line, a file or the configuration is at fault.
topics plan ends with 3 where there is something to change.`,
		Version:       build.Read(version).String(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetVersionTemplate("ringback {{.Version}}\n")
	root.SetIn(std.In)
	root.SetOut(std.Out)
	root.SetErr(std.Err)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fault.Misconfigf("%w", err) })
	root.AddCommand(runCommand(std, version), importCommand(std), verifyCommand(std), deadLettersCommand(std), validateCommand(std), topicsCommand(std), simulateCommand(std), checkCommand(std))
	onlyCommands(root)
	return root
}

// onlyCommands makes a command that only holds others show its help, or say that it
// has no command of that name.
func onlyCommands(c *cobra.Command) {
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		c.SuggestionsMinimumDistance = 2
		err := fmt.Errorf("%s has no command %q", c.CommandPath(), args[0])
		if similar := c.SuggestionsFor(args[0]); len(similar) > 0 {
			err = fmt.Errorf("%w; did you mean %s?", err, strings.Join(similar, " or "))
		}
		return fault.Misconfigf("%w", err)
	}
}

// exactly makes a wrong number of arguments a misuse.
func exactly(rule cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := rule(c, args); err != nil {
			return fault.Misconfigf("%s: %w", c.UseLine(), err)
		}
		return nil
	}
}

func dataFlag(c *cobra.Command, dir *string) {
	c.Flags().StringVar(dir, "data", "ringback-data", "data `directory`")
}
