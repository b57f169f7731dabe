package kafka

import (
	"context"
	"fmt"
	"maps"
	"slices"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/createtopics"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
	"github.com/segmentio/kafka-go/protocol/offsetfetch"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/topic"
)

// OffsetRange is what a partition holds: Earliest is its first offset, Latest its end (the high
// watermark: the offset that the next record gets).
type OffsetRange struct{ Earliest, Latest int64 }

// EnsureTopics creates the topics that are absent and returns once all have leaders and these answer
// for them. A topic that exists with another number of partitions, or with a configuration that
// correctness cannot rest on (topic_config.go), is a Misconfiguration.
func (c *Client) EnsureTopics(ctx context.Context, specs []topic.Spec) error {
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.Name
	}
	if len(names) == 0 {
		return nil
	}
	have, err := c.describe(ctx, names...)
	if err != nil {
		return err
	}
	var absent []createtopics.RequestTopic
	for _, s := range specs {
		c.layouts.Delete(s.Name) // it may be of a topic that was deleted and made again since
		l, ok := have[s.Name]
		switch {
		case !ok:
			absent = append(absent, newTopicRequest(s))
		case len(l) != s.Partitions:
			return partitionMismatch(s, len(l))
		}
	}
	if len(absent) > 0 {
		if err := c.createTopics(ctx, absent); err != nil {
			return err
		}
		if err := c.awaitMade(ctx, names); err != nil {
			return err
		}
	}
	for _, s := range specs {
		// The brokers learn of a new topic one after the other, the leaders too.
		ranges, err := c.Offsets(ctx, s.Name)
		if err != nil {
			return err
		}
		if len(ranges) != s.Partitions { // somebody else was faster
			return partitionMismatch(s, len(ranges))
		}
	}
	return c.checkTopics(ctx, specs, slices.Collect(maps.Keys(contract))...)
}

// awaitMade waits until a broker tells of the topics: they are made once the controllers have them, and a
// loaded broker learns of it later.
func (c *Client) awaitMade(ctx context.Context, names []string) error {
	return c.retry(ctx, 2*c.cfg.RequestTimeout, func(ctx context.Context) error {
		have, err := c.describe(ctx, names...)
		if err != nil {
			return err
		}
		for _, name := range names {
			if _, ok := have[name]; !ok {
				return classed("topic "+name+" has been made", kafkago.UnknownTopicOrPartition)
			}
		}
		return nil
	})
}

func partitionMismatch(s topic.Spec, n int) error {
	return fault.Misconfigf("kafka: topic %s has %d partitions where %d are configured", s.Name, n, s.Partitions)
}

func newTopicRequest(s topic.Spec) createtopics.RequestTopic {
	t := createtopics.RequestTopic{Name: s.Name, NumPartitions: int32(s.Partitions), ReplicationFactor: int16(s.Replication)}
	config := wanted(s)
	for _, k := range slices.Sorted(maps.Keys(config)) {
		t.Configs = append(t.Configs, createtopics.RequestConfig{Name: k, Value: config[k]})
	}
	return t
}

func (c *Client) createTopics(ctx context.Context, topics []createtopics.RequestTopic) error {
	return c.retry(ctx, 2*c.cfg.RequestTimeout, func(ctx context.Context) error {
		msg, _, err := c.do(ctx, c.controller.Load(), &createtopics.Request{Topics: topics, TimeoutMs: int32(c.cfg.RequestTimeout.Milliseconds() / 2)})
		if err != nil {
			c.controller.Store(anyNode) // any broker passes it on; the one that was asked may be gone
			return classed("create topics", err)
		}
		for _, t := range msg.(*createtopics.Response).Topics {
			err := codeOf(t.ErrorCode)
			if err == nil || isCode(err, kafkago.TopicAlreadyExists) {
				continue
			}
			if t.ErrorMessage != "" {
				err = fmt.Errorf("%w (%s)", err, t.ErrorMessage)
			}
			return classed("create topic "+t.Name, err)
		}
		return nil
	})
}

// Partitions returns how many partitions the topic has; a topic that does not exist is a
// Misconfiguration.
func (c *Client) Partitions(ctx context.Context, topicName string) (int, error) {
	l, err := c.layoutOf(ctx, topicName)
	return len(l), err
}

// Offsets returns what each partition of the topic holds.
func (c *Client) Offsets(ctx context.Context, topicName string) (map[int32]OffsetRange, error) {
	var ranges map[int32]OffsetRange
	err := c.retry(ctx, c.cfg.RequestTimeout, func(ctx context.Context) error {
		l, err := c.layoutOf(ctx, topicName)
		if err != nil {
			return err
		}
		ranges = make(map[int32]OffsetRange, len(l))
		byNode := map[int32][]int32{}
		for p := range int32(len(l)) {
			node, err := c.leader(ctx, topicName, p)
			if err != nil {
				return classed("list offsets of "+topicName, err)
			}
			byNode[node] = append(byNode[node], p)
		}
		for node, partitions := range byNode {
			if err := c.listOffsets(ctx, node, topicName, partitions, ranges); err != nil {
				return classed("list offsets of "+topicName, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ranges, nil
}

func (c *Client) listOffsets(ctx context.Context, node int32, topicName string, partitions []int32, ranges map[int32]OffsetRange) error {
	// One request for the beginnings and one for the ends: brokers refuse a partition named twice.
	for _, which := range []int64{kafkago.FirstOffset, kafkago.LastOffset} {
		req := &listoffsets.Request{ReplicaID: -1, Topics: []listoffsets.RequestTopic{{Topic: topicName}}}
		for _, p := range partitions {
			req.Topics[0].Partitions = append(req.Topics[0].Partitions, listoffsets.RequestPartition{Partition: p, CurrentLeaderEpoch: -1, Timestamp: which})
		}
		msg, _, err := c.do(ctx, node, req)
		if err != nil {
			c.layouts.Delete(topicName)
			return err
		}
		found := 0
		for _, t := range msg.(*listoffsets.Response).Topics {
			for _, p := range t.Partitions {
				if err := c.ledBy(topicName, p.ErrorCode); err != nil {
					return fmt.Errorf("partition %d: %w", p.Partition, err)
				}
				r := ranges[p.Partition]
				if which == kafkago.FirstOffset {
					r.Earliest = p.Offset
				} else {
					r.Latest = p.Offset
				}
				ranges[p.Partition] = r
				found++
			}
		}
		if found != len(partitions) {
			return errNoAnswer
		}
	}
	return nil
}

// CommittedOffset returns the group's offset on a partition; false where it has none.
func (c *Client) CommittedOffset(ctx context.Context, group, topicName string, partition int32) (int64, bool, error) {
	offset := int64(-1)
	op := fmt.Sprintf("offset of group %s on %s[%d]", group, topicName, partition)
	err := c.retry(ctx, c.cfg.RequestTimeout, func(ctx context.Context) error {
		msg, _, err := c.coordinated(ctx, groupCoordinator, group, &offsetfetch.Request{
			GroupID: group,
			Topics:  []offsetfetch.RequestTopic{{Name: topicName, PartitionIndexes: []int32{partition}}},
		})
		if err != nil {
			return classed(op, err)
		}
		res := msg.(*offsetfetch.Response)
		if isCode(codeOf(res.ErrorCode), kafkago.GroupIdNotFound) {
			return nil // a group that has never been
		}
		if err := c.answered(groupCoordinator, group, res.ErrorCode); err != nil {
			return classed(op, err)
		}
		for _, t := range res.Topics {
			for _, p := range t.Partitions {
				if t.Name != topicName || p.PartitionIndex != partition {
					continue
				}
				if err := c.answered(groupCoordinator, group, p.ErrorCode); err != nil {
					return classed(op, err)
				}
				offset = p.CommittedOffset
				return nil
			}
		}
		return errNoAnswer
	})
	if err != nil || offset < 0 {
		return 0, false, err
	}
	return offset, true, nil
}
