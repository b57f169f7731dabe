// Package cli is the command line of ringback.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

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
	root := &cobra.Command{
		Use:   "ringback",
		Short: "Genesys Callback historical reporting as an event stream",
		Long: `ringback runs the whole pipeline in one process, on embedded parts: callback
lifecycle events go in; UserEvents, CALLBACK_FACT rows and a T-Server log come out.
Start with: ringback run`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetIn(std.In)
	root.SetOut(std.Out)
	root.SetErr(std.Err)
	root.SetArgs(args)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fault.Misconfigf("%w", err) })
	root.AddCommand(runCommand(std), importCommand(std), verifyCommand(std), deadLettersCommand(std))
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, errFailed):
		return ExitFailed
	}
	fmt.Fprintf(std.Err, "ringback: %v\n", err)
	if fault.ClassOf(err) == fault.Misconfiguration {
		return ExitMisusage
	}
	return ExitFailed
}

func dataFlag(c *cobra.Command, dir *string) {
	c.Flags().StringVar(dir, "data", "ringback-data", "data `directory`")
}
