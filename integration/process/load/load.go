// Package load sends lifecycle events to producers over HTTP as a careful client does: what was not accepted is sent
// again with the same id, to whichever producer answers.
package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Event is one event to be sent.
type Event struct {
	Subject string
	Line    []byte // a structured CloudEvent in JSON
}

// Accepted is where an event came to lie.
type Accepted struct {
	Event
	Partition int32
	Offset    int64
}

// Client sends events.
type Client struct {
	URLs    []string
	Workers int // 8
	Batch   int // most events of a request; 25

	http *http.Client

	mu       sync.Mutex
	accepted []Accepted
	refused  []string
	statuses map[string]int
	count    atomic.Int64
}

// New makes a client of these producers.
func New(urls []string) *Client {
	return &Client{
		URLs: urls, Workers: 8, Batch: 25, statuses: map[string]int{},
		// Longer than the producers' PRODUCER_ACK_TIMEOUT, so that OUTCOME_UNKNOWN is heard.
		http: &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16}},
	}
}

// Accepted returns what has been accepted.
func (c *Client) Accepted() []Accepted {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.accepted
}

// Count is the number of events that have been accepted.
func (c *Client) Count() int64 { return c.count.Load() }

// Refused lists what was answered as a fault of the event. There should be none.
func (c *Client) Refused() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused
}

// Statuses counts the fates of events by HTTP status and code, each try once; "no answer" are those whose request
// failed.
func (c *Client) Statuses() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.statuses)
}

// Run sends all of events and returns once each is accepted or refused, or ctx has ended. The events of a subject go
// one after another.
func (c *Client) Run(ctx context.Context, events <-chan Event) {
	queues := make([]chan Event, c.Workers)
	var workers sync.WaitGroup
	for i := range queues {
		queues[i] = make(chan Event, 256)
		workers.Go(func() { c.work(ctx, i, queues[i]) })
	}
	for e := range events {
		h := fnv.New32a()
		_, _ = h.Write([]byte(e.Subject)) // it never fails
		select {
		case queues[h.Sum32()%uint32(len(queues))] <- e:
		case <-ctx.Done():
		}
	}
	for _, q := range queues {
		close(q)
	}
	workers.Wait()
}

// Batches sends batches, each as one request, all at once, and returns once each event is accepted or refused, or ctx
// has ended. What was not accepted rests for a second, as producers ask for.
func (c *Client) Batches(ctx context.Context, batches [][]Event) {
	var senders sync.WaitGroup
	for n, batch := range batches {
		senders.Go(func() { c.insist(ctx, n, batch, time.Second) })
	}
	senders.Wait()
}

func (c *Client) work(ctx context.Context, n int, queue <-chan Event) {
	for e := range queue {
		batch := []Event{e}
	fill:
		for len(batch) < c.Batch {
			select {
			case more, ok := <-queue:
				if !ok {
					break fill
				}
				batch = append(batch, more)
			default:
				break fill
			}
		}
		n = c.insist(ctx, n, batch, 100*time.Millisecond)
	}
}

// insist sends a batch until nothing of it is left, to one producer after another from the nth on, and returns the
// next one's number.
func (c *Client) insist(ctx context.Context, n int, batch []Event, rest time.Duration) int {
	for ; len(batch) > 0 && ctx.Err() == nil; n++ {
		var progress bool
		if batch, progress = c.send(ctx, c.URLs[n%len(c.URLs)], batch); len(batch) > 0 && !progress {
			pause(ctx, rest)
		}
	}
	return n
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// answer is what a producer says of a request.
type answer struct {
	Code   string `json:"code"` // of a problem
	Detail string `json:"detail"`
	Events []fate `json:"events"`
}

type fate struct {
	Index     int     `json:"index"`
	Status    int     `json:"status"`
	Partition *int32  `json:"partition"`
	Offset    *int64  `json:"offset"`
	Problem   *answer `json:"problem"`
}

// send sends a batch and returns what has to be sent again.
func (c *Client) send(ctx context.Context, url string, batch []Event) (again []Event, progress bool) {
	status, a, err := c.post(ctx, url, batch)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.statuses["no answer"] += len(batch)
		return batch, false
	}
	fates := a.Events
	if len(fates) != len(batch) {
		// One fate for all of them.
		fates = make([]fate, len(batch))
		for i := range fates {
			fates[i] = fate{Index: i, Status: status, Problem: &a}
		}
	}
	for _, f := range fates {
		e := batch[f.Index]
		code := ""
		if f.Problem != nil {
			code = " " + f.Problem.Code
		}
		c.statuses[fmt.Sprintf("%d%s", f.Status, code)]++
		switch {
		case f.Status == http.StatusAccepted && f.Partition != nil && f.Offset != nil:
			c.accepted = append(c.accepted, Accepted{e, *f.Partition, *f.Offset})
			c.count.Add(1)
			progress = true
		case f.Status < 400 || f.Status >= 500 || f.Status == http.StatusTooManyRequests || code == " BODY_UNREADABLE":
			again = append(again, e)
		default:
			detail := ""
			if f.Problem != nil {
				detail = f.Problem.Detail
			}
			c.refused = append(c.refused, fmt.Sprintf("%d%s %s: %s", f.Status, code, detail, e.Line))
			progress = true
		}
	}
	return again, progress
}

func (c *Client) post(ctx context.Context, url string, batch []Event) (int, answer, error) {
	var body bytes.Buffer
	for i := range batch {
		body.WriteByte("[,"[min(i, 1)])
		body.Write(batch[i].Line)
	}
	body.WriteByte(']')
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, &body)
	if err != nil {
		return 0, answer{}, fmt.Errorf("load: %w", err)
	}
	req.Header.Set("Content-Type", "application/cloudevents-batch+json")
	res, err := c.http.Do(req)
	if err != nil {
		return 0, answer{}, fmt.Errorf("load: %w", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, answer{}, fmt.Errorf("load: %w", err)
	}
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		return 0, answer{}, fmt.Errorf("load: %d: %w", res.StatusCode, err)
	}
	return res.StatusCode, a, nil
}
