//go:build realkafka

package kafka

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringback/ringback/pkg/topic"
)

// realCluster is three brokers, as scripts/kafka-up --brokers 3 starts them, that a test may kill.
type realCluster struct {
	t       *testing.T
	brokers []string
	dir     string
	admin   *Client
}

const clusterNodes = 3

func newRealCluster(t *testing.T) *realCluster {
	t.Helper()
	brokers, dir := os.Getenv("RINGBACK_KAFKA_CLUSTER"), os.Getenv("RINGBACK_KAFKA_RUN")
	require.NotEmpty(t, brokers, "RINGBACK_KAFKA_CLUSTER is unset: run scripts/kafka-up --brokers 3")
	require.NotEmpty(t, dir, "RINGBACK_KAFKA_RUN is unset: it names the run directory of scripts/kafka-up")
	k := &realCluster{t: t, brokers: strings.Split(brokers, ","), dir: dir}
	k.admin = newClient(t, k.brokers)
	k.awaitNodes(clusterNodes)
	return k
}

func (k *realCluster) pid(node int32) int {
	k.t.Helper()
	raw, err := os.ReadFile(filepath.Join(k.dir, strconv.Itoa(int(node)), "pid"))
	require.NoError(k.t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	require.NoError(k.t, err)
	// The number may be another process's by now.
	cmd, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	require.NoError(k.t, err)
	require.Contains(k.t, string(cmd), filepath.Join(k.dir, strconv.Itoa(int(node)), "server.properties"))
	return pid
}

// kill ends a node with SIGKILL and sees to it that it is back at the end of the test.
func (k *realCluster) kill(node int32) {
	k.t.Helper()
	pid := k.pid(node)
	require.NoError(k.t, syscall.Kill(pid, syscall.SIGKILL))
	k.eventually("the process ends", func() bool { return syscall.Kill(pid, 0) != nil || zombie(pid) })
	k.t.Cleanup(func() {
		if syscall.Kill(pid, 0) == nil && !zombie(pid) {
			return
		}
		if raw, err := os.ReadFile(filepath.Join(k.dir, strconv.Itoa(int(node)), "pid")); err == nil && strings.TrimSpace(string(raw)) == strconv.Itoa(pid) {
			_ = exec.Command(filepath.Join(k.dir, strconv.Itoa(int(node)), "start")).Run()
		}
	})
}

func zombie(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(raw), ") Z ")
}

// start starts a node again and waits until it takes part.
func (k *realCluster) start(node int32) {
	k.t.Helper()
	k.run(node)
	k.awaitNodes(clusterNodes)
}

func (k *realCluster) run(node int32) {
	k.t.Helper()
	out, err := exec.Command(filepath.Join(k.dir, strconv.Itoa(int(node)), "start")).CombinedOutput()
	require.NoError(k.t, err, "%s", out)
}

func (k *realCluster) eventually(what string, is func() bool) {
	k.t.Helper()
	for begin := time.Now(); !is(); {
		require.Less(k.t, time.Since(begin), 2*time.Minute, what)
		require.True(k.t, sleep(k.t.Context(), 50*time.Millisecond))
	}
}

func (k *realCluster) awaitNodes(n int) {
	k.t.Helper()
	k.eventually(fmt.Sprintf("%d brokers", n), func() bool {
		msg, _, err := k.admin.do(k.t.Context(), anyNode, &metadata.Request{TopicNames: []string{}})
		return err == nil && len(msg.(*metadata.Response).Brokers) == n
	})
}

// partitions tells what the cluster says of a topic now.
func (k *realCluster) partitions(name string) []metadata.ResponsePartition {
	k.t.Helper()
	var found []metadata.ResponsePartition
	k.eventually("metadata of "+name, func() bool {
		msg, _, err := k.admin.do(k.t.Context(), anyNode, &metadata.Request{TopicNames: []string{name}})
		if err != nil || len(msg.(*metadata.Response).Topics) != 1 || msg.(*metadata.Response).Topics[0].ErrorCode != 0 {
			return false
		}
		for _, b := range msg.(*metadata.Response).Brokers {
			k.admin.locate(b.NodeID, b.Host, b.Port)
		}
		found = msg.(*metadata.Response).Topics[0].Partitions
		return true
	})
	slices.SortFunc(found, func(a, b metadata.ResponsePartition) int { return int(a.PartitionIndex - b.PartitionIndex) })
	return found
}

// awaitInSync waits until all replicas of a topic are in sync.
func (k *realCluster) awaitInSync(name string) {
	k.t.Helper()
	k.eventually("replicas of "+name+" in sync", func() bool {
		for _, p := range k.partitions(name) {
			if len(p.IsrNodes) != clusterNodes || p.LeaderID < 0 {
				return false
			}
		}
		return true
	})
}

// newTopic makes a topic with a replica on each node.
func (k *realCluster) newTopic(partitions int) string {
	k.t.Helper()
	name := unique("topic")
	require.NoError(k.t, k.admin.EnsureTopics(k.t.Context(), []topic.Spec{{
		Name: name, Partitions: partitions, Replication: clusterNodes, Config: map[string]string{"retention.ms": "-1", "min.insync.replicas": "2"},
	}}))
	k.awaitInSync(name)
	return name
}

// lead makes a node the leader of a partition, with nobody dying: its place in the list of replicas
// becomes the first, and the first is elected.
func (k *realCluster) lead(name string, partition, node int32) {
	k.t.Helper()
	p := k.partitions(name)[partition]
	replicas := append([]int32{node}, slices.DeleteFunc(slices.Clone(p.ReplicaNodes), func(n int32) bool { return n == node })...)
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	rp := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
	rp.Partition, rp.Replicas = partition, replicas
	rt := kmsg.NewAlterPartitionAssignmentsRequestTopic()
	rt.Topic, rt.Partitions = name, []kmsg.AlterPartitionAssignmentsRequestTopicPartition{rp}
	req.Topics = append(req.Topics, rt)
	res := ask[*kmsg.AlterPartitionAssignmentsResponse](k.t, k.admin, anyNode, 0, req)
	require.NoError(k.t, kerr.ErrorForCode(res.ErrorCode))
	require.NoError(k.t, kerr.ErrorForCode(res.Topics[0].Partitions[0].ErrorCode))
	k.eventually("the new order of replicas", func() bool { return slices.Equal(k.partitions(name)[partition].ReplicaNodes, replicas) })
	k.eventually(fmt.Sprintf("node %d leads %s[%d]", node, name, partition), func() bool {
		elect := kmsg.NewPtrElectLeadersRequest()
		et := kmsg.NewElectLeadersRequestTopic()
		et.Topic, et.Partitions = name, []int32{partition}
		elect.Topics, elect.TimeoutMillis = append(elect.Topics, et), 10_000
		_ = ask[*kmsg.ElectLeadersResponse](k.t, k.admin, anyNode, 1, elect)
		return k.partitions(name)[partition].LeaderID == node
	})
}

// coordinatorOf is the node that coordinates a group or transactional id.
func (k *realCluster) coordinatorOf(kind int8, key string) int32 {
	k.t.Helper()
	var node int32
	k.eventually("coordinator of "+key, func() bool {
		c := newClient(k.t, k.brokers)
		defer c.Close()
		var err error
		node, err = c.coordinator(k.t.Context(), kind, key)
		if err != nil {
			require.True(k.t, isTransient(err) || isCode(err, kafkago.GroupCoordinatorNotAvailable), err)
		}
		return err == nil
	})
	return node
}
