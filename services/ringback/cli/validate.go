package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ringback/ringback/services/ringback/configuration"
)

func validateCommand(std IO) *cobra.Command {
	return &cobra.Command{
		Use:   "validate SERVICE",
		Short: "read the environment as a service would, and name all that is wrong with it",
		Long: `validate reads the environment as that service would, and names all that is wrong
with it: what is missing or malformed, what does not fit together, files that cannot
be read, and variables that begin like one of the service's and are none. It connects
to nothing. The exit code is 0 where nothing is wrong, and 2 otherwise.

SERVICE is ` + strings.Join(configuration.Names(), ", ") + `.`,
		Example: "  ringback validate sink tserver",
		Args:    exactly(cobra.MinimumNArgs(1)),
		RunE:    func(c *cobra.Command, args []string) error { return validate(c.Context(), args, std) },
	}
}

func validate(ctx context.Context, words []string, std IO) error {
	service, err := configuration.Find(strings.Fields(strings.Join(words, " "))...)
	if err != nil {
		return err
	}
	if err := service.Check(ctx, std.Env); err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.Out, "%s: nothing is wrong\n", service.Name)
	return err
}
