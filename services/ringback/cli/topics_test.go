package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/embedded/broker"
	"github.com/ringback/ringback/pkg/embedded/registry"
	"github.com/ringback/ringback/services/ringback/cli"
)

func TestTopicsArePlannedAndApplied(t *testing.T) {
	t.Parallel()
	b, err := broker.Start(broker.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	schemas, err := registry.Start(registry.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, schemas.Close()) })
	api, err := sr.NewClient(sr.URLs(schemas.URL()))
	require.NoError(t, err)
	require.NoError(t, api.SetCompatibility(t.Context(), sr.SetCompatibility{Level: sr.CompatNone})[0].Err)
	env := config.Environment{"KAFKA_BROKERS": b.Addrs()[0], "REGISTRY_URL": schemas.URL()}
	size := []string{"--partitions", "2", "--replication", "1", "--min-insync", "1"}
	run := func(verb string, size ...string) (int, string, string) {
		return withEnv(t, env, append([]string{"topics", verb}, size...)...)
	}

	for range 2 { // a plan changes nothing
		code, out, stderr := run("plan", size...)
		require.Equal(t, cli.ExitDifferent, code, stderr)
		require.Contains(t, out, "create   callback.sessions.v1: 2 partitions, 1 replicas\n")
		require.Contains(t, out, "set      subject callback.sessions.v1-ringback.callback.v1.SessionState: compatibility FULL_TRANSITIVE, is NONE\n")
	}
	code, out, stderr := run("apply", size...)
	require.Zero(t, code, stderr)
	require.Contains(t, out, "create   callback.lifecycle.v1", "it is shown first")
	require.Regexp(t, `done\n$`, out)
	for _, verb := range []string{"plan", "apply"} {
		code, out, stderr = run(verb, size...)
		require.Zero(t, code, stderr)
		require.Equal(t, "the topics and the compatibility of their schemas are as they should be\n", out)
	}
	for _, verb := range []string{"plan", "apply"} {
		code, out, _ = run(verb, "--partitions", "3", "--replication", "1", "--min-insync", "1")
		require.Equal(t, cli.ExitFailed, code)
		require.Contains(t, out, "refused  callback.lifecycle.v1: has 2 partitions where 3 are wanted")
	}

	code, out, stderr = withEnv(t, config.Environment{"KAFKA_BROKER": "x"}, "topics", "plan", "--replication", "1")
	require.Equal(t, cli.ExitMisusage, code)
	require.Empty(t, out)
	for _, says := range []string{"did you mean KAFKA_BROKERS?", "KAFKA_BROKERS: no address given", "--min-insync: must not be over --replication"} {
		require.Contains(t, stderr, says, "all at once")
	}
	b2 := config.Environment{"KAFKA_BROKERS": "127.0.0.1:1", "KAFKA_REQUEST_TIMEOUT": "100ms", "REGISTRY_URL": schemas.URL()}
	code, _, stderr = withEnv(t, b2, "topics", "plan")
	require.Equal(t, cli.ExitFailed, code, "away: %s", stderr)
}
