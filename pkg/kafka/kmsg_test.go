package kafka

import (
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kmsgCall sends a request that the client itself has no use for.
type kmsgCall struct {
	kmsg.Request
	version int16
}

type kmsgAnswer struct{ kmsg.Response }

func (m kmsgCall) ApiKey() protocol.ApiKey   { return protocol.ApiKey(m.Request.Key()) }
func (m kmsgAnswer) ApiKey() protocol.ApiKey { return protocol.ApiKey(m.Response.Key()) }

func (m kmsgCall) exchange(rw io.ReadWriter, _ int16, correlation int32, clientID string) (protocol.Message, error) {
	m.SetVersion(m.version)
	raw := kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID)).AppendRequest(nil, m.Request, correlation)
	if _, err := rw.Write(raw); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(rw, size[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(rw, body); err != nil {
		return nil, err
	}
	res := m.ResponseKind()
	res.SetVersion(m.version)
	head := 4
	if res.IsFlexible() {
		head = 5 // no tags
	}
	if len(body) < head {
		return nil, errors.New("short answer")
	}
	return kmsgAnswer{res}, res.ReadFrom(body[head:])
}

// ask sends a request at that version to a node and returns the answer.
func ask[R kmsg.Response](t testing.TB, c *Client, node int32, version int16, req kmsg.Request) R {
	t.Helper()
	msg, _, err := c.do(t.Context(), node, kmsgCall{req, version})
	require.NoError(t, err)
	return msg.(kmsgAnswer).Response.(R)
}

// deleteRecords removes what lies before an offset, as retention does.
func deleteRecords(t testing.TB, c *Client, topicName string, before int64) {
	t.Helper()
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 10_000
	p := kmsg.NewDeleteRecordsRequestTopicPartition()
	p.Offset = before
	topic := kmsg.NewDeleteRecordsRequestTopic()
	topic.Topic, topic.Partitions = topicName, []kmsg.DeleteRecordsRequestTopicPartition{p}
	req.Topics = append(req.Topics, topic)
	node, err := c.leader(t.Context(), topicName, 0)
	require.NoError(t, err)
	res := ask[*kmsg.DeleteRecordsResponse](t, c, node, 1, req)
	require.NoError(t, kerr.ErrorForCode(res.Topics[0].Partitions[0].ErrorCode))
}

// deleteTopic removes a topic and waits until no broker knows of it.
func deleteTopic(t testing.TB, c *Client, topicName string) {
	t.Helper()
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis = 10_000
	req.TopicNames = []string{topicName}
	res := ask[*kmsg.DeleteTopicsResponse](t, c, anyNode, 3, req)
	require.NoError(t, kerr.ErrorForCode(res.Topics[0].ErrorCode))
	// The answer is the controller's; a loaded broker learns of it later.
	require.Eventually(t, func() bool {
		have, err := c.describe(t.Context(), topicName)
		return err == nil && have[topicName] == nil
	}, 30*time.Second, 10*time.Millisecond)
}
