package enricher_test

import (
	"strings"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
)

func testRecreated(t *testing.T, brokers []string) {
	w := newWorld(t, brokers)
	p := kafka.PartitionForKey([]byte(w.id(0)), partitions)
	m := w.start()
	w.produce(w.life(0)...)
	w.await(m)
	require.NoError(t, m.stop())

	end := w.ends(topic.Lifecycle)[p]
	w.remake(topic.Lifecycle)
	w.requireStopped("has no offset") // and nothing comes that would move it
	for w.ends(topic.Lifecycle)[p] <= end {
		w.produce(w.life(0)...)
	}
	before := len(w.read(topic.UserEvents))
	w.requireStopped("is not the log that was read")
	require.Len(t, w.read(topic.UserEvents), before)
	w.remake(topic.Lifecycle, topic.Sessions) // for the next test on the same brokers
}

// requireStopped starts an enricher that must not go on, for this reason.
func (w *world) requireStopped(why string) {
	w.t.Helper()
	m := w.start()
	require.Eventually(w.t, func() bool {
		err := m.Ready()
		return err != nil && strings.Contains(err.Error(), why)
	}, 30*time.Second, 10*time.Millisecond)
	require.NoError(w.t, m.stop())
}

// remake deletes topics and makes them again, empty.
func (w *world) remake(names ...string) {
	w.t.Helper()
	admin := &kafkago.Client{Addr: kafkago.TCP(w.brokers...)}
	res, err := admin.DeleteTopics(w.t.Context(), &kafkago.DeleteTopicsRequest{Topics: names})
	require.NoError(w.t, err)
	for _, name := range names {
		require.NoError(w.t, res.Errors[name])
	}
	// Deletion ends after its answer.
	require.Eventually(w.t, func() bool { return w.client.EnsureTopics(w.t.Context(), topic.Specs(partitions, 1)) == nil }, 30*time.Second, 50*time.Millisecond)
}
