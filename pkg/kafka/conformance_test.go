package kafka

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/ringback/ringback/pkg/embedded/broker"
)

// conformance is what the client must do on every broker: it runs against the embedded one here, and
// against a real Apache Kafka with the build tag realkafka.
func conformance(t *testing.T, brokers []string) {
	for name, fn := range map[string]func(*testing.T, []string){
		"Topics":       testTopics,
		"TopicStates":  testTopicStates,
		"Produce":      testProduce,
		"Compression":  testCompression,
		"LostAnswers":  testLostAnswers,
		"RecordSize":   testRecordSize,
		"Fetch":        testFetch,
		"Expired":      testExpired,
		"Recreated":    testRecreated,
		"Transaction":  testTransaction,
		"Aborted":      testAborted,
		"Overlap":      testAbortedOverlap,
		"Fencing":      testFencing,
		"TxnOffsets":   testTxnOffsets,
		"TxnLost":      testTxnLost,
		"TxnLarge":     testTxnLarge,
		"TxnTimeout":   testTxnTimeout,
		"Sequences":    testSequences,
		"Group":        testGroup,
		"GroupDrain":   testGroupDrain,
		"GroupHangs":   testGroupHangs,
		"GroupMembers": testGroupMembers,
		"GroupZombie":  testGroupZombie,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fn(t, brokers)
		})
	}
}

func TestEmbeddedBroker(t *testing.T) {
	t.Parallel()
	b, err := broker.Start(broker.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	conformance(t, b.Addrs())
}

// The embedded broker compacts only when it starts, so this takes one that does so while it runs.
func TestCompaction(t *testing.T) {
	t.Parallel()
	cluster := newFake(t, kfake.BrokerConfigs(map[string]string{"log.cleaner.backoff.ms": "200"}))
	testCompaction(t, cluster.ListenAddrs())
}
