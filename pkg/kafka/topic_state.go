package kafka

import (
	"context"
	"fmt"
	"maps"
	"slices"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/describeconfigs"
	"github.com/segmentio/kafka-go/protocol/incrementalalterconfigs"
	"github.com/segmentio/kafka-go/protocol/metadata"

	"github.com/ringback/ringback/pkg/topic"
)

// TopicState is a topic as the cluster has it.
type TopicState struct {
	Partitions  int
	Replication int // of the partition that has the fewest replicas
	Settings    map[string]Setting
}

// Setting is one setting of a topic.
type Setting struct {
	Value string
	// Explicit: it is set on the topic. Otherwise it is the cluster's default, and changes with that.
	Explicit bool
}

// Settings is the configuration that a topic is created with.
func Settings(s topic.Spec) map[string]string { return wanted(s) }

// Exceeds tells whether a setting differs from what is wanted and does no harm by it: records that are
// kept for longer, larger ones that are taken.
func Exceeds(name, has, want string) bool {
	check := contract[name]
	if check == nil || has == want {
		return false
	}
	ok, _ := check(has, want)
	return ok
}

// sourceTopic is the source of a setting that is set on the topic itself.
const sourceTopic int8 = 1

// TopicStates returns those of the topics that exist, with the settings that their specs have.
func (c *Client) TopicStates(ctx context.Context, specs []topic.Spec) (map[string]TopicState, error) {
	states, err := c.replicas(ctx, specs)
	if err != nil || len(states) == 0 {
		return states, err
	}
	req := &describeconfigs.Request{}
	for _, s := range specs {
		if _, ok := states[s.Name]; ok {
			req.Resources = append(req.Resources, describeconfigs.RequestResource{
				ResourceType: topicResource, ResourceName: s.Name, ConfigNames: slices.Sorted(maps.Keys(wanted(s))),
			})
		}
	}
	err = c.retry(ctx, c.cfg.RequestTimeout, func(ctx context.Context) error {
		msg, _, err := c.do(ctx, anyNode, req)
		if err != nil {
			return classed("describe topics", err)
		}
		for _, r := range msg.(*describeconfigs.Response).Resources {
			state, ok := states[r.ResourceName]
			if err := codeOf(r.ErrorCode); err != nil || !ok {
				return classed("describe the configuration of topic "+r.ResourceName, err)
			}
			state.Settings = map[string]Setting{}
			for _, e := range r.ConfigEntries {
				state.Settings[e.ConfigName] = Setting{Value: e.ConfigValue, Explicit: e.ConfigSource == sourceTopic}
			}
			states[r.ResourceName] = state
		}
		return nil
	})
	return states, err
}

func (c *Client) replicas(ctx context.Context, specs []topic.Spec) (map[string]TopicState, error) {
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.Name
	}
	var states map[string]TopicState
	err := c.retry(ctx, c.cfg.RequestTimeout, func(ctx context.Context) error {
		states = map[string]TopicState{}
		msg, _, err := c.do(ctx, anyNode, &metadata.Request{TopicNames: names})
		if err != nil {
			return classed("metadata", err)
		}
		for _, t := range msg.(*metadata.Response).Topics {
			switch err := codeOf(t.ErrorCode); {
			case isCode(err, kafkago.UnknownTopicOrPartition):
				continue
			case err != nil:
				return classed("metadata of topic "+t.Name, err)
			}
			state := TopicState{Partitions: len(t.Partitions)}
			for i, p := range t.Partitions {
				if n := len(p.ReplicaNodes); i == 0 || n < state.Replication {
					state.Replication = n
				}
			}
			states[t.Name] = state
		}
		return nil
	})
	return states, err
}

// AlterTopic sets these settings of a topic and leaves all others. With try the cluster only says
// whether it would.
func (c *Client) AlterTopic(ctx context.Context, name string, settings map[string]string, try bool) error {
	r := incrementalalterconfigs.RequestResource{ResourceType: topicResource, ResourceName: name}
	for _, k := range slices.Sorted(maps.Keys(settings)) {
		r.Configs = append(r.Configs, incrementalalterconfigs.RequestConfig{Name: k, Value: settings[k]})
	}
	req := &incrementalalterconfigs.Request{Resources: []incrementalalterconfigs.RequestResource{r}, ValidateOnly: try}
	return c.retry(ctx, c.cfg.RequestTimeout, func(ctx context.Context) error {
		msg, _, err := c.do(ctx, anyNode, req)
		if err != nil {
			return classed("alter topic "+name, err)
		}
		of := msg.(*incrementalalterconfigs.Response).Responses
		if len(of) == 0 {
			return errNoAnswer
		}
		err = codeOf(of[0].ErrorCode)
		if err != nil && of[0].ErrorMessage != "" {
			err = fmt.Errorf("%w (%s)", err, of[0].ErrorMessage)
		}
		return classed("alter topic "+name, err)
	})
}
