//go:build realkafka

package kafka

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// realBrokers are those that scripts/kafka-up has started. The tests fail without them, since a tier
// that skips itself proves nothing.
func realBrokers(t *testing.T) []string {
	t.Helper()
	brokers := os.Getenv("RINGBACK_KAFKA_BROKERS")
	require.NotEmpty(t, brokers, "RINGBACK_KAFKA_BROKERS is unset: run scripts/kafka-up")
	return strings.Split(brokers, ",")
}

func TestRealKafka(t *testing.T) {
	brokers := realBrokers(t)
	conformance(t, brokers)
	t.Run("Compaction", func(t *testing.T) {
		t.Parallel()
		testCompaction(t, brokers)
	})
}

// Every request is of a version that the broker says it takes.
func TestRealVersions(t *testing.T) {
	brokers := realBrokers(t)
	sent := recordVersions(t, brokers)
	requireSentVersions(t, sent)
	res := ask[*kmsg.ApiVersionsResponse](t, newClient(t, brokers), anyNode, 0, kmsg.NewPtrApiVersionsRequest())
	require.NoError(t, kerr.ErrorForCode(res.ErrorCode))
	taken := map[int16]kmsg.ApiVersionsResponseApiKey{}
	for _, k := range res.ApiKeys {
		taken[k.ApiKey] = k
	}
	require.GreaterOrEqual(t, len(sent.sent), 18)
	for kv := range sent.sent {
		k, ok := taken[kv[0]]
		require.True(t, ok, "%s is not taken at all", kmsg.NameForKey(kv[0]))
		require.True(t, kv[1] >= k.MinVersion && kv[1] <= k.MaxVersion, "%s %d: the broker takes %d to %d", kmsg.NameForKey(kv[0]), kv[1], k.MinVersion, k.MaxVersion)
	}
	for _, line := range sent.lines() {
		for key, k := range taken {
			if strings.Contains(line, " "+kmsg.NameForKey(key)+" ") {
				t.Logf("%s (broker: %d to %d)", line, k.MinVersion, k.MaxVersion)
			}
		}
	}
}

// Under a quota the broker leaves partitions out of its answers: all is read, late, without an outage.
func TestRealThrottledFetch(t *testing.T) {
	brokers := realBrokers(t)
	sent := &sentVersions{}
	wrapClients(t, sent.wrap)
	c := newClient(t, brokers, func(cfg *Config) { cfg.ClientID = unique("throttled") })
	name := newTopic(t, c, 1, nil)
	var all []Record
	for range 6 {
		all = append(all, record(name, "k", strings.Repeat("x", 100_000)))
	}
	mustProduce(t, newProducer(t, c, ProducerConfig{BatchBytes: 100_000}), all...)
	setQuota(t, c, "consumer_byte_rate", 30_000) // of which the broker allows 11 s at once
	// The broker takes the quota on a moment after it has said so: until then it answers as if there were none.
	fetches, pages := func() int { return sent.sent[[2]int16{int16(kmsg.Fetch), maxFetchVersion}] }, 0
	for pass := 0; pass < 50 && fetches() == pages; pass++ {
		read := 0
		for offset := int64(0); offset < int64(len(all)); pages++ {
			got, err := c.Fetch(t.Context(), FetchRequest{Topic: name, Offset: offset, MaxBytes: 200_000})
			require.NoError(t, err)
			require.Greater(t, got.Next, offset)
			read, offset = read+len(got.Records), got.Next
		}
		require.Equal(t, len(all), read)
	}
	require.Greater(t, fetches(), pages, "the quota must bite for this to prove anything")
}

func setQuota(t *testing.T, c *Client, quota string, value float64) {
	t.Helper()
	op := kmsg.NewAlterClientQuotasRequestEntryOp()
	op.Key, op.Value, op.Remove = quota, value, value < 0
	entity := kmsg.NewAlterClientQuotasRequestEntryEntity()
	entity.Type, entity.Name = "client-id", &c.cfg.ClientID
	entry := kmsg.NewAlterClientQuotasRequestEntry()
	entry.Entity, entry.Ops = []kmsg.AlterClientQuotasRequestEntryEntity{entity}, []kmsg.AlterClientQuotasRequestEntryOp{op}
	req := kmsg.NewPtrAlterClientQuotasRequest()
	req.Entries = append(req.Entries, entry)
	res := ask[*kmsg.AlterClientQuotasResponse](t, c, anyNode, 0, req)
	require.NoError(t, kerr.ErrorForCode(res.Entries[0].ErrorCode))
}
