package oracle

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringback/ringback/pkg/kafka"
)

// Topic is what a reader with read_committed finds in a topic, partition by partition, and the end of each: the
// offset that a reader stands at who has read everything.
type Topic struct {
	Name       string
	Partitions [][]kafka.Record
	Ends       []int64
	control    []int // markers of transactions
}

// Records counts all records.
func (t *Topic) Records() int {
	n := 0
	for _, p := range t.Partitions {
		n += len(p)
	}
	return n
}

// Without is the topic less the records of a key.
func (t *Topic) Without(key string) *Topic {
	less := &Topic{Name: t.Name, Ends: t.Ends}
	for _, records := range t.Partitions {
		less.Partitions = append(less.Partitions, slices.DeleteFunc(slices.Clone(records), func(r kafka.Record) bool { return string(r.Key) == key }))
	}
	return less
}

// Ends asks for the end of each partition as read_committed has it (the last stable offset).
func Ends(ctx context.Context, client *kgo.Client, name string, partitions int) ([]int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.IsolationLevel = 1
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = name
	for n := range partitions {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp = int32(n), -1
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	ends := make([]int64, partitions)
	for _, shard := range client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return nil, fmt.Errorf("oracle: ends of %s: %w", name, shard.Err)
		}
		for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return nil, fmt.Errorf("oracle: end of %s/%d: %w", name, p.Partition, err)
				}
				ends[p.Partition] = p.Offset
			}
		}
	}
	return ends, nil
}

// NewClient connects with the oracle's own client.
func NewClient(brokers string, opts ...kgo.Opt) (*kgo.Client, error) {
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(strings.Split(brokers, ",")...))...)
	if err != nil {
		return nil, fmt.Errorf("oracle: %w", err)
	}
	return client, nil
}

// Read reads a topic from its beginning to its present end.
func Read(ctx context.Context, brokers, name string, partitions int) (*Topic, error) {
	return ReadFrom(ctx, brokers, name, make([]int64, partitions))
}

// ReadFrom reads a topic from these offsets to its present end.
func ReadFrom(ctx context.Context, brokers, name string, from []int64) (*Topic, error) {
	return read(ctx, brokers, name, from, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
}

func read(ctx context.Context, brokers, name string, from []int64, isolation kgo.Opt) (*Topic, error) {
	partitions := len(from)
	start := map[int32]kgo.Offset{}
	for n, offset := range from {
		start[int32(n)] = kgo.NewOffset().At(offset)
	}
	client, err := NewClient(brokers,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{name: start}),
		isolation, kgo.KeepControlRecords(), kgo.FetchMaxWait(500*time.Millisecond))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	t := &Topic{Name: name, Partitions: make([][]kafka.Record, partitions), control: make([]int, partitions)}
	if t.Ends, err = Ends(ctx, client, name, partitions); err != nil {
		return nil, err
	}
	next := slices.Clone(from)
	for behind(next, t.Ends) {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("oracle: read %s: %w", name, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			next[r.Partition] = r.Offset + 1
			switch {
			case r.Offset >= t.Ends[r.Partition]:
			case r.Attrs.IsControl():
				t.control[r.Partition]++
			default:
				t.Partitions[r.Partition] = append(t.Partitions[r.Partition], plain(r))
			}
		})
	}
	return t, nil
}

// Compacted is how many records compaction has removed from a topic: the offsets that no reader finds a record at, be
// it aborted or a transaction's marker.
func Compacted(ctx context.Context, brokers, name string, partitions int) (removed int64, err error) {
	t, err := read(ctx, brokers, name, make([]int64, partitions), kgo.FetchIsolationLevel(kgo.ReadUncommitted()))
	if err != nil {
		return 0, err
	}
	for n := range t.Partitions {
		removed += t.Ends[n] - int64(len(t.Partitions[n])) - int64(t.control[n])
	}
	return removed, nil
}

// Committed asks for the offsets of a group.
func Committed(ctx context.Context, client *kgo.Client, group, name string, partitions int) ([]int64, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group = group
	old, now := kmsg.NewOffsetFetchRequestTopic(), kmsg.NewOffsetFetchRequestGroupTopic()
	old.Topic, now.Topic = name, name
	for n := range int32(partitions) {
		old.Partitions, now.Partitions = append(old.Partitions, n), append(now.Partitions, n)
	}
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group, g.Topics = group, append(g.Topics, now)
	req.Topics, req.Groups = append(req.Topics, old), append(req.Groups, g)
	res, err := req.RequestWith(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("oracle: offsets of %s: %w", group, err)
	}
	offsets := make([]int64, partitions)
	for _, g := range res.Groups {
		if err := kerr.ErrorForCode(g.ErrorCode); err != nil {
			return nil, fmt.Errorf("oracle: offsets of %s: %w", group, err)
		}
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				offsets[p.Partition] = p.Offset
			}
		}
	}
	return offsets, nil
}

func behind(next, ends []int64) bool {
	for n := range next {
		if next[n] < ends[n] {
			return true
		}
	}
	return false
}

func plain(r *kgo.Record) kafka.Record {
	k := kafka.Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp, Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		k.Headers = append(k.Headers, kafka.Header{Key: h.Key, Value: h.Value})
	}
	return k
}
