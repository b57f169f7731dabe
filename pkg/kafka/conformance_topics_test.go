package kafka

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/topic"
)

// A topic is described with what is set on it and what the cluster's defaults are, and is altered in what
// is asked for alone.
func testTopicStates(t *testing.T, brokers []string) {
	c := newClient(t, brokers)
	spec := topic.Spec{Name: unique("state"), Partitions: 3, Replication: 1, Config: map[string]string{"retention.ms": "5000", "cleanup.policy": "delete"}}
	absent := topic.Spec{Name: unique("absent"), Partitions: 1, Replication: 1}
	states, err := c.TopicStates(t.Context(), []topic.Spec{spec, absent})
	require.NoError(t, err)
	require.Empty(t, states)

	require.NoError(t, c.EnsureTopics(t.Context(), []topic.Spec{spec}))
	wider := spec
	wider.Config = map[string]string{"retention.ms": "6000", "cleanup.policy": "delete", "segment.ms": "7000", "min.insync.replicas": "1"}
	state := func() TopicState {
		states, err := c.TopicStates(t.Context(), []topic.Spec{wider, absent})
		require.NoError(t, err)
		require.Len(t, states, 1)
		return states[spec.Name]
	}
	got := state()
	require.Equal(t, []int{3, 1}, []int{got.Partitions, got.Replication})
	require.Equal(t, Setting{"5000", true}, got.Settings["retention.ms"])
	require.Equal(t, Setting{"CreateTime", true}, got.Settings["message.timestamp.type"])
	require.Equal(t, Setting{"604800000", false}, got.Settings["segment.ms"], "the cluster's default")
	require.False(t, got.Settings["min.insync.replicas"].Explicit)

	change := map[string]string{"retention.ms": "6000", "segment.ms": "7000"}
	require.NoError(t, c.AlterTopic(t.Context(), spec.Name, change, true))
	require.Equal(t, got, state(), "it was only asked whether it would")
	require.NoError(t, c.AlterTopic(t.Context(), spec.Name, change, false))
	require.Eventually(t, func() bool { return state().Settings["segment.ms"] == Setting{"7000", true} }, 10*time.Second, 20*time.Millisecond)
	got = state()
	require.Equal(t, Setting{"6000", true}, got.Settings["retention.ms"])
	require.Equal(t, Setting{"delete", true}, got.Settings["cleanup.policy"], "what is not named stays")

}

func TestExceeds(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, has, want string
		exceeds         bool
	}{
		{"retention.ms", "5001", "5000", true}, {"retention.ms", "-1", "5000", true}, {"retention.ms", "4999", "5000", false}, {"retention.ms", "5000", "-1", false},
		{"retention.ms", "5000", "5000", false}, {"max.message.bytes", "3", "2", true}, {"cleanup.policy", "compact", "delete", false}, {"segment.ms", "2", "1", false},
		{"cleanup.policy", "delete,compact", "compact,delete", true},
	} {
		require.Equal(t, tc.exceeds, Exceeds(tc.name, tc.has, tc.want), "%+v", tc)
	}
}
