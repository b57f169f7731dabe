package kafka

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/metadata"

	"github.com/ringback/ringback/pkg/fault"
)

// layout is the leader of each of a topic's partitions, -1 where there is none.
type layout []int32

// layoutOf returns the topic's layout, remembered since it was last found to be wrong; a topic that
// does not exist is a Misconfiguration.
func (c *Client) layoutOf(ctx context.Context, topic string) (layout, error) {
	if l, ok := c.layouts.Load(topic); ok {
		return l.(layout), nil
	}
	// Asked more than once: a broker may learn of a topic after another has said that it is there.
	const attempts = 4
	for attempt := 1; ; attempt++ {
		found, err := c.describe(ctx, topic)
		if err != nil {
			return nil, err
		}
		if l, ok := found[topic]; ok {
			c.layouts.Store(topic, l)
			return l, nil
		}
		if attempt == attempts {
			return nil, fault.Misconfigf("kafka: topic %s does not exist", topic)
		}
		if !sleep(ctx, time.Duration(attempt)*50*time.Millisecond) {
			return nil, classed("metadata of topic "+topic, ctx.Err())
		}
	}
}

// describe asks a broker for the layouts of those topics that exist.
func (c *Client) describe(ctx context.Context, topics ...string) (map[string]layout, error) {
	var found map[string]layout
	err := c.retry(ctx, c.cfg.RequestTimeout, func(ctx context.Context) error {
		found = map[string]layout{}
		msg, _, err := c.do(ctx, anyNode, &metadata.Request{TopicNames: topics})
		if err != nil {
			return classed("metadata", err)
		}
		res := msg.(*metadata.Response)
		c.controller.Store(res.ControllerID)
		for _, b := range res.Brokers {
			c.locate(b.NodeID, b.Host, b.Port)
		}
		for _, t := range res.Topics {
			switch err := codeOf(t.ErrorCode); {
			case isCode(err, kafkago.UnknownTopicOrPartition):
			case err != nil:
				return classed("metadata of topic "+t.Name, err)
			default:
				found[t.Name] = layoutFrom(t)
			}
		}
		return nil
	})
	return found, err
}

// locate notes where a broker listens.
func (c *Client) locate(node int32, host string, port int32) {
	c.nodes.Store(node, kafkago.TCP(net.JoinHostPort(host, strconv.Itoa(int(port)))))
}

func layoutFrom(t metadata.ResponseTopic) layout {
	l := make(layout, len(t.Partitions))
	for i := range l {
		l[i] = -1
	}
	for _, p := range t.Partitions {
		if p.PartitionIndex >= 0 && int(p.PartitionIndex) < len(l) {
			l[p.PartitionIndex] = p.LeaderID
		}
	}
	return l
}

// leader returns the node that leads a partition.
func (c *Client) leader(ctx context.Context, topic string, partition int32) (int32, error) {
	l, err := c.layoutOf(ctx, topic)
	if err != nil {
		return 0, err
	}
	if partition < 0 || int(partition) >= len(l) {
		return 0, noPartition(topic, partition, len(l))
	}
	if l[partition] < 0 {
		c.layouts.Delete(topic)
		return 0, fmt.Errorf("%s[%d]: %w", topic, partition, kafkago.LeaderNotAvailable)
	}
	return l[partition], nil
}

func noPartition(topic string, partition int32, n int) error {
	return fault.Misconfigf("kafka: topic %s has %d partitions: there is no %d", topic, n, partition)
}

// lead sends req to the leader of a partition.
func (c *Client) lead(ctx context.Context, topic string, partition int32, req protocol.Message) (res protocol.Message, sent bool, err error) {
	node, err := c.leader(ctx, topic, partition)
	if err != nil {
		return nil, false, err
	}
	res, sent, err = c.do(ctx, node, req)
	if err != nil {
		c.layouts.Delete(topic)
	}
	return res, sent, err
}

// ledBy turns the code that a leader has answered into an error, and forgets the layout of a topic
// whose leaders have moved.
func (c *Client) ledBy(topic string, code int16) error {
	switch kafkago.Error(code) {
	case kafkago.NotLeaderForPartition, kafkago.LeaderNotAvailable, kafkago.UnknownTopicOrPartition, kafkago.ReplicaNotAvailable,
		kafkago.KafkaStorageError, kafkago.FencedLeaderEpoch, kafkago.UnknownLeaderEpoch, kafkago.BrokerNotAvailable:
		c.layouts.Delete(topic)
	}
	return codeOf(code)
}
