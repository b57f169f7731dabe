package enricher_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
	"github.com/ringback/ringback/services/enricher"
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

// testLostStates: a changelog that was made again, or of which retention has taken the start, goes on with a position
// that fits the group's, and lacks sessions. They would begin anew at their next event (invariant 4).
func testLostStates(t *testing.T, brokers []string) {
	w := newWorld(t, brokers)
	m := w.start()
	w.produce(w.life(0)...)
	w.await(m)
	require.NoError(t, m.stop())
	p := kafka.PartitionForKey([]byte(w.id(0)), partitions)
	var position *kafka.Record
	for _, r := range w.read(topic.Sessions) {
		if r.Partition == p && wire.IsPosition(&r) {
			position = &r
		}
	}
	require.NotNil(t, position)
	w.remake(topic.Sessions)
	w.write(kafka.Record{Topic: topic.Sessions, Partition: p, Key: position.Key, Value: position.Value})
	w.requireStopped("has lost states")
	w.remake(topic.Lifecycle, topic.Sessions)
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
	// Deletion ends after its answer, and a loaded broker learns of it later still.
	require.Eventually(w.t, func() bool {
		res, err := admin.Metadata(w.t.Context(), &kafkago.MetadataRequest{Topics: names})
		return err == nil && !slices.ContainsFunc(res.Topics, func(t kafkago.Topic) bool { return !errors.Is(t.Error, kafkago.UnknownTopicOrPartition) })
	}, 30*time.Second, 10*time.Millisecond)
	require.Eventually(w.t, func() bool { return w.client.EnsureTopics(w.t.Context(), topic.Specs(partitions, 1)) == nil }, 30*time.Second, 50*time.Millisecond)
}

// testExpired: retention has come past the position. That stops the partition, until an operator accepts what is lost
// (invariant 4); the sessions that it has go on.
func testExpired(t *testing.T, brokers []string) {
	w := newWorld(t, brokers)
	p := kafka.PartitionForKey([]byte(w.id(0)), partitions)
	life := w.life(0)
	m := w.start()
	w.produce(life[0])
	w.await(m)
	require.NoError(t, m.stop())
	w.produce(w.event(0, 100, 1, callback.Queued, callback.Data{}), w.event(0, 101, 1, callback.Queued, callback.Data{}))
	w.expire(topic.Lifecycle, p, w.ends(topic.Lifecycle)[p]-1)

	w.requireStopped("its records have expired")
	w.config.AcceptExpired = true
	m = w.start()
	w.produce(life[1:]...)
	w.await(m)
	w.requireLives(1)
	require.EqualValues(t, 1, m.sample(t, "offset_resets_total", "", ""))
	require.NoError(t, m.stop())
	w.config.AcceptExpired = false
	m = w.start()
	w.await(m)
	require.NoError(t, m.stop())
	w.remake(topic.Lifecycle, topic.Sessions)
}

// expire removes what lies before an offset, as retention does.
func (w *world) expire(name string, partition int32, before int64) {
	w.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...))
	require.NoError(w.t, err)
	defer client.Close()
	p := kmsg.NewDeleteRecordsRequestTopicPartition()
	p.Partition, p.Offset = partition, before
	of := kmsg.NewDeleteRecordsRequestTopic()
	of.Topic, of.Partitions = name, []kmsg.DeleteRecordsRequestTopicPartition{p}
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis, req.Topics = 10_000, []kmsg.DeleteRecordsRequestTopic{of}
	res, err := req.RequestWith(w.t.Context(), client)
	require.NoError(w.t, err)
	require.NoError(w.t, kerr.ErrorForCode(res.Topics[0].Partitions[0].ErrorCode))
}

// testKinds: a changelog that is deleted by age would lose sessions, and arrival times by the broker's clock are not
// the producer's: it does not start.
func testKinds(t *testing.T, brokers []string) {
	w := newWorld(t, brokers)
	w.remake(topic.Sessions, topic.Lifecycle)
	admin := &kafkago.Client{Addr: kafkago.TCP(w.brokers...)}
	set := func(name, key, value string) {
		res, err := admin.IncrementalAlterConfigs(t.Context(), &kafkago.IncrementalAlterConfigsRequest{Resources: []kafkago.IncrementalAlterConfigsRequestResource{{
			ResourceType: kafkago.ResourceTypeTopic, ResourceName: name,
			Configs: []kafkago.IncrementalAlterConfigsRequestConfig{{Name: key, Value: value, ConfigOperation: kafkago.ConfigOperationSet}},
		}}})
		require.NoError(t, err)
		require.NoError(t, res.Resources[0].Error)
	}
	set(topic.Sessions, "cleanup.policy", "delete")
	set(topic.Lifecycle, "message.timestamp.type", "LogAppendTime")
	e, err := enricher.New(w.config, enricher.Deps{Kafka: w.client, Codec: w.codec})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err = e.Run(ctx)
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	require.ErrorContains(t, err, "callback.sessions.v1: cleanup.policy is delete where compact is due")
	require.ErrorContains(t, err, "callback.lifecycle.v1: message.timestamp.type is LogAppendTime where CreateTime is due")
	w.remake(topic.Sessions, topic.Lifecycle)
}
