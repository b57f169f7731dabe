//go:build realcluster

package outage_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/integration/chaos/oracle"
	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/integration/process/load"
	"github.com/ringback/ringback/integration/process/stack"
	"github.com/ringback/ringback/pkg/infomart/postgres"
	"github.com/ringback/ringback/pkg/infomart/sqlite"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
)

const partitions = 4

// caughtUp says what is still to be read of what lies in the topics now.
func caughtUp(ctx context.Context, s *stack.Stack) error { return caughtUpWith(ctx, s, 200) }

// caughtUpWith is caughtUp with that many offsets at most still to be read: events go on coming, and the last ones may be under way.
func caughtUpWith(ctx context.Context, s *stack.Stack, behind int64) error {
	client, err := oracle.NewClient(s.Direct.Kafka)
	if err != nil {
		return err
	}
	defer client.Close()
	ends, err := oracle.Ends(ctx, client, topic.Lifecycle, partitions)
	if err != nil {
		return err
	}
	if err := oracle.Reached(ctx, client, s.EnricherGroup, topic.Lifecycle, ends, behind); err != nil {
		return err
	}
	return sinksAt(ctx, s, behind)
}

// sinksAt says which sink is further behind than so many offsets.
func sinksAt(ctx context.Context, s *stack.Stack, behind int64) error {
	client, err := oracle.NewClient(s.Direct.Kafka)
	if err != nil {
		return err
	}
	defer client.Close()
	conn, err := pgx.Connect(ctx, s.Direct.Postgres)
	if err != nil {
		return fmt.Errorf("outage: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // it was only read
	for group, topics := range map[string][]string{
		s.InfomartGroup: {topic.UserEvents}, s.TServerGroup: {topic.UserEvents, topic.AttachedData},
	} {
		for _, name := range topics {
			if err := oracle.Applied(ctx, client, conn, group, name, partitions, behind); err != nil {
				return err
			}
		}
	}
	return nil
}

func nothingDeadLettered(ctx context.Context, t *testing.T, s *stack.Stack) {
	t.Helper()
	letters, err := oracle.Read(ctx, s.Direct.Kafka, topic.DeadLetters, partitions)
	require.NoError(t, err)
	for _, p := range letters.Partitions {
		for i := range p {
			id, _ := p[i].Header("ce_id")
			t.Errorf("dead-lettered: %s: %q", id, p[i].Value)
		}
	}
}

// newCodec is the oracle's own.
func newCodec(ctx context.Context, t *testing.T, s *stack.Stack) *wire.Codec {
	t.Helper()
	schemas, err := registry.New(registry.Config{URL: s.Direct.Registry})
	require.NoError(t, err)
	t.Cleanup(schemas.Close)
	codec, err := wire.New(ctx, schemas)
	require.NoError(t, err)
	return codec
}

// asIfNothingHadBeen stops everything and holds it against the replay of the log, as the chaos test does.
func asIfNothingHadBeen(ctx context.Context, t *testing.T, s *stack.Stack, client *load.Client, faults []oracle.Fault) {
	t.Helper()
	f := settled(ctx, t, s, client, faults)
	for _, finding := range f.List() {
		t.Errorf("%s", finding)
	}
}

// spoilt is the key of the records that a test has spoilt.
const spoilt = "spoilt"

// settled holds everything against everything. faults are what was done to the parts; nothing else explains a repeat.
func settled(ctx context.Context, t *testing.T, s *stack.Stack, client *load.Client, faults []oracle.Fault) *oracle.Findings {
	t.Helper()
	drain, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	require.NoError(t, process.Until(drain, func() error { return caughtUp(drain, s) }))
	require.NoError(t, stack.Stop(drain, s.Enrichers...))
	require.NoError(t, process.Until(drain, func() error { return sinksAt(drain, s, 0) }))
	kafka, err := oracle.NewClient(s.Direct.Kafka)
	require.NoError(t, err)
	defer kafka.Close()
	committed, err := oracle.Committed(ctx, kafka, s.EnricherGroup, topic.Lifecycle, partitions)
	require.NoError(t, err)

	topics := map[string]*oracle.Topic{}
	for _, name := range []string{topic.Lifecycle, topic.UserEvents, topic.AttachedData, topic.DeadLetters, topic.Sessions} {
		topics[name], err = oracle.Read(ctx, s.Direct.Kafka, name, partitions)
		require.NoError(t, err)
	}
	codec, f := newCodec(ctx, t, s), &oracle.Findings{}
	// What lies past the position is not lost: the enricher was stopped before it.
	upTo := topics[topic.Lifecycle].Ends
	all, err := oracle.Replay(ctx, topics[topic.Lifecycle], upTo, s.Timing.Rules(), codec)
	require.NoError(t, err)
	require.NoError(t, f.Accepted(client.Accepted(), all))
	x, err := oracle.Replay(ctx, topics[topic.Lifecycle], committed, s.Timing.Rules(), codec)
	require.NoError(t, err)
	userEvents, attached := topics[topic.UserEvents].Without(spoilt), topics[topic.AttachedData].Without(spoilt)
	f.Same(userEvents, x.UserEvents)
	f.Same(attached, x.Attached)
	f.Sequences(userEvents)
	positions, err := f.Positions(ctx, topics[topic.Sessions], committed, x, codec)
	require.NoError(t, err)
	letters, err := f.Letters(ctx, topics[topic.DeadLetters], x, codec, topics[topic.Lifecycle], topics[topic.UserEvents], topics[topic.AttachedData])
	require.NoError(t, err)

	path := filepath.Join(s.Dir, "undisturbed.db")
	require.NoError(t, oracle.Fill(ctx, path, topics[topic.UserEvents], codec))
	want, err := sqlite.OpenReader(ctx, sqlite.Config{Path: path})
	require.NoError(t, err)
	defer want.Close() //nolint:errcheck // it was only read
	got, err := postgres.OpenReader(ctx, postgres.Config{URL: postgres.Secret(s.Direct.Postgres)})
	require.NoError(t, err)
	defer got.Close() //nolint:errcheck // it was only read
	facts, err := f.Stores(ctx, got, want)
	require.NoError(t, err)
	log, err := os.Open(s.TServerLog)
	require.NoError(t, err)
	defer log.Close() //nolint:errcheck // it was only read
	history, err := oracle.ReadHistory(ctx, s.Direct.Postgres, faults)
	require.NoError(t, err)
	sends, err := f.TServer(ctx, got, log, userEvents, attached, codec, history)
	require.NoError(t, err)
	numbers := map[string]int{
		"accepted events": int(client.Count()), "UserEvents": userEvents.Records(), "facts": facts, "messages of T-Server": sends.Distributed,
		"records of the changelog": topics[topic.Sessions].Records(),
	}
	for n, p := range positions {
		numbers[fmt.Sprintf("records read of partition %d", n)] = int(p.Read)
	}
	f.Compared(numbers)
	t.Logf("%d lifecycle records, %d UserEvents, %d facts, dead letters %v; T-Server: %+v", topics[topic.Lifecycle].Records(), userEvents.Records(), facts, letters.ByReason, sends)
	return f
}

// othersGoOn waits until a service has got on in every partition of its topic but one: past where each ended before,
// up to where each ends now.
func othersGoOn(ctx context.Context, s *stack.Stack, of reader, not int, before []int64) error {
	client, err := oracle.NewClient(s.Direct.Kafka)
	if err != nil {
		return err
	}
	defer client.Close()
	conn, err := pgx.Connect(ctx, s.Direct.Postgres)
	if err != nil {
		return fmt.Errorf("outage: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // it was only read
	return process.Until(ctx, func() error {
		ends, err := oracle.Ends(ctx, client, of.topic, partitions)
		if err != nil {
			return err
		}
		var at []int64
		switch of.component {
		case "enricher":
			at, err = oracle.Committed(ctx, client, s.EnricherGroup, of.topic, partitions)
		case "infomart":
			at, err = oracle.Stored(ctx, conn, s.InfomartGroup, of.topic, partitions)
		default:
			at, err = oracle.Stored(ctx, conn, s.TServerGroup, of.topic, partitions)
		}
		if err != nil {
			return err
		}
		for n := range ends {
			if n != not && (ends[n] <= before[n] || at[n] < ends[n]) {
				return fmt.Errorf("%s is at %d of %d in %s/%d, which ended at %d before", of.component, at[n], ends[n], of.topic, n, before[n])
			}
		}
		return nil
	})
}
