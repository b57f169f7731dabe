//go:build realcluster

package rolling_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/ringback/ringback/integration/process"
)

// grace is how long the chart gives each service between SIGTERM and SIGKILL: Kubernetes counts the preStop hook in.
// The test reads it there, so that the two cannot differ.
type grace struct{ producer, enricher, infomart, tserver time.Duration }

func chartGrace(t *testing.T) grace {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(process.Root(), "deploy", "helm", "ringback", "values.yaml"))
	require.NoError(t, err)
	type pod struct {
		Grace   int `yaml:"terminationGracePeriodSeconds"`
		PreStop int `yaml:"preStopSleepSeconds"`
	}
	var values struct {
		Producer, Enricher pod
		SinkInfomart       pod `yaml:"sinkInfomart"`
		SinkTserver        pod `yaml:"sinkTserver"`
	}
	require.NoError(t, yaml.Unmarshal(text, &values))
	left := func(p pod) time.Duration {
		require.Positive(t, p.Grace)
		require.Less(t, p.PreStop, p.Grace)
		return time.Duration(p.Grace-p.PreStop) * time.Second
	}
	return grace{left(values.Producer), left(values.Enricher), left(values.SinkInfomart), left(values.SinkTserver)}
}
