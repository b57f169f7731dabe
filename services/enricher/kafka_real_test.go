//go:build realkafka

package enricher_test

import (
	"os"
	"strings"
	"testing"
)

// TestRealKafka runs the suite on the Apache Kafka at RINGBACK_KAFKA_BROKERS, which must be there.
func TestRealKafka(t *testing.T) {
	brokers := os.Getenv("RINGBACK_KAFKA_BROKERS")
	if brokers == "" {
		t.Fatal("RINGBACK_KAFKA_BROKERS is not set: start one with make kafka-up")
	}
	suite(t, func(*testing.T) []string { return strings.Split(brokers, ",") })
}
