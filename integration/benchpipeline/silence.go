package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/services/producer"
)

const (
	feedRate = 300              // sessions a second, each of which makes its START at once
	calm     = 5 * time.Second  // before and after a rebalance
	rejoined = 60 * time.Second // within which every partition must be heard again
)

// silence is the longest time without a UserEvent, by partition in ascending order, around one change of the group.
type silence struct {
	What    string    `json:"what"`
	Seconds []float64 `json:"seconds"`
}

// silences has a second member join, end and be killed, under load.
func (env *environment) silences(ctx context.Context, first, second *process.Process) ([]silence, error) {
	g, running := errgroup.WithContext(ctx)
	running, stop := context.WithCancel(running)
	defer stop()
	heard := &heard{last: map[int32]time.Time{}, longest: map[int32]time.Duration{}}
	at, err := env.ends(ctx, topic.UserEvents)
	if err != nil {
		return nil, err
	}
	for n, end := range at {
		g.Go(func() error { return heard.listen(running, env, n, end) })
	}
	g.Go(func() error { return env.feed(running) })

	var all []silence
	for _, change := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"a second member joins", func(ctx context.Context) error {
			if err := second.Start(); err != nil {
				return err
			}
			return second.WaitReady(ctx)
		}},
		{"a member ends (SIGTERM)", second.Stop},
		{"a second member joins again", func(ctx context.Context) error {
			if err := second.Start(); err != nil {
				return err
			}
			return second.WaitReady(ctx)
		}},
		{"a member is killed (SIGKILL)", func(context.Context) error { return second.Kill() }},
	} {
		of, err := heard.around(running, func(ctx context.Context) error { return change.do(ctx) })
		if err != nil {
			stop()
			_ = g.Wait() // what it says is that it was stopped
			return nil, fmt.Errorf("%s: %w", change.what, err)
		}
		all = append(all, silence{change.what, of})
		env.progress("state: %s: partitions silent for %.1f s", change.what, of)
	}
	stop()
	if err := g.Wait(); err != nil && ctx.Err() == nil && running.Err() == nil {
		return nil, err
	}
	return all, first.Readiness(ctx)
}

// feed accepts requests of new sessions at a steady rate.
func (env *environment) feed(ctx context.Context) error {
	records := env.client.NewProducer(kafka.ProducerConfig{})
	defer records.Close(context.WithoutCancel(ctx)) //nolint:errcheck // what it has not written nobody waits for
	accepter := producer.NewAccepter(env.codec, records, time.Now)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			var items []producer.Item
			for range feedRate / 10 {
				n++
				items = append(items, producer.Item{Event: newRequest(fmt.Sprintf("silence-%d-%d", now.UnixNano(), n), now)})
			}
			for _, fate := range accepter.Accept(ctx, items) {
				if fate.Err != nil && ctx.Err() == nil {
					return fate.Err
				}
			}
		}
	}
}

// heard is when the last UserEvent of each partition was read, and the longest time between two.
type heard struct {
	mu      sync.Mutex
	last    map[int32]time.Time
	longest map[int32]time.Duration
	news    []chan struct{} // closed at the next UserEvent
}

func (h *heard) listen(ctx context.Context, env *environment, partition int32, offset int64) error {
	for ctx.Err() == nil {
		got, err := env.client.Fetch(ctx, kafka.FetchRequest{Topic: topic.UserEvents, Partition: partition, Offset: offset, MaxBytes: 1 << 20, MaxWait: 200 * time.Millisecond})
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		offset = got.Next
		if len(got.Records) > 0 {
			h.note(partition, time.Now())
		}
	}
	return nil
}

func (h *heard) note(partition int32, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if last, ok := h.last[partition]; ok {
		h.longest[partition] = max(h.longest[partition], now.Sub(last))
	}
	h.last[partition] = now
	for _, c := range h.news {
		close(c)
	}
	h.news = nil
}

// around makes a change and returns the longest silence of each partition in seconds, from a calm before it to one after it.
func (h *heard) around(ctx context.Context, change func(context.Context) error) ([]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, rejoined)
	defer cancel()
	if err := h.calm(ctx, time.Now()); err != nil {
		return nil, err
	}
	h.mu.Lock()
	clear(h.longest)
	h.mu.Unlock()
	began := time.Now()
	if err := change(ctx); err != nil {
		return nil, err
	}
	if err := h.calm(ctx, began); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var seconds []float64
	for _, took := range h.longest {
		seconds = append(seconds, took.Seconds())
	}
	slices.Sort(seconds)
	return seconds, nil
}

// calm waits until every partition has been heard for a while, none of them silent for a second in it.
func (h *heard) calm(ctx context.Context, from time.Time) error {
	since := from
	for {
		h.mu.Lock()
		now, quiet := time.Now(), len(h.last) < statePartitions
		for _, last := range h.last {
			quiet = quiet || now.Sub(last) > time.Second
		}
		next := make(chan struct{})
		h.news = append(h.news, next)
		h.mu.Unlock()
		if quiet {
			since = now
		}
		if now.Sub(since) > calm {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return fmt.Errorf("a partition stays silent: %w", ctx.Err())
		}
	}
}

// newRequest is an event that makes the START of its session due.
func newRequest(service string, now time.Time) *callback.Event {
	kind := "IMMEDIATE"
	return &callback.Event{
		Source: "/bench", ID: service, Type: callback.Requested, Subject: service, Time: callback.Micros(now.UnixMicro()),
		Data: callback.Data{CallbackType: &kind},
	}
}
