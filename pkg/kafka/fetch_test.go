package kafka

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringback/ringback/pkg/fault"
)

// fetchAnswers lets a test answer Fetch requests: with what it returns, or as the broker does where
// that is nil. The offsets that were asked for are noted.
func fetchAnswers(cluster *kfake.Cluster, answer func(n int, offset int64) *kmsg.FetchResponse) (asked func() []int64) {
	var mu sync.Mutex
	var offsets []int64
	cluster.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		offset := req.(*kmsg.FetchRequest).Topics[0].Partitions[0].FetchOffset
		mu.Lock()
		offsets = append(offsets, offset)
		n := len(offsets)
		mu.Unlock()
		res := answer(n, offset)
		if res == nil {
			return nil, nil, false
		}
		res.Version = req.GetVersion()
		return res, nil, true
	})
	return func() []int64 {
		mu.Lock()
		defer mu.Unlock()
		return offsets
	}
}

// onPartition is an answer on partition 0.
func onPartition(topicName string, fill func(*kmsg.FetchResponseTopicPartition)) *kmsg.FetchResponse {
	p := kmsg.NewFetchResponseTopicPartition()
	fill(&p)
	topic := kmsg.NewFetchResponseTopic()
	topic.Topic, topic.Partitions = topicName, []kmsg.FetchResponseTopicPartition{p}
	res := kmsg.NewPtrFetchResponse()
	res.Topics = []kmsg.FetchResponseTopic{topic}
	return res
}

// The log goes on, and there is nothing in it up to its end, as compaction can leave it: after having
// asked again, for its end too, the reader passes over. With a transaction open it must not.
func TestFetchPassesOverNothing(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		lastStable int64
		next       int64
		asked      []int64
	}{{"a gap up to the end", 9, 9, []int64{5, 5, 8, 5, 8, 5, 8}}, {"a transaction is open", 5, 5, []int64{5}}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cluster := newFake(t)
			c := newClient(t, cluster.ListenAddrs())
			name := newTopic(t, c, 1, nil)
			asked := fetchAnswers(cluster, func(int, int64) *kmsg.FetchResponse {
				return onPartition(name, func(p *kmsg.FetchResponseTopicPartition) {
					p.HighWatermark, p.LastStableOffset, p.LogStartOffset = 9, tc.lastStable, 2
				})
			})
			got, err := c.Fetch(t.Context(), FetchRequest{Topic: name, Offset: 5})
			require.NoError(t, err)
			require.Equal(t, Fetched{Next: tc.next, LogStart: 2, LastStable: tc.lastStable, HighWatermark: 9}, got)
			require.Equal(t, tc.asked, asked())
		})
	}
}

// A broker that sends nothing of what there is must not make the reader step over it (invariant 4),
// however often it does so.
func TestFetchHeldBack(t *testing.T) {
	t.Parallel()
	cluster := newFake(t)
	c := newClient(t, cluster.ListenAddrs())
	name := newTopic(t, c, 1, nil)
	p := newProducer(t, c, ProducerConfig{})
	for _, v := range []string{"0", "1", "2", "3"} {
		mustProduce(t, p, record(name, "k", v))
	}
	empty := onPartition(name, func(p *kmsg.FetchResponseTopicPartition) { p.HighWatermark, p.LastStableOffset = 4, 4 })
	for _, tc := range []struct {
		name  string
		times int // that it does so
	}{{"for a moment", 3}, {"for long", 1_000}} {
		from := 0
		asked := fetchAnswers(cluster, func(n int, offset int64) *kmsg.FetchResponse {
			if offset == 1 && n-from <= tc.times {
				return empty
			}
			return nil
		})
		got, err := c.Fetch(t.Context(), FetchRequest{Topic: name, Offset: 1})
		require.Equal(t, fault.Outage, fault.ClassOf(err), err)
		require.ErrorIs(t, err, errHeldBack)
		require.Zero(t, got.Next)
		require.Contains(t, asked(), int64(3), "the end is asked for")
		cluster.DropControl()
	}
}

// An answer that leaves the partition out because of a quota is no outage: the reader waits as long
// as it is told to.
func TestFetchThrottled(t *testing.T) {
	t.Parallel()
	cluster := newFake(t)
	c := newClient(t, cluster.ListenAddrs(), func(cfg *Config) { cfg.RequestTimeout = 300 * time.Millisecond })
	name := newTopic(t, c, 1, nil)
	mustProduce(t, newProducer(t, c, ProducerConfig{}), record(name, "k", "v"))
	throttled := func(ms int32) *kmsg.FetchResponse {
		res := kmsg.NewPtrFetchResponse()
		res.ThrottleMillis = ms
		return res
	}
	var times int
	asked := fetchAnswers(cluster, func(n int, _ int64) *kmsg.FetchResponse {
		if n <= times {
			return throttled(40)
		}
		return nil
	})
	times = 2
	got, err := c.Fetch(t.Context(), FetchRequest{Topic: name})
	require.NoError(t, err)
	require.Equal(t, []string{"v"}, values(got.Records))
	require.Len(t, asked(), 3)

	times = 1_000
	_, err = c.Fetch(t.Context(), FetchRequest{Topic: name})
	require.Equal(t, fault.Outage, fault.ClassOf(err), err)
	require.ErrorContains(t, err, "throttles this client")
}

// OFFSET_OUT_OF_RANGE, on which callers stop for good, is believed only once the leader has said what
// it holds, and past the log's end only when it goes on saying so.
func TestFetchOutOfRange(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		offset int64
		times  int // that the answer is OFFSET_OUT_OF_RANGE though it is not
		is     error
	}{
		{"a leader that has not caught up", 1, 2, nil},
		{"past the end", 5, 0, ErrOffsetOutOfRange},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cluster := newFake(t)
			c := newClient(t, cluster.ListenAddrs())
			name := newTopic(t, c, 1, nil)
			p := newProducer(t, c, ProducerConfig{})
			mustProduce(t, p, record(name, "k", "0"), record(name, "k", "1"))
			fetchAnswers(cluster, func(n int, _ int64) *kmsg.FetchResponse {
				if n > tc.times {
					return nil
				}
				return onPartition(name, func(p *kmsg.FetchResponseTopicPartition) { p.ErrorCode = kerr.OffsetOutOfRange.Code })
			})
			got, err := c.Fetch(t.Context(), FetchRequest{Topic: name, Offset: tc.offset})
			if tc.is != nil {
				require.ErrorIs(t, err, tc.is)
				require.ErrorContains(t, err, "the log holds 0 up to 2")
				return
			}
			require.NoError(t, err)
			require.Equal(t, []string{"1"}, values(got.Records))
		})
	}
}

func TestFetchErrors(t *testing.T) {
	t.Parallel()
	cluster := newFake(t)
	c := newClient(t, cluster.ListenAddrs())
	name := newTopic(t, c, 1, nil)
	for _, tc := range []struct {
		err   *kerr.Error
		count int
		class fault.Class
	}{
		{kerr.NotLeaderForPartition, 4, fault.Outage},
		{kerr.OffsetNotAvailable, 1, fault.Outage},
		{kerr.TopicAuthorizationFailed, 1, fault.Misconfiguration},
	} {
		cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: tc.err, Count: tc.count})
		_, err := c.Fetch(t.Context(), FetchRequest{Topic: name})
		require.Equal(t, tc.class, fault.ClassOf(err), err)
	}
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.NotLeaderForPartition, Count: 2})
	_, err := c.Fetch(t.Context(), FetchRequest{Topic: name})
	require.NoError(t, err, "a leader that moves is no outage")
	_, err = c.Fetch(t.Context(), FetchRequest{Topic: "absent"})
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err), err)
}
