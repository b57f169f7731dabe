package sink_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/services/sink"
	"github.com/ringback/ringback/services/sink/tserver"
)

func TestDefaultsAreThoseOfAnEmptyEnvironment(t *testing.T) {
	t.Parallel()
	var cfg sink.Config
	var sending tserver.Config
	env := config.Environment{"TSERVER_REP_USEREVENT_SWITCH": "S"}
	require.NoError(t, config.Load(t.Context(), env, []string{"SINK_", "TSERVER_"}, &cfg, &sending))
	require.Equal(t, sink.Defaults(), cfg)
	require.Equal(t, tserver.Defaults("S"), sending)
	require.Empty(t, cfg.Validate())
}

func TestConfigFaultsAreNamed(t *testing.T) {
	t.Parallel()
	bad := sink.Config{BatchRecords: -1, BatchBytes: 1, BatchLatency: -1, RetryMax: -1, UnknownSchemaWait: -1}
	err := errors.Join(bad.Validate()...)
	for _, name := range []string{"SINK_BATCH_RECORDS", "SINK_BATCH_BYTES", "SINK_BATCH_LATENCY", "SINK_RETRY_MIN", "SINK_RETRY_MAX", "SINK_UNKNOWN_SCHEMA_WAIT"} {
		require.ErrorContains(t, err, name+":")
	}
	_, err = sink.NewInfomart(bad, nil, sink.Deps{})
	require.ErrorContains(t, err, "SINK_BATCH_RECORDS")
	_, err = sink.NewTServer(sink.Defaults(), tserver.Config{}, nil, nil, sink.Deps{})
	require.ErrorContains(t, err, "TSERVER_PARALLEL")
}
