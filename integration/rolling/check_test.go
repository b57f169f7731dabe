//go:build realcluster

package rolling_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/integration/chaos/oracle"
	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/integration/process/stack"
	"github.com/ringback/ringback/pkg/infomart/postgres"
	"github.com/ringback/ringback/pkg/infomart/sqlite"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
)

// as turns what a topic holds into what is held against the oracle.
type as func(context.Context, *testing.T, *oracle.Topic, *wire.Codec)

func sameBytes(context.Context, *testing.T, *oracle.Topic, *wire.Codec) {}

// check waits until everything has had its effects, stops all of it in the order of the flow, and holds it against
// the replay of the log as the chaos test does. Nothing that was stopped cleanly explains a message sent twice; a
// sink's dead letter may be there twice, under one id, as ever where a batch was broken off after it.
func (r *run) check(ctx context.Context, t *testing.T, seen as) {
	t.Helper()
	s := r.s
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	kafka, err := oracle.NewClient(s.Direct.Kafka)
	require.NoError(t, err)
	defer kafka.Close()
	ends, err := oracle.Ends(ctx, kafka, topic.Lifecycle, partitions)
	require.NoError(t, err)
	require.NoError(t, process.Until(ctx, func() error { return oracle.Reached(ctx, kafka, s.EnricherGroup, topic.Lifecycle, ends, 0) }), "the enrichers catch up")
	require.NoError(t, stack.Stop(ctx, s.Enrichers...))
	committed, err := oracle.Committed(ctx, kafka, s.EnricherGroup, topic.Lifecycle, partitions)
	require.NoError(t, err)
	conn, err := pgx.Connect(ctx, s.Direct.Postgres)
	require.NoError(t, err)
	defer conn.Close(ctx) //nolint:errcheck // it was only read
	for group, topics := range map[string][]string{
		s.InfomartGroup: {topic.UserEvents}, s.TServerGroup: {topic.UserEvents, topic.AttachedData},
	} {
		for _, name := range topics {
			require.NoError(t, process.Until(ctx, func() error { return oracle.Applied(ctx, kafka, conn, group, name, partitions, 0) }), "the sinks catch up")
		}
	}
	require.NoError(t, stack.Stop(ctx, append(append(s.Infomarts, s.TServers...), s.Producers...)...))
	require.NoError(t, stack.Stop(ctx, s.Simulator))

	schemas, err := registry.New(registry.Config{URL: s.Direct.Registry})
	require.NoError(t, err)
	defer schemas.Close()
	codec, err := wire.New(ctx, schemas)
	require.NoError(t, err)
	topics, written := map[string]*oracle.Topic{}, map[string]*oracle.Topic{}
	for _, name := range []string{topic.Lifecycle, topic.UserEvents, topic.AttachedData, topic.DeadLetters, topic.Sessions} {
		topics[name], err = oracle.Read(ctx, s.Direct.Kafka, name, partitions)
		require.NoError(t, err)
		written[name], err = oracle.Read(ctx, s.Direct.Kafka, name, partitions) // as a dead letter has it
		require.NoError(t, err)
		seen(ctx, t, topics[name], codec)
	}
	userEvents, attached, f := topics[topic.UserEvents], topics[topic.AttachedData], &oracle.Findings{}
	x, err := oracle.Replay(ctx, topics[topic.Lifecycle], committed, s.Timing.Rules(), codec)
	require.NoError(t, err)
	require.NoError(t, f.Accepted(r.client.Accepted(), x)) // invariants 1 and 2
	f.Same(userEvents, x.UserEvents)                       // invariants 3 and 4
	f.Same(attached, x.Attached)
	f.Sequences(userEvents)
	_, err = f.Positions(ctx, topics[topic.Sessions], committed, x, codec)
	require.NoError(t, err)
	letters, err := f.Letters(ctx, topics[topic.DeadLetters], x, codec, written[topic.Lifecycle], written[topic.UserEvents], written[topic.AttachedData]) // invariants 2 and 9
	require.NoError(t, err)

	path := filepath.Join(s.Dir, "undisturbed.db")
	require.NoError(t, oracle.Fill(ctx, path, userEvents, codec))
	want, err := sqlite.OpenReader(ctx, sqlite.Config{Path: path})
	require.NoError(t, err)
	defer want.Close() //nolint:errcheck // it was only read
	got, err := postgres.OpenReader(ctx, postgres.Config{URL: postgres.Secret(s.Direct.Postgres)})
	require.NoError(t, err)
	defer got.Close()                      //nolint:errcheck // it was only read
	facts, err := f.Stores(ctx, got, want) // invariant 5
	require.NoError(t, err)
	log, err := os.Open(s.TServerLog)
	require.NoError(t, err)
	defer log.Close() //nolint:errcheck // it was only read
	history, err := oracle.ReadHistory(ctx, s.Direct.Postgres, nil)
	require.NoError(t, err)
	sends, err := f.TServer(ctx, got, log, userEvents, attached, codec, history) // invariant 8
	require.NoError(t, err)

	r.note(t, "%d lifecycle records, %d UserEvents, %d attached data, %d facts; dead letters %v, %d repeated; T-Server: %d owed, %d distributed, %d repeated",
		topics[topic.Lifecycle].Records(), userEvents.Records(), attached.Records(), facts, letters.ByReason, letters.Repeated, sends.Ledger, sends.Distributed, sends.Repeated)
	require.NoError(t, f.Logs(s.Services.Logs))
	for _, finding := range f.List() {
		t.Errorf("%s", finding)
	}
	require.Zero(t, sends.Repeated, "messages sent to T-Server twice")
}
