package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// doubts are the pauses between the questions where one answer is not enough.
var doubts = []time.Duration{50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond}

// outOfRange gets a second opinion on OFFSET_OUT_OF_RANGE, on which callers stop for good: a broker
// that has lost the leadership and does not know it yet lacks the newest offsets.
func (c *Client) outOfRange(ctx context.Context, req FetchRequest) (Fetched, error) {
	held := map[int32]OffsetRange{}
	for _, pause := range doubts {
		c.layouts.Delete(req.Topic)
		node, err := c.leader(ctx, req.Topic, req.Partition)
		if err != nil {
			return Fetched{}, err
		}
		if err := c.listOffsets(ctx, node, req.Topic, []int32{req.Partition}, held); err != nil {
			return Fetched{}, err
		}
		if req.Offset < held[req.Partition].Earliest {
			break // what was removed does not come back
		}
		if !sleep(ctx, pause) {
			return Fetched{}, ctx.Err()
		}
		if got, err := c.fetch(ctx, req, 0); !isCode(err, kafkago.OffsetOutOfRange) {
			return got, err
		}
	}
	r := held[req.Partition]
	return Fetched{}, fmt.Errorf("the log holds %d up to %d: %w", r.Earliest, r.Latest, kafkago.OffsetOutOfRange)
}

var errHeldBack = errors.New("the log goes on, and the broker sends nothing of it")

// passOver decides what it means that the log goes on and the answer is empty. Either compaction has
// removed all up to the end, or the broker does not send what there is, as it may right after an
// election or where a quota holds back what lies in remote storage. Only a gap is stepped over, since
// that is for good (invariant 4): the last offset below the end is asked for as well, whose batch
// would come, and both again and again.
func (c *Client) passOver(ctx context.Context, req FetchRequest, empty Fetched) (Fetched, error) {
	end := req
	end.Offset = empty.LastStable - 1
	for _, pause := range doubts {
		if !sleep(ctx, pause) {
			return Fetched{}, ctx.Err()
		}
		got, err := c.fetch(ctx, req, 0)
		if err != nil || got.Next > req.Offset {
			return got, err
		}
		if got.LastStable <= req.Offset {
			return got, nil // another leader, which knows of less as yet
		}
		last, err := c.fetch(ctx, end, 0)
		if err != nil {
			return Fetched{}, err
		}
		if last.Next > end.Offset || last.LastStable <= end.Offset {
			return Fetched{}, errHeldBack
		}
	}
	empty.Next = empty.LastStable
	return empty, nil
}

// hasMoved tells whether a broker has answered that it does not lead the partition.
func hasMoved(err error) bool {
	return isCode(err, kafkago.NotLeaderForPartition, kafkago.FencedLeaderEpoch, kafkago.UnknownLeaderEpoch, kafkago.ReplicaNotAvailable)
}
