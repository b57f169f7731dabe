package stack

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/pkg/topic"
)

// DeleteTopics removes the pipeline's topics, and waits until they are gone.
func DeleteTopics(ctx context.Context, brokers string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...))
	if err != nil {
		return fmt.Errorf("stack: %w", err)
	}
	defer client.Close()
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis = 30_000
	for _, spec := range topic.Specs(1, 1) {
		req.TopicNames = append(req.TopicNames, spec.Name)
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.Topic = kmsg.StringPtr(spec.Name)
		req.Topics = append(req.Topics, t)
	}
	res, err := req.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("stack: delete topics: %w", err)
	}
	for _, t := range res.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return fmt.Errorf("stack: delete topic: %w", err)
		}
	}
	return process.Until(ctx, func() error {
		n, err := count(ctx, client)
		if err == nil && n > 0 {
			err = fmt.Errorf("stack: %d topics are still there", n)
		}
		return err
	})
}

func count(ctx context.Context, client *kgo.Client) (int, error) {
	metadata, err := describe(ctx, client)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, t := range metadata.Topics {
		if t.ErrorCode == 0 {
			n++
		}
	}
	return n, nil
}

func describe(ctx context.Context, client *kgo.Client) (*kmsg.MetadataResponse, error) {
	req := kmsg.NewPtrMetadataRequest()
	for _, spec := range topic.Specs(1, 1) {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(spec.Name)
		req.Topics = append(req.Topics, t)
	}
	res, err := req.RequestWith(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("stack: metadata: %w", err)
	}
	return res, nil
}

// InSync reports how many partitions of the pipeline's topics lack a replica that is in sync.
func (s *Stack) InSync(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(s.Direct.Kafka, ",")...))
	if err != nil {
		return fmt.Errorf("stack: %w", err)
	}
	defer client.Close()
	metadata, err := describe(ctx, client)
	if err != nil {
		return err
	}
	behind := 0
	for _, t := range metadata.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return fmt.Errorf("stack: %w", err)
		}
		for _, p := range t.Partitions {
			if len(p.ISR) < len(p.Replicas) {
				behind++
			}
		}
	}
	if behind > 0 {
		return fmt.Errorf("stack: %d partitions have a replica that is not in sync", behind)
	}
	return nil
}
