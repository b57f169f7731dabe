//go:build realkafka

package kafka

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fault"
)

// A setting that the cluster would not take is found before anything is altered. The embedded broker takes
// every value.
func TestRealAlterTopicRefused(t *testing.T) {
	t.Parallel()
	c := newClient(t, realBrokers(t))
	name := newTopic(t, c, 1, nil)
	for _, try := range []bool{true, false} {
		for setting, value := range map[string]string{"retention.ms": "long", "cleanup.policy": "burn", "no.such.setting": "1"} {
			err := c.AlterTopic(t.Context(), name, map[string]string{setting: value}, try)
			require.Equal(t, fault.Misconfiguration, fault.ClassOf(err), "%v", err)
			require.ErrorContains(t, err, setting)
		}
	}
}
