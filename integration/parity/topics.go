package parity

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

// RemoveTopics removes the pipeline's topics, and waits until they are gone.
func RemoveTopics(ctx context.Context, brokers string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...))
	if err != nil {
		return fmt.Errorf("parity: %w", err)
	}
	defer client.Close()
	remove, look := kmsg.NewPtrDeleteTopicsRequest(), kmsg.NewPtrMetadataRequest()
	remove.TimeoutMillis = 30_000
	for _, spec := range topic.Specs(1, 1) {
		name := kmsg.StringPtr(spec.Name)
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.Topic = name
		remove.Topics, remove.TopicNames = append(remove.Topics, t), append(remove.TopicNames, spec.Name)
		m := kmsg.NewMetadataRequestTopic()
		m.Topic = name
		look.Topics = append(look.Topics, m)
	}
	removed, err := remove.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("parity: remove topics: %w", err)
	}
	for _, t := range removed.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return fmt.Errorf("parity: remove topic: %w", err)
		}
	}
	return process.Until(ctx, func() error {
		found, err := look.RequestWith(ctx, client)
		if err != nil {
			return fmt.Errorf("parity: look for topics: %w", err)
		}
		for _, t := range found.Topics {
			if t.ErrorCode == 0 {
				return fmt.Errorf("parity: topic %s is still there", *t.Topic)
			}
		}
		return nil
	})
}
