package topics_test

import (
	"context"
	"crypto/rand"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/ringback/ringback/pkg/embedded/broker"
	embedded "github.com/ringback/ringback/pkg/embedded/registry"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/services/ringback/topics"
)

func TestEmbedded(t *testing.T) {
	t.Parallel()
	b, err := broker.Start(broker.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	server, err := embedded.Start(embedded.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	conformance(t, b.Addrs(), server.URL())
}

// conformance holds plan and apply to what they promise, on topics and subjects that nobody else has.
func conformance(t *testing.T, brokers []string, schemas string) {
	for name, test := range map[string]func(*testing.T, *world){
		"from nothing": fromNothing, "altered": altered, "more than asked for": more, "refused": refused, "compatibility": compatibility,
		"as the deployment makes them": deployed,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, err := topics.Open(topics.Settings{Kafka: kafka.Config{Brokers: brokers}, Registry: registry.Config{URL: schemas}})
			require.NoError(t, err)
			t.Cleanup(at.Close)
			api, err := sr.NewClient(sr.URLs(schemas))
			require.NoError(t, err)
			test(t, &world{T: t, at: at, api: api, brokers: brokers, own: "plan-" + rand.Text() + "."})
		})
	}
}

type world struct {
	*testing.T
	at  *topics.Place
	api *sr.Client
	// brokers are where the cluster is.
	brokers []string
	own     string // the beginning of the names
}

// want is what an installation should have, under names of the world's own.
func (w *world) want(size topics.Size) topics.Want {
	want := size.Want()
	for i := range want.Topics {
		want.Topics[i].Name = w.own + want.Topics[i].Name
	}
	for i := range want.Subjects {
		want.Subjects[i] = w.own + want.Subjects[i]
	}
	want.Register = func(ctx context.Context, r *registry.Client) error {
		for _, s := range want.Subjects {
			if _, err := r.Register(ctx, s, `{"type":"record","name":"R","fields":[]}`); err != nil {
				return err
			}
		}
		return nil
	}
	return want
}

var small = topics.Size{Partitions: 3, Replication: 1, MinInSync: 1}

// plan makes a plan, and returns the lines of it that begin so.
func (w *world) plan(want topics.Want, begin string) (*topics.Plan, []string) {
	w.Helper()
	p, err := topics.Make(w.Context(), w.at, want)
	require.NoError(w, err)
	var out strings.Builder
	require.NoError(w, p.Print(&out))
	var lines []string
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, begin) {
			lines = append(lines, strings.TrimSpace(strings.ReplaceAll(line, w.own, "")))
		}
	}
	return p, lines
}

func (w *world) apply(want topics.Want) {
	w.Helper()
	p, _ := w.plan(want, "")
	require.NoError(w, p.Apply(w.Context(), w.at))
	require.NoError(w, topics.Settled(w.Context(), w.at, want))
	p, lines := w.plan(want, "")
	require.True(w, p.Same(), "%q", lines)
	require.NoError(w, p.Apply(w.Context(), w.at), "it may be repeated")
}

func (w *world) setting(want topics.Want, topicName, name string) kafka.Setting {
	w.Helper()
	states, err := w.at.Kafka.TopicStates(w.Context(), want.Topics)
	require.NoError(w, err)
	return states[w.own+topicName].Settings[name]
}

func fromNothing(t *testing.T, w *world) {
	want := w.want(small)
	p, lines := w.plan(want, "create")
	require.False(t, p.Same())
	require.Len(t, lines, len(want.Topics))
	require.Equal(t, "create   callback.lifecycle.v1: 3 partitions, 1 replicas", lines[0])
	_, lines = w.plan(want, "           ")
	require.Contains(t, lines, "segment.bytes=67108864")
	states, err := w.at.Kafka.TopicStates(t.Context(), want.Topics)
	require.NoError(t, err)
	require.Empty(t, states, "a plan changes nothing")

	w.apply(want)
	states, err = w.at.Kafka.TopicStates(t.Context(), want.Topics)
	require.NoError(t, err)
	for _, s := range want.Topics {
		require.Equal(t, 3, states[s.Name].Partitions, s.Name)
		for _, name := range []string{"retention.ms", "retention.bytes", "cleanup.policy", "min.insync.replicas"} { // each topic has its own
			require.Equal(t, kafka.Setting{Value: s.Config[name], Explicit: true}, states[s.Name].Settings[name], "%s: %s", s.Name, name)
		}
	}
}

// What differs is altered, what is only the cluster's default is made explicit, and one that is absent is made.
func altered(t *testing.T, w *world) {
	want := w.want(small)
	before := want.Topics[:2:2] // lifecycle and sessions alone
	before[0].Config, before[1].Config = maps.Clone(before[0].Config), maps.Clone(before[1].Config)
	before[0].Config["retention.ms"] = "3600000"
	before[1].Config = map[string]string{"cleanup.policy": "compact", "retention.ms": "-1", "retention.bytes": "-1", "compression.type": "lz4"}
	require.NoError(t, w.at.Kafka.EnsureTopics(t.Context(), before))
	want = w.want(small)
	_, lines := w.plan(want, "alter")
	require.Contains(t, lines, "alter    callback.lifecycle.v1: retention.ms=37584000000, is 3600000")
	require.Contains(t, lines, "alter    callback.sessions.v1: segment.ms=3600000, is 604800000 by the cluster's default")
	_, lines = w.plan(want, "create")
	require.Len(t, lines, len(want.Topics)-2)
	w.apply(want)
	require.Equal(t, kafka.Setting{Value: "37584000000", Explicit: true}, w.setting(want, topic.Lifecycle, "retention.ms"))
	other := want
	other.Topics = []topic.Spec{{Name: w.own + topic.Sessions, Config: map[string]string{"compression.type": ""}}}
	require.Equal(t, kafka.Setting{Value: "lz4", Explicit: true}, w.setting(other, topic.Sessions, "compression.type"), "what is not ours stays")
}

// Who keeps records for longer than is asked for does so on purpose: to shorten that would remove records.
func more(t *testing.T, w *world) {
	want := w.want(small)
	w.apply(want)
	require.NoError(t, w.at.Kafka.AlterTopic(t.Context(), w.own+topic.UserEvents, map[string]string{"retention.ms": "-1"}, false))
	require.Eventually(t, func() bool { return w.setting(want, topic.UserEvents, "retention.ms").Value == "-1" }, 10*time.Second, 20*time.Millisecond)
	p, lines := w.plan(want, "kept")
	require.True(t, p.Same())
	require.Equal(t, []string{"kept     callback.userevents.v1: retention.ms is -1, which does no harm where 37584000000 is asked for"}, lines)
}

// Nothing at all is changed where anything is refused.
func refused(t *testing.T, w *world) {
	want := w.want(small)
	w.apply(want)
	wrong := w.want(topics.Size{Partitions: 2, Replication: 2, MinInSync: 2})
	wrong.Topics[0].Config["retention.ms"] = "-1"
	p, lines := w.plan(wrong, "refused")
	require.True(t, p.Refused())
	require.Len(t, lines, 2*len(want.Topics))
	require.Contains(t, lines[0], "callback.lifecycle.v1: has 3 partitions where 2 are wanted: their number is fixed")
	require.Contains(t, lines[1], "callback.lifecycle.v1: has 1 replicas where 2 are wanted: ")
	require.ErrorIs(t, p.Apply(t.Context(), w.at), topics.ErrRefused)
	require.NotEqual(t, "-1", w.setting(want, topic.Lifecycle, "retention.ms").Value)

	more := w.want(topics.Size{Partitions: 4, Replication: 1, MinInSync: 1})
	p, lines = w.plan(more, "refused")
	require.ErrorIs(t, p.Apply(t.Context(), w.at), topics.ErrRefused)
	require.Len(t, lines, len(want.Topics))
}

func compatibility(t *testing.T, w *world) {
	want := w.want(small)
	require.NoError(t, want.Register(t.Context(), w.at.Registry))
	res := w.api.SetCompatibility(t.Context(), sr.SetCompatibility{Level: sr.CompatBackward}, want.Subjects[1])
	require.NoError(t, res[0].Err)
	_, lines := w.plan(want, "set")
	require.Contains(t, lines, "set      subject callback.userevents.v1-value: compatibility FULL_TRANSITIVE, is BACKWARD")
	w.apply(want)
	for _, s := range want.Subjects {
		level, err := w.at.Registry.Compatibility(t.Context(), s)
		require.NoError(t, err)
		require.Equal(t, "FULL_TRANSITIVE", level)
	}
}

func TestASizeThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	require.NoError(t, topics.Size{Partitions: 12, Replication: 3, MinInSync: 2}.Validate())
	err := topics.Size{Partitions: 0, Replication: 1, MinInSync: 2}.Validate()
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	require.ErrorContains(t, err, "--partitions: must be over 0")
	require.ErrorContains(t, err, "--min-insync: must not be over --replication")
	require.ErrorContains(t, topics.Size{Partitions: 1}.Validate(), "--replication: must be over 0")
}
