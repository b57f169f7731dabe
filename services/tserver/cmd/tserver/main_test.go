package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/build"
	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/service"
)

func TestRunRefusesAWrongConfiguration(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env          config.Environment
		says, banner string
	}{
		"misspelt": {config.Environment{"TSERVER_SIM_ADRR": "x"}, "did you mean TSERVER_SIM_ADDR?", ""},
		"no directory": {config.Environment{"TSERVER_SIM_ADDR": "127.0.0.1:0", "TSERVER_SIM_LOG": filepath.Join(t.TempDir(), "none", "x")},
			"tserver: log: ", "not wire-compatible with TLIB, version v1\n"},
	} {
		var stderr bytes.Buffer
		err := run(t.Context(), "", service.Process{Env: c.env, Build: build.Info{Version: "v1"}, Err: &stderr})
		require.Equal(t, fault.Misconfiguration, fault.ClassOf(err), name)
		require.ErrorContains(t, err, c.says, name)
		require.Contains(t, stderr.String(), c.banner, name)
	}
}
