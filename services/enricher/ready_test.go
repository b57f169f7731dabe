package enricher_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/services/enricher"
)

// A rollout asks once. What joined a moment ago owns nothing yet, and between two generations nobody does.
func TestReadyIsNotTheLackOfPartitions(t *testing.T) {
	t.Parallel()
	e, err := enricher.New(valid(), enricher.Deps{Registerer: prometheus.NewRegistry()})
	require.NoError(t, err)
	require.ErrorContains(t, e.Ready(), "not in the consumer group yet")
	e.Joined(0)
	require.NoError(t, e.Ready(), "the group has none for it")
	e.Joined(2)
	require.ErrorContains(t, e.Ready(), "2 of its 2 partitions")
	e.Begin(0, true)
	require.ErrorContains(t, e.Ready(), "1 of its 2 partitions")
	e.Begin(1, false)
	require.ErrorContains(t, e.Ready(), "partition 1")
	e.Leave()
	require.ErrorContains(t, e.Ready(), "2 of its 2 partitions")
	e.Begin(0, true)
	e.Begin(1, true)
	require.NoError(t, e.Ready())
	e.Leave()
	require.NoError(t, e.Ready(), "it has caught up once: a rebalance takes that from nobody")
	e.Begin(0, false)
	require.Error(t, e.Ready())
}
