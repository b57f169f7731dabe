//go:build realkafka

package kafka

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRealKafka needs the brokers that scripts/kafka-up starts. It fails without them, since a tier
// that skips itself proves nothing.
func TestRealKafka(t *testing.T) {
	brokers := os.Getenv("RINGBACK_KAFKA_BROKERS")
	require.NotEmpty(t, brokers, "RINGBACK_KAFKA_BROKERS is unset: run scripts/kafka-up")
	conformance(t, strings.Split(brokers, ","))
	t.Run("Compaction", func(t *testing.T) {
		t.Parallel()
		testCompaction(t, strings.Split(brokers, ","))
	})
}
