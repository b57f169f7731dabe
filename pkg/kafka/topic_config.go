package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go/protocol/describeconfigs"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/topic"
)

// timestampType decides whose clock a record's time is: arrival times are the producer's.
const timestampType = "message.timestamp.type"

// contract tells how the configuration of a topic that exists may differ from the one it would be
// created with. What is not named here costs speed or disk, not correctness.
var contract = map[string]func(has, want string) (ok bool, expected string){
	"cleanup.policy":    same,    // a compacted log of events loses events, a state without compaction expires
	timestampType:       same,    //
	"retention.ms":      atLeast, // records must not expire before what reads them is done
	"retention.bytes":   atLeast,
	"max.message.bytes": atLeast, // a dead letter holds the record that it is about
}

func same(has, want string) (bool, string) {
	h, w := strings.Split(has, ","), strings.Split(want, ",")
	slices.Sort(h)
	slices.Sort(w)
	return slices.Equal(h, w), want
}

func atLeast(has, want string) (bool, string) {
	h, errH := strconv.ParseInt(has, 10, 64)
	w, errW := strconv.ParseInt(want, 10, 64)
	if errH != nil || errW != nil {
		return has == want, want
	}
	if w < 0 { // no limit
		return h < 0, want
	}
	return h < 0 || h >= w, "at least " + want
}

// wanted is the configuration that a topic is created with.
func wanted(s topic.Spec) map[string]string {
	config := map[string]string{timestampType: "CreateTime"}
	maps.Copy(config, s.Config)
	return config
}

const topicResource int8 = 2

// CheckKind holds topics that are there against what they must be from their first record on, and names all
// that is wrong: whether they are compacted, and whose clock their times are. How long they keep records is for
// whoever runs the cluster. It takes the right DESCRIBE_CONFIGS.
func (c *Client) CheckKind(ctx context.Context, specs []topic.Spec) error {
	return c.checkTopics(ctx, specs, "cleanup.policy", timestampType)
}

// checkTopics holds the topics against these parts of the contract.
func (c *Client) checkTopics(ctx context.Context, specs []topic.Spec, parts ...string) error {
	req := &describeconfigs.Request{}
	for _, s := range specs {
		r := describeconfigs.RequestResource{ResourceType: topicResource, ResourceName: s.Name}
		for name := range wanted(s) {
			if slices.Contains(parts, name) {
				r.ConfigNames = append(r.ConfigNames, name)
			}
		}
		slices.Sort(r.ConfigNames)
		req.Resources = append(req.Resources, r)
	}
	has := map[string]map[string]string{}
	err := c.retry(ctx, c.cfg.RequestTimeout, func(ctx context.Context) error {
		msg, _, err := c.do(ctx, anyNode, req)
		if err != nil {
			return classed("describe topics", err)
		}
		for _, r := range msg.(*describeconfigs.Response).Resources {
			if err := codeOf(r.ErrorCode); err != nil {
				return classed("describe the configuration of topic "+r.ResourceName, err)
			}
			has[r.ResourceName] = map[string]string{}
			for _, e := range r.ConfigEntries {
				has[r.ResourceName][e.ConfigName] = e.ConfigValue
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var wrong []error
	for _, s := range specs {
		config := wanted(s)
		for _, name := range slices.Sorted(maps.Keys(config)) {
			check, value := contract[name], has[s.Name][name]
			if check == nil || value == "" {
				continue
			}
			if ok, expected := check(value, config[name]); !ok {
				wrong = append(wrong, fmt.Errorf("topic %s: %s is %s where %s is due", s.Name, name, value, expected))
			}
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return fault.Misconfigf("kafka: %w", err)
	}
	return nil
}
