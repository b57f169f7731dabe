package cli_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/services/ringback/cli"
)

func withEnv(t *testing.T, env config.Environment, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = cli.Run(t.Context(), "v1.2.3", args, cli.IO{In: strings.NewReader(""), Out: &out, Err: &err, Env: env})
	return code, out.String(), err.String()
}

func TestValidateNamesAllFaults(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := withEnv(t, config.Environment{"ENRICHER_SETTLE": "soon", "ENRICHER_TICK": "no", "KAFKA_COMPRESSION": "zip"}, "validate", "enricher")
	require.Equal(t, cli.ExitMisusage, code)
	require.Empty(t, stdout)
	require.Equal(t, `ringback: configuration: ENRICHER_SETTLE: must be a duration such as 5s or 10m
KAFKA_BROKERS: no address given
KAFKA_COMPRESSION: "zip" is none of none, gzip, snappy, lz4, zstd
ENRICHER_TICK: no such variable; did you mean ENRICHER_TICKS?
`, stderr)

	good := config.Environment{"KAFKA_BROKERS": "a:1", "STORE_PATH": "x", "OTHER": "1"}
	for _, words := range [][]string{{"sink", "infomart"}, {"sink infomart"}} {
		code, stdout, stderr = withEnv(t, good, append([]string{"validate"}, words...)...)
		require.Zero(t, code, stderr)
		require.Equal(t, "sink infomart: nothing is wrong\n", stdout)
	}
	for _, words := range [][]string{nil, {"sink"}, {"producer", "enricher"}} {
		code, _, stderr = withEnv(t, good, append([]string{"validate"}, words...)...)
		require.Equal(t, cli.ExitMisusage, code, stderr)
	}
	require.Contains(t, stderr, "there are producer, enricher, sink infomart, sink tserver, sink migrate, tserver")
}

func TestVersion(t *testing.T) {
	t.Parallel()
	code, stdout, _ := withEnv(t, nil, "--version")
	require.Zero(t, code)
	require.Regexp(t, `^ringback v1\.2\.3\ncommit   .+\nbuilt by go1.*\nschemas  lifecycle-event v[0-9]+ .*position v[0-9]+\n$`, stdout)
}
