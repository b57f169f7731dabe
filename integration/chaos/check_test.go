//go:build realcluster

package chaos_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringback/ringback/integration/chaos/oracle"
	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/integration/process/load"
	"github.com/ringback/ringback/integration/process/stack"
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart/postgres"
	"github.com/ringback/ringback/pkg/infomart/sqlite"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/session"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
)

// outcome is a run and what came of it.
type outcome struct {
	settings
	s        *stack.Stack
	d        *director
	client   *load.Client
	feed     *load.Feed
	garbage  int
	findings *oracle.Findings
	took     time.Duration

	committed []int64 // how far the enrichers got in the lifecycle log
	lifecycle, userEvents, attached, letters,
	sessions *oracle.Topic
	dead      oracle.Counted
	folded    oracle.Count
	facts     int
	sends     oracle.Sends
	positions []session.Position
	compacted int64 // records that compaction removed from the changelog
}

// drain waits until everything that was accepted has had its effects, with the settle and grace deadlines passed, and
// stops everything in the order of the flow, so that nothing moves any more.
func (o *outcome) drain(ctx context.Context, t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	s := o.s
	client, err := oracle.NewClient(s.Direct.Kafka)
	require.NoError(t, err)
	defer client.Close()
	// Once all that has come may be settled, each partition is told how late it is: where no session has a deadline
	// left, no enricher would write a tick.
	wait(ctx, s.Timing.OfferGrace+s.Timing.Settle)
	require.NoError(t, tick(ctx, s.Direct.Kafka))
	from, err := oracle.Ends(ctx, client, topic.Lifecycle, partitions)
	require.NoError(t, err)
	require.NoError(t, process.Until(ctx, func() error {
		return oracle.Reached(ctx, client, s.EnricherGroup, topic.Lifecycle, from, 0)
	}), "the enrichers catch up")
	require.NoError(t, stack.Stop(ctx, s.Enrichers...))
	o.committed, err = oracle.Committed(ctx, client, s.EnricherGroup, topic.Lifecycle, partitions)
	require.NoError(t, err)

	conn, err := pgx.Connect(ctx, s.Direct.Postgres)
	require.NoError(t, err)
	defer conn.Close(ctx) //nolint:errcheck // it was only read
	for group, topics := range map[string][]string{
		s.InfomartGroup: {topic.UserEvents}, s.TServerGroup: {topic.UserEvents, topic.AttachedData},
	} {
		for _, name := range topics {
			require.NoError(t, process.Until(ctx, func() error { return oracle.Applied(ctx, client, conn, group, name, partitions, 0) }), "the sinks catch up")
		}
	}
	require.NoError(t, stack.Stop(ctx, append(append(s.Infomarts, s.TServers...), s.Producers...)...))
	require.NoError(t, stack.Stop(ctx, s.Simulator))
	o.d.note("everything has been read, and has stopped")
}

// tick moves the clock of each partition, as an enricher does.
func tick(ctx context.Context, brokers string) error {
	client, err := oracle.NewClient(brokers, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer client.Close()
	for n := range int32(partitions) {
		r := wire.Tick(n, false)
		k := &kgo.Record{Topic: r.Topic, Partition: n}
		for _, h := range r.Headers {
			k.Headers = append(k.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		if err := client.ProduceSync(ctx, k).FirstErr(); err != nil {
			return err
		}
	}
	return nil
}

// check holds everything against everything.
func (o *outcome) check(ctx context.Context, t *testing.T) {
	t.Helper()
	s, f := o.s, o.findings
	registryClient, err := registry.New(registry.Config{URL: s.Direct.Registry})
	require.NoError(t, err)
	defer registryClient.Close()
	codec, err := wire.New(ctx, registryClient)
	require.NoError(t, err)
	for name, into := range map[string]**oracle.Topic{
		topic.Lifecycle: &o.lifecycle, topic.UserEvents: &o.userEvents, topic.AttachedData: &o.attached,
		topic.DeadLetters: &o.letters, topic.Sessions: &o.sessions,
	} {
		*into, err = oracle.Read(ctx, s.Direct.Kafka, name, partitions)
		require.NoError(t, err)
	}
	// What the last second's ticks would make due is not committed: the log is read as far as the enrichers have.
	x, err := oracle.Replay(ctx, o.lifecycle, o.committed, s.Timing.Rules(), codec)
	require.NoError(t, err)

	require.NoError(t, f.Accepted(o.client.Accepted(), x)) // invariants 1 and 2
	refused := f.Check("no event is refused")
	for _, r := range o.client.Refused() {
		refused("%s", r)
	}
	f.Same(o.userEvents, x.UserEvents) // invariants 3 and 4
	f.Same(o.attached, x.Attached)
	f.Sequences(o.userEvents)
	o.positions, err = f.Positions(ctx, o.sessions, o.committed, x, codec)
	require.NoError(t, err)
	o.dead, err = f.Letters(ctx, o.letters, x, codec, o.lifecycle, o.userEvents, o.attached) // invariants 2, 7 and 9
	require.NoError(t, err)
	litter := f.Check("each record of garbage is dead-lettered")
	undecodable, noEvent := o.dead.ByReason["enricher "+string(callback.ReasonUndecodable)], o.dead.ByReason["enricher "+string(callback.ReasonNotCloudEvent)]
	if undecodable != (o.garbage+1)/2 || noEvent != o.garbage/2 {
		litter("of %d, %d are %s and %d %s", o.garbage, undecodable, callback.ReasonUndecodable, noEvent, callback.ReasonNotCloudEvent)
	}
	o.fold(ctx, t, x, codec)
	o.stores(ctx, t, codec)
	o.compacted, err = oracle.Compacted(ctx, s.Direct.Kafka, topic.Sessions, partitions)
	require.NoError(t, err)
	o.compared()
	ended := f.Check("no process ends by itself")
	for _, died := range o.d.died {
		ended("%s", died)
	}
	require.NoError(t, f.Logs(s.Services.Logs))
}

func (o *outcome) fold(ctx context.Context, t *testing.T, x *oracle.Expected, codec *wire.Codec) {
	t.Helper()
	last := map[string]*callback.UserEvent{}
	for n := range o.userEvents.Partitions {
		for i := range o.userEvents.Partitions[n] {
			u, err := codec.ParseUserEvent(ctx, &o.userEvents.Partitions[n][i])
			require.NoError(t, err)
			last[u.ServiceID()] = u
		}
	}
	pending := map[string]bool{}
	for _, states := range x.States {
		for id, encoded := range states {
			if encoded == nil {
				continue
			}
			state, err := session.Parse(id, encoded)
			require.NoError(t, err)
			pending[id] = state.Pending
		}
	}
	o.folded = o.findings.Fold(o.lifecycle, o.committed, x, last, pending)
}

// stores holds the store and T-Server's log and ledger against the UserEvents (invariants 5, 6, 8 and 9).
func (o *outcome) stores(ctx context.Context, t *testing.T, codec *wire.Codec) {
	t.Helper()
	path := filepath.Join(o.dir, "undisturbed.db")
	require.NoError(t, oracle.Fill(ctx, path, o.userEvents, codec))
	want, err := sqlite.OpenReader(ctx, sqlite.Config{Path: path})
	require.NoError(t, err)
	defer want.Close() //nolint:errcheck // it was only read
	got, err := postgres.OpenReader(ctx, postgres.Config{URL: postgres.Secret(o.s.Direct.Postgres)})
	require.NoError(t, err)
	defer got.Close() //nolint:errcheck // it was only read
	o.facts, err = o.findings.Stores(ctx, got, want)
	require.NoError(t, err)

	log, err := os.Open(o.s.TServerLog)
	require.NoError(t, err)
	defer log.Close() //nolint:errcheck // it was only read
	history, err := oracle.ReadHistory(ctx, o.s.Direct.Postgres, o.d.touched)
	require.NoError(t, err)
	o.sends, err = o.findings.TServer(ctx, got, log, o.userEvents, o.attached, codec, history)
	require.NoError(t, err)
}

// compared holds the run itself against what it is for: each kind of damage was done, and each check saw some of what
// it is about.
func (o *outcome) compared() {
	numbers := map[string]int{
		"accepted events": int(o.client.Count()), "UserEvents": o.userEvents.Records(), "attached data": o.attached.Records(),
		"records of the changelog": o.sessions.Records(), "records that compaction removed from the changelog": int(o.compacted),
		"sessions that the reference folds": o.folded.Checked, "conflicts": o.folded.Conflicts, "facts": o.facts,
		"messages of T-Server": o.sends.Distributed, "SIGKILLs": o.d.killed(),
	}
	for _, reason := range []callback.Reason{callback.ReasonUndecodable, callback.ReasonNotCloudEvent, callback.ReasonConflict} {
		numbers["dead letters of the enricher: "+string(reason)] = o.dead.ByReason["enricher "+string(reason)]
	}
	numbers["dead letters of the sink infomart"] = o.dead.ByReason["infomart "+string(callback.ReasonMissingKVP)]
	for n, p := range o.positions {
		numbers[fmt.Sprintf("records read of partition %d", n)] = int(p.Read)
	}
	for _, kind := range kinds {
		numbers["faults of the kind "+kind] = o.d.did[kind]
	}
	o.findings.Compared(numbers)
}
