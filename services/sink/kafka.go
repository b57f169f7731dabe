package sink

import (
	"context"
	"errors"
	"time"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/services/sink/consume"
)

// Kafka is what a sink needs of a kafka.Client.
type Kafka interface {
	Fetch(ctx context.Context, req kafka.FetchRequest) (kafka.Fetched, error)
	Offsets(ctx context.Context, topic string) (map[int32]kafka.OffsetRange, error)
	Partitions(ctx context.Context, topic string) (int, error)
	RunGroup(ctx context.Context, cfg kafka.GroupConfig, handle kafka.Handler) error
}

var _ Kafka = (*kafka.Client)(nil)

// partitionLog is one partition of a topic as a consume.Log.
type partitionLog struct {
	kafka     Kafka
	topic     string
	partition int32
}

// Fetch implements [consume.Log].
func (l partitionLog) Fetch(ctx context.Context, offset int64, maxBytes int, maxWait time.Duration) (consume.Page, error) {
	got, err := l.kafka.Fetch(ctx, kafka.FetchRequest{Topic: l.topic, Partition: l.partition, Offset: offset, MaxBytes: maxBytes, MaxWait: maxWait})
	if errors.Is(err, kafka.ErrOffsetOutOfRange) {
		return consume.Page{}, consume.ErrOutOfRange
	}
	return consume.Page{Records: got.Records, Next: got.Next, End: got.LastStable}, err
}

// Bounds implements [consume.Log].
func (l partitionLog) Bounds(ctx context.Context) (start, end int64, err error) {
	ranges, err := l.kafka.Offsets(ctx, l.topic)
	if err != nil {
		return 0, 0, err
	}
	r, ok := ranges[l.partition]
	if !ok {
		return 0, 0, fault.Outagef("sink: the broker gives no offsets for partition %d of %s", l.partition, l.topic)
	}
	return r.Earliest, r.Latest, nil
}

// commitEvery is how often the group's offset follows the position.
const commitEvery = time.Second

// follow sets the group's offset to the position from time to time, for tools that
// show lag. Nothing reads it back, so that it failed is of no consequence.
func follow(ctx context.Context, gen kafka.Generation, topic string, partition int32, status *consume.Status) {
	ticker := time.NewTicker(commitEvery)
	defer ticker.Stop()
	set := int64(-1)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if next := status.Next(); next >= 0 && next != set {
			if gen.CommitOffsets(map[string]map[int32]int64{topic: {partition: next}}) == nil {
				set = next
			}
		}
	}
}
