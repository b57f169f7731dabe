package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/config"
)

func TestRunRefusesAWrongConfiguration(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  config.Environment
		text string
	}{
		"misspelt": {config.Environment{"TSERVER_SIM_ADRR": "x"}, "did you mean TSERVER_SIM_ADDR?"},
		"no directory": {config.Environment{"TSERVER_SIM_ADDR": "127.0.0.1:0", "TSERVER_SIM_LOG": filepath.Join(t.TempDir(), "none", "x")},
			"not wire-compatible with TLIB, version unknown\ntserver: log: "},
	} {
		var stderr bytes.Buffer
		require.Equal(t, 2, run(c.env, &stderr), name)
		require.Contains(t, stderr.String(), c.text, name)
	}
}
