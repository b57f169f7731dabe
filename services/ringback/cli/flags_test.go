package cli

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The commands, their arguments, flags and defaults are API.
func TestCommandsGolden(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	var list func(*cobra.Command)
	list = func(c *cobra.Command) {
		fmt.Fprintln(&b, strings.TrimSuffix(c.UseLine(), " [flags]"))
		c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			fmt.Fprintf(&b, "  --%s %s=%s\n", f.Name, f.Value.Type(), f.DefValue)
		})
		for _, sub := range c.Commands() {
			list(sub)
		}
	}
	list(newRoot("v1", IO{}))
	const golden = "testdata/commands.golden"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(b.String()), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String(), "others build on these")
}
