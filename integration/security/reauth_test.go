//go:build realkafka

package security

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
)

// TestRealLoginExpires: where a login lasts but a few seconds (connections.max.reauth.ms) the broker
// ends the connection, and the client opens another. The group takes that for a lost connection and
// joins again, the transport does it unseen: every record is written and read all the while.
func TestRealLoginExpires(t *testing.T) {
	c := newCluster(t)
	topics(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cfg := c.password(t, "admin", "SCRAM-SHA-512")
	cfg.Brokers = []string{c.address(t, "sasl_reauth")}
	client := connect(t, cfg)
	producer := client.NewProducer(kafka.ProducerConfig{})
	defer func() { require.NoError(t, producer.Close(ctx)) }()

	const expiries = 3
	joins := make(chan struct{}, 100)
	read := make(chan string, 1)
	joining, leave := context.WithCancel(ctx)
	defer leave()
	first := producer.Produce(ctx, []kafka.Record{{Topic: topic.UserEvents, Partition: 0, Value: []byte("0")}})[0]
	require.NoError(t, first.Err)
	next := first.Offset // the handler is one at a time: a generation ends before the next begins
	ended := make(chan error, 1)
	go func() {
		ended <- client.RunGroup(joining, kafka.GroupConfig{ID: "login-expires", Topics: []string{topic.UserEvents}, OnJoin: func(int) { joins <- struct{}{} }},
			func(ctx context.Context, _ kafka.Generation, name string, partition int32) error {
				for partition == 0 && ctx.Err() == nil {
					got, err := client.Fetch(ctx, kafka.FetchRequest{Topic: name, Offset: next, MaxWait: 200 * time.Millisecond})
					if err != nil && fault.ClassOf(err) != fault.Outage && ctx.Err() == nil {
						return err
					}
					for _, r := range got.Records {
						select {
						case read <- string(r.Value):
							next = r.Offset + 1
						case <-ctx.Done():
							return nil
						}
					}
				}
				return nil
			})
	}()
	seen := 0
	for n := 0; seen <= expiries; {
		select {
		case <-joins:
			seen++
		case got := <-read:
			require.Equal(t, strconv.Itoa(n), got)
			n++
			wrote := producer.Produce(ctx, []kafka.Record{{Topic: topic.UserEvents, Partition: 0, Value: []byte(strconv.Itoa(n))}})[0]
			require.NoError(t, wrote.Err)
		case err := <-ended:
			t.Fatalf("the group ended: %v", err)
		case <-ctx.Done():
			t.Fatalf("the group joined %d times and read %d records", seen, n)
		}
	}
	leave()
	require.NoError(t, <-ended)
}
