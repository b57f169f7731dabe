//go:build realkafka && realregistry

package topics_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The registry keeps a level only for a subject that it knows, and answers for others in its own way.
func TestRealTopics(t *testing.T) {
	brokers, schemas := os.Getenv("RINGBACK_KAFKA_BROKERS"), os.Getenv("RINGBACK_REGISTRY_URL")
	require.NotEmpty(t, brokers, "RINGBACK_KAFKA_BROKERS is unset: run scripts/kafka-up")
	require.NotEmpty(t, schemas, "RINGBACK_REGISTRY_URL is unset: run scripts/registry-up")
	conformance(t, strings.Split(brokers, ","), schemas)
}
