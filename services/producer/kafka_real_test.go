//go:build realkafka

package producer_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/services/producer"
)

// onTopic encodes events for a topic of the test's own: the value is the id, or as many bytes as ewt says.
type onTopic string

func (name onTopic) Lifecycle(e *callback.Event) (kafka.Record, error) {
	value := []byte(e.ID)
	if e.Data.EWT != nil {
		value = make([]byte, *e.Data.EWT)
	}
	return kafka.Record{Topic: string(name), Partition: kafka.AnyPartition, Key: []byte(e.Subject), Value: value}, nil
}

// Invariant 1: of a batch, what the broker has acknowledged is accepted and in the log where the answer says; what it
// has refused is not accepted, and not there.
func TestRealAcceptedIsWhatTheBrokerAcknowledged(t *testing.T) {
	brokers := os.Getenv("RINGBACK_KAFKA_BROKERS")
	require.NotEmpty(t, brokers, "RINGBACK_KAFKA_BROKERS is unset: run scripts/kafka-up")
	client, err := kafka.New(kafka.Config{Brokers: strings.Split(brokers, ",")})
	require.NoError(t, err)
	defer client.Close()
	name := fmt.Sprintf("accepted-%d", time.Now().UnixNano())
	require.NoError(t, client.EnsureTopics(t.Context(), []topic.Spec{{Name: name, Partitions: 1, Replication: 1, Config: map[string]string{"retention.ms": "-1", "max.message.bytes": "2000"}}}))
	writer := client.NewProducer(kafka.ProducerConfig{})
	defer func() { require.NoError(t, writer.Close(t.Context())) }()
	b := setup(t, func(_ *producer.Config, d *producer.Deps) { d.Encoder, d.Publisher = onTopic(name), writer })

	large := event("large", `,"data":{"ewt":50000}`)
	res, a := b.ask(t, post(batch, "["+event("first", "")+","+large+","+event("last", "")+"]"))
	require.Equal(t, http.StatusMultiStatus, res.StatusCode)
	require.Equal(t, []int{202, 413, 202}, statuses(a))
	require.Nil(t, a.Events[1].Offset)
	res, _ = b.ask(t, post(structured, large))
	require.Equal(t, http.StatusRequestEntityTooLarge, res.StatusCode)

	got, err := client.Fetch(t.Context(), kafka.FetchRequest{Topic: name, MaxWait: time.Second})
	require.NoError(t, err)
	require.Len(t, got.Records, 2)
	for i, n := range []int{0, 2} {
		require.Equal(t, a.Events[n].ID, string(got.Records[i].Value))
		require.Equal(t, got.Records[i].Offset, *a.Events[n].Offset)
	}
}
