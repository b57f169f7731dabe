package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart/sqlite"
	"github.com/ringback/ringback/services/ringback/pipeline"
	"github.com/ringback/ringback/services/ringback/verify"
	"github.com/ringback/ringback/services/tserver"
)

func verifyCommand(std IO) *cobra.Command {
	var data string
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify",
		Short: "make the guide's three checks: T-Server log, G_CUSTOM_DATA_S, CALLBACK_FACT",
		Long: `verify makes the checks of the guide's "Verify Reporting Data" on what ringback run
left in its directory. INFOMART_STORE_EVENT_DATA and INFOMART_EVENT_DATA_KEYS must be
what they were then: they say which KVPs G_CUSTOM_DATA_S has.`,
		Args: exactly(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return verifyData(c.Context(), data, asJSON, std) },
	}
	dataFlag(c, &data)
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

func verifyData(ctx context.Context, dir string, asJSON bool, std IO) error {
	paths := pipeline.PathsOf(dir)
	if _, err := os.Stat(paths.Store); err != nil {
		return fault.Misconfigf("verify: %s holds no store: %w", dir, err)
	}
	settings, err := pipeline.LoadSettings(ctx, std.Env)
	if err != nil {
		return err
	}
	kept, err := settings.EventData.Select()
	if err != nil {
		return err
	}
	store, err := sqlite.OpenReader(ctx, sqlite.Config{Path: paths.Store})
	if err != nil {
		return err
	}
	defer store.Close()
	log, closeLog, err := openLog(paths.TServerLog)
	if err != nil {
		return err
	}
	defer closeLog()
	report, err := verify.Run(ctx, log, store, kept)
	if err != nil {
		return err
	}
	if asJSON {
		err = json.NewEncoder(std.Out).Encode(report)
	} else {
		err = printReport(std.Out, report)
	}
	if err == nil && !report.OK() {
		err = errFailed
	}
	return err
}

// openLog opens the T-Server log, the files put aside first. Where there is none, a check says that nothing is in it.
func openLog(path string) (io.Reader, func(), error) {
	names, err := tserver.Parts(path)
	if err != nil {
		return nil, nil, err
	}
	var files []*os.File
	closeAll := func() {
		for _, f := range files {
			_ = f.Close()
		}
	}
	readers := []io.Reader{}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			closeAll()
			return nil, nil, fault.Misconfigf("verify: %w", err)
		}
		files = append(files, f)
		readers = append(readers, f)
	}
	return io.MultiReader(readers...), closeAll, nil
}

func printReport(out io.Writer, r verify.Report) error {
	for i, c := range r.Checks {
		verdict := "ok    "
		if !c.OK {
			verdict = "FAILED"
		}
		if _, err := fmt.Fprintf(out, "%d. %s  %-16s %s\n", i+1, verdict, c.Name, c.Detail); err != nil {
			return err
		}
		for _, problem := range c.Problems {
			if _, err := fmt.Fprintf(out, "     - %s\n", problem); err != nil {
				return err
			}
		}
	}
	return nil
}
