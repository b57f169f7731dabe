package kafka

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/segmentio/kafka-go/protocol/offsetfetch"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/topic"
)

// OffsetRange is what a partition holds: Earliest is its first offset, Latest its end (the high
// watermark: the offset that the next record gets).
type OffsetRange struct{ Earliest, Latest int64 }

// EnsureTopics creates the topics that are absent and returns once all have leaders that this
// client sees and that answer for them. A topic that exists with another number of partitions is a Misconfiguration.
func (c *Client) EnsureTopics(ctx context.Context, specs []topic.Spec) error {
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.Name
	}
	have, err := c.liveTopics(ctx, names)
	if err != nil {
		return err
	}
	var absent []kafkago.TopicConfig
	for _, s := range specs {
		n, ok := have[s.Name]
		switch {
		case !ok:
			absent = append(absent, topicConfig(s))
		case n != s.Partitions:
			return partitionMismatch(s, n)
		}
	}
	if len(absent) > 0 {
		if err := c.createTopics(ctx, absent); err != nil {
			return err
		}
	}
	for _, s := range specs {
		leaders, err := c.awaitTopic(ctx, s.Name)
		if err != nil {
			return err
		}
		if len(leaders) != s.Partitions { // somebody else was faster
			return partitionMismatch(s, len(leaders))
		}
		// The leaders themselves may learn of it a moment later.
		if _, err := c.Offsets(ctx, s.Name); err != nil {
			return err
		}
	}
	return nil
}

func partitionMismatch(s topic.Spec, n int) error {
	return fault.Misconfigf("kafka: topic %s has %d partitions where %d are configured", s.Name, n, s.Partitions)
}

func topicConfig(s topic.Spec) kafkago.TopicConfig {
	tc := kafkago.TopicConfig{Topic: s.Name, NumPartitions: s.Partitions, ReplicationFactor: s.Replication}
	for _, k := range slices.Sorted(maps.Keys(s.Config)) {
		tc.ConfigEntries = append(tc.ConfigEntries, kafkago.ConfigEntry{ConfigName: k, ConfigValue: s.Config[k]})
	}
	return tc
}

func (c *Client) createTopics(ctx context.Context, topics []kafkago.TopicConfig) error {
	ctx, cancel := context.WithTimeout(ctx, 3*c.cfg.RequestTimeout)
	defer cancel()
	return c.retry(ctx, 2*c.cfg.RequestTimeout, func(ctx context.Context) error {
		res, err := c.api.CreateTopics(ctx, &kafkago.CreateTopicsRequest{Topics: topics})
		if err != nil {
			return classed("create topics", err)
		}
		for name, err := range res.Errors {
			if err != nil && !isCode(err, kafkago.TopicAlreadyExists) {
				return classed("create topic "+name, err)
			}
		}
		return nil
	})
}

// Partitions returns how many partitions the topic has; a topic that does not exist is a
// Misconfiguration.
func (c *Client) Partitions(ctx context.Context, topicName string) (int, error) {
	leaders, err := c.leaders(ctx, topicName)
	return len(leaders), err
}

// leaders returns the leader of each of the topic's partitions, as the transport knows them; a
// topic that does not exist is a Misconfiguration.
func (c *Client) leaders(ctx context.Context, topicName string) (map[int32]int32, error) {
	if leaders, err := c.knownLeaders(ctx, topicName); err == nil && leaders != nil {
		return leaders, nil
	}
	// Unknown to the transport may mean that its copy of the layout is old.
	have, err := c.liveTopics(ctx, []string{topicName})
	if err != nil {
		return nil, err
	}
	if _, ok := have[topicName]; !ok {
		return nil, fault.Misconfigf("kafka: topic %s does not exist", topicName)
	}
	return c.awaitTopic(ctx, topicName)
}

// awaitTopic waits until the transport, which routes by its own copy of the layout, knows a leader
// for each of the topic's partitions.
func (c *Client) awaitTopic(ctx context.Context, name string) (map[int32]int32, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	for {
		leaders, err := c.knownLeaders(ctx, name)
		if err != nil {
			return nil, classed("wait for topic "+name, err)
		}
		if leaders != nil {
			return leaders, nil
		}
		if !sleep(ctx, 10*time.Millisecond) {
			return nil, fault.Outagef("kafka: topic %s has partitions without leader: %w", name, ctx.Err())
		}
	}
}

// knownLeaders asks the transport's copy of the layout; nil where a leader is missing.
func (c *Client) knownLeaders(ctx context.Context, name string) (map[int32]int32, error) {
	if c.ctx.Err() != nil {
		return nil, ErrClosed
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	res, err := c.transport.RoundTrip(ctx, c.addr, &metadata.Request{TopicNames: []string{name}})
	if err != nil {
		return nil, err
	}
	for _, t := range res.(*metadata.Response).Topics {
		if t.Name != name || t.ErrorCode != 0 || len(t.Partitions) == 0 {
			continue
		}
		leaders := make(map[int32]int32, len(t.Partitions))
		for _, p := range t.Partitions {
			if p.LeaderID < 0 {
				return nil, nil
			}
			leaders[p.PartitionIndex] = p.LeaderID
		}
		return leaders, nil
	}
	return nil, nil
}

// liveTopics asks a broker, past the transport's copy, for the partitions of those topics that exist.
func (c *Client) liveTopics(ctx context.Context, names []string) (map[string]int, error) {
	have := map[string]int{}
	if len(names) == 0 {
		return have, nil
	}
	err := c.retry(ctx, c.cfg.RequestTimeout, func(ctx context.Context) error {
		msg, _, err := c.do(ctx, anyNode, &metadata.Request{TopicNames: names})
		if err != nil {
			return classed("metadata", err)
		}
		for _, t := range msg.(*metadata.Response).Topics {
			switch code := kafkago.Error(t.ErrorCode); {
			case t.ErrorCode == 0:
				have[t.Name] = len(t.Partitions)
			case code != kafkago.UnknownTopicOrPartition:
				return classed("metadata of topic "+t.Name, code)
			}
		}
		return nil
	})
	return have, err
}

// Offsets returns what each partition of the topic holds.
func (c *Client) Offsets(ctx context.Context, topicName string) (map[int32]OffsetRange, error) {
	var ranges map[int32]OffsetRange
	err := c.retry(ctx, c.cfg.RequestTimeout, func(ctx context.Context) error {
		leaders, err := c.leaders(ctx, topicName)
		if err != nil {
			return err
		}
		ranges = make(map[int32]OffsetRange, len(leaders))
		byNode := map[int32][]int32{}
		for p, node := range leaders {
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
			return err
		}
		found := 0
		for _, t := range msg.(*listoffsets.Response).Topics {
			for _, p := range t.Partitions {
				if p.ErrorCode != 0 {
					return fmt.Errorf("partition %d: %w", p.Partition, kafkago.Error(p.ErrorCode))
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
		msg, err := c.coordinated(ctx, groupCoordinator, group, &offsetfetch.Request{
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
