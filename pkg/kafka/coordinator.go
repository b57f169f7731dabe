package kafka

import (
	"context"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/findcoordinator"
)

// The kinds of coordinator, as FindCoordinator numbers them.
const (
	groupCoordinator       int8 = 0
	transactionCoordinator int8 = 1
)

type coordinatorKey struct {
	kind int8
	key  string
}

// coordinated sends req to the coordinator of a group or transactional id. The coordinator is
// remembered, which saves every second round trip of a transaction, until an answer or a broken
// connection says that it has moved. sent tells whether the request may have reached it.
func (c *Client) coordinated(ctx context.Context, kind int8, key string, req protocol.Message) (msg protocol.Message, sent bool, err error) {
	node, err := c.coordinator(ctx, kind, key)
	if err != nil {
		return nil, false, err
	}
	msg, sent, err = c.do(ctx, node, req)
	if err != nil {
		c.coordinators.Delete(coordinatorKey{kind, key})
	}
	return msg, sent, err
}

func (c *Client) coordinator(ctx context.Context, kind int8, key string) (int32, error) {
	if node, ok := c.coordinators.Load(coordinatorKey{kind, key}); ok {
		return node.(int32), nil
	}
	msg, _, err := c.do(ctx, anyNode, &findcoordinator.Request{Key: key, KeyType: kind})
	if err != nil {
		return 0, err
	}
	res := msg.(*findcoordinator.Response)
	if res.ErrorCode != 0 {
		return 0, kafkago.Error(res.ErrorCode)
	}
	c.locate(res.NodeID, res.Host, res.Port)
	c.coordinators.Store(coordinatorKey{kind, key}, res.NodeID)
	return res.NodeID, nil
}

// answered turns an error code of a coordinator's answer into an error, and forgets a coordinator
// that is one no more.
func (c *Client) answered(kind int8, key string, code int16) error {
	switch kafkago.Error(code) {
	case kafkago.NotCoordinatorForGroup, kafkago.GroupCoordinatorNotAvailable:
		c.coordinators.Delete(coordinatorKey{kind, key})
	}
	return codeOf(code)
}
