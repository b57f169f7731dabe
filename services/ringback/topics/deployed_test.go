package topics_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/ringback/ringback/services/ringback/topics"
)

const deploy = "../../../deploy/"

// deployed holds the topics that the deployment makes by itself, those of the compose file and of the chart's
// Strimzi objects, to what apply would make: a plan after them finds nothing to do.
func deployed(t *testing.T, w *world) {
	for name, tc := range map[string]struct {
		size topics.Size
		made func(*testing.T) []kafkago.TopicConfig
	}{
		"compose": {topics.Size{Partitions: 3, Replication: 1, MinInSync: 1}, composed},
		"Strimzi": {topics.Size{Partitions: 12, Replication: 1, MinInSync: 2}, strimzi},
	} {
		here := &world{T: t, at: w.at, api: w.api, own: w.own + name + "."}
		made := tc.made(t)
		for i := range made {
			made[i].Topic = here.own + made[i].Topic
		}
		client := &kafkago.Client{Addr: kafkago.TCP(w.brokers...), Timeout: 10 * time.Second}
		answer, err := client.CreateTopics(t.Context(), &kafkago.CreateTopicsRequest{Topics: made})
		require.NoError(t, err)
		for topic, err := range answer.Errors {
			require.NoError(t, err, topic)
		}
		want := here.want(tc.size)
		require.Len(t, made, len(want.Topics), name)
		require.NoError(t, ready(t.Context(), w.at, want), name)
		var out bytes.Buffer
		p, err := topics.Make(t.Context(), w.at, want)
		require.NoError(t, err)
		require.NoError(t, p.Print(&out))
		for line := range strings.Lines(out.String()) {
			require.Regexp(t, "^(set |the topics and )", line, "%s: only the registry's levels are left to do", name)
		}
	}
}

// ready waits until every broker tells of the topics.
func ready(ctx context.Context, at *topics.Place, want topics.Want) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		states, err := at.Kafka.TopicStates(ctx, want.Topics)
		if err == nil && len(states) == len(want.Topics) {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// composed is what the compose file's script asks kafka-topics.sh for.
func composed(t *testing.T) []kafkago.TopicConfig {
	dir := t.TempDir()
	asked, program := filepath.Join(dir, "asked"), filepath.Join(dir, "kafka-topics.sh")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\necho \"$*\" >>"+asked+"\n"), 0o700))
	script := exec.CommandContext(t.Context(), "/bin/sh", deploy+"compose/topics.sh")
	script.Env = []string{"KAFKA_TOPICS=" + program, "KAFKA_BROKERS=nowhere:1", "PARTITIONS=3", "REPLICATION=1"}
	out, err := script.CombinedOutput()
	require.NoError(t, err, "%s", out)
	text, err := os.ReadFile(asked)
	require.NoError(t, err)
	var made []kafkago.TopicConfig
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		var c kafkago.TopicConfig
		for i, word := range words[:len(words)-1] {
			switch value := words[i+1]; word {
			case "--topic":
				c.Topic = value
			case "--partitions":
				c.NumPartitions = number(t, value)
			case "--replication-factor":
				c.ReplicationFactor = number(t, value)
			case "--config":
				key, value, _ := strings.Cut(value, "=")
				c.ConfigEntries = append(c.ConfigEntries, kafkago.ConfigEntry{ConfigName: key, ConfigValue: value})
			}
		}
		made = append(made, c)
	}
	return made
}

// strimzi is what the chart asks Strimzi for, on one replica as this broker has no more.
func strimzi(t *testing.T) []kafkago.TopicConfig {
	file, err := os.Open(deploy + "helm/ringback/ci/golden/production.yaml")
	require.NoError(t, err)
	defer file.Close()
	var made []kafkago.TopicConfig
	for d := yaml.NewDecoder(file); ; {
		var object struct {
			Kind string
			Spec yaml.Node
		}
		err := d.Decode(&object)
		if errors.Is(err, io.EOF) {
			return made
		}
		require.NoError(t, err)
		if object.Kind != "KafkaTopic" {
			continue
		}
		var spec struct {
			TopicName            string `yaml:"topicName"`
			Partitions, Replicas int
			Config               map[string]string
		}
		require.NoError(t, object.Spec.Decode(&spec))
		require.Equal(t, 3, spec.Replicas)
		c := kafkago.TopicConfig{Topic: spec.TopicName, NumPartitions: spec.Partitions, ReplicationFactor: 1}
		for key, value := range spec.Config {
			c.ConfigEntries = append(c.ConfigEntries, kafkago.ConfigEntry{ConfigName: key, ConfigValue: value})
		}
		made = append(made, c)
	}
}

func number(t *testing.T, text string) int {
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}
