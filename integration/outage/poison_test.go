//go:build realcluster

package outage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringback/ringback/integration/chaos/oracle"
	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/integration/process/load"
	"github.com/ringback/ringback/integration/process/stack"
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
)

// TestRealPoison: bad data never blocks, unless most of it is bad: then the partition waits for an operator (invariant 7).
func TestRealPoison(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	s := newStack(ctx, t)
	client := load.New(s.ProducerURLs)

	t.Run("one bad record among 500", func(t *testing.T) {
		send(ctx, client, events("a", 250, 250))
		want := map[string]callback.Reason{}
		for name, components := range map[string][]string{
			topic.Lifecycle: {"enricher"}, topic.UserEvents: {"infomart", "tserver"}, topic.AttachedData: {"tserver"},
		} {
			at := spoil(ctx, t, s, name, 1, 1)
			for _, component := range components {
				want[letter(component, name, 1, at)] = callback.ReasonUndecodable
			}
		}
		send(ctx, client, events("b", 250, 250))
		require.NoError(t, process.Until(ctx, func() error { return caughtUpWith(ctx, s, 0) }))
		require.Equal(t, want, deadLetters(ctx, t, s))
	})
	t.Run("a hot service id", func(t *testing.T) {
		// All of one session's events lie on one partition; the limit of a session bounds what they cost.
		const limit, more = 1000, 500
		began := time.Now()
		send(ctx, client, append(events("hot", 1, limit+more), events("c", 200, 200)...))
		require.NoError(t, process.Until(ctx, func() error { return caughtUpWith(ctx, s, 0) }))
		t.Logf("%d events of one service id taken in after %s", limit+more, time.Since(began).Round(100*time.Millisecond))
		tooLarge := 0
		for _, reason := range deadLetters(ctx, t, s) {
			if reason == callback.ReasonTooLarge {
				tooLarge++
			}
		}
		require.Equal(t, more, tooLarge)
	})
	t.Run("a topic that turns all bad", func(t *testing.T) {
		for _, of := range []reader{
			{topic.Lifecycle, "enricher", s.Enrichers[0]}, {topic.UserEvents, "infomart", s.Infomarts[0]}, {topic.UserEvents, "tserver", s.TServers[0]},
		} {
			before := of.letters(deadLetters(ctx, t, s)) // each has had a bad record before
			if of.component == "tserver" {
				before = 1 // it has met those that follow already
			}
			const bad, partition = 300, 2
			var first int64
			if of.component != "tserver" { // which reads the same records as the sink infomart
				first = spoil(ctx, t, s, of.topic, partition, bad)
			} else {
				first = ends(ctx, t, s, of.topic)[partition] - bad
			}
			p := of.process
			require.NoError(t, process.Until(ctx, func() error { return says(ctx, p, "paused") }))
			t.Logf("%v", p.Readiness(ctx))
			require.True(t, p.Running())
			held := of.letters(deadLetters(ctx, t, s)) - before
			require.Less(t, held, bad/2, "it pauses before more is dead-lettered")
			others := ends(ctx, t, s, of.topic)
			send(ctx, client, elsewhere(t, of.component, partition, 50))
			require.NoError(t, othersGoOn(ctx, s, of, partition, others), "the other partitions go on")
			require.NoError(t, says(ctx, p, "paused"))
			// Less than where it is paused is refused; up to the last bad one goes.
			require.Equal(t, http.StatusConflict, accept(ctx, t, p, of.topic, partition, first-1))
			require.Equal(t, http.StatusOK, accept(ctx, t, p, of.topic, partition, first+bad-1))
			require.NoError(t, process.Until(ctx, func() error { return p.Readiness(ctx) }))
			require.NoError(t, process.Until(ctx, func() error {
				if got := of.letters(deadLetters(ctx, t, s)) - before; got != bad {
					return fmt.Errorf("%d of %d dead letters of %s", got, bad, of.component)
				}
				return nil
			}))
		}
		send(ctx, client, events("d", 100, 100))
		require.NoError(t, s.WaitReady(ctx))
		require.NoError(t, process.Until(ctx, func() error { return caughtUpWith(ctx, s, 0) }))
	})
	require.Empty(t, client.Refused())
	asIfNothingHadBeen(ctx, t, s, client, nil)
}

// reader is a service that reads a topic.
type reader struct {
	topic, component string
	process          *process.Process
}

// letters counts its dead letters.
func (r reader) letters(all map[string]callback.Reason) (n int) {
	for id := range all {
		if strings.HasPrefix(id, r.component+"/"+r.topic+"/") {
			n++
		}
	}
	return n
}

// events makes events of that many sessions: a request for each, and what comes after it.
func events(name string, sessions, n int) []load.Event {
	all := make([]load.Event, n)
	for i := range all {
		all[i] = event(fmt.Sprintf("%s-%d", name, i%sessions), fmt.Sprintf("%s-%d", name, i), i >= sessions)
	}
	return all
}

func event(service, id string, later bool) load.Event {
	typ, data := "callback.requested", `{"callback_type":"IMMEDIATE","customer_number":"6505550100"}`
	if later {
		typ, data = "callback.queued", `{}`
	}
	return load.Event{Subject: service, Line: fmt.Appendf(nil, `{"specversion":"1.0","id":%q,"source":"/poison","type":%q,"subject":%q,"time":%q,"data":%s}`,
		id, typ, service, time.Now().UTC().Format(time.RFC3339Nano), data)}
}

// elsewhere makes requests of sessions that lie on other partitions.
func elsewhere(t *testing.T, name string, not int32, n int) (all []load.Event) {
	t.Helper()
	for i := 0; len(all) < n; i++ {
		if id := fmt.Sprintf("elsewhere-%s-%d", name, i); kafka.PartitionForKey([]byte(id), partitions) != not {
			all = append(all, event(id, id, false))
		}
	}
	return all
}

func send(ctx context.Context, client *load.Client, all []load.Event) {
	queue := make(chan load.Event, len(all))
	for _, e := range all {
		queue <- e
	}
	close(queue)
	client.Run(ctx, queue)
}

// spoil writes records that are events by their headers and nothing that can be decoded by their value, and returns
// the offset of the first.
func spoil(ctx context.Context, t *testing.T, s *stack.Stack, name string, partition int32, n int) int64 {
	t.Helper()
	client, err := oracle.NewClient(s.Direct.Kafka, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(t, err)
	defer client.Close()
	typ := map[string]string{topic.Lifecycle: "callback.queued", topic.UserEvents: "callback.userevent", topic.AttachedData: "callback.attacheddata"}[name]
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: name, Partition: partition, Key: []byte(spoilt), Value: []byte("\x01 nothing that can be decoded")}
		for header, value := range map[string]string{
			"ce_specversion": "1.0", "ce_id": fmt.Sprint("spoilt-", i), "ce_source": "/poison", "ce_type": typ, "ce_subject": "spoilt",
			"ce_time": time.Now().UTC().Format(time.RFC3339), "content-type": "application/avro",
		} {
			records[i].Headers = append(records[i].Headers, kgo.RecordHeader{Key: header, Value: []byte(value)})
		}
	}
	require.NoError(t, client.ProduceSync(ctx, records...).FirstErr())
	return records[0].Offset
}

func ends(ctx context.Context, t *testing.T, s *stack.Stack, name string) []int64 {
	t.Helper()
	client, err := oracle.NewClient(s.Direct.Kafka)
	require.NoError(t, err)
	defer client.Close()
	offsets, err := oracle.Ends(ctx, client, name, partitions)
	require.NoError(t, err)
	return offsets
}

// accept says as an operator that the bad records up to an offset may be dead-lettered, as docs/sinks.md tells them to.
func accept(ctx context.Context, t *testing.T, p *process.Process, name string, partition int32, upTo int64) int {
	t.Helper()
	body, err := json.Marshal(map[string]any{"topic": name, "partition": partition, "upTo": upTo})
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(p.Ready, "/readyz")+"/admin/accept", bytes.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+process.AdminToken)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.StatusCode
}

func letter(component, name string, partition int32, offset int64) string {
	return (&callback.DeadLetter{Component: component, Topic: name, Partition: partition, Offset: offset}).ID()
}

// deadLetters are all dead letters by id.
func deadLetters(ctx context.Context, t *testing.T, s *stack.Stack) map[string]callback.Reason {
	t.Helper()
	read, err := oracle.Read(ctx, s.Direct.Kafka, topic.DeadLetters, partitions)
	require.NoError(t, err)
	codec, all := newCodec(ctx, t, s), map[string]callback.Reason{}
	for _, records := range read.Partitions {
		for i := range records {
			d, err := codec.ParseDeadLetter(ctx, &records[i])
			require.NoError(t, err)
			all[d.ID()] = d.Reason
		}
	}
	return all
}
