package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/intake"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/services/ringback/scenario"
)

const (
	producerPartitions = 4
	batchEvents        = 500 // events of one request
	senders            = 8   // requests under way at once
)

// producerComparison holds the producer, a process that takes batches in over HTTP, against a bare
// idempotent producer with acks=all that writes the same records, ready in memory, as often at once.
func producerComparison(ctx context.Context, env *environment, o options) (comparison, error) {
	c := comparison{
		name: "producer, HTTP batches to acks=all", unit: "events",
		note: fmt.Sprintf("requests of %d events, %d at once, %d partitions", batchEvents, senders, producerPartitions),
	}
	load, err := env.requests(o.events)
	if err != nil {
		return c, err
	}
	services, err := env.services(ctx)
	if err != nil {
		return c, err
	}
	if err := env.topics(ctx, producerPartitions); err != nil {
		return c, err
	}
	p, url, err := services.Producer("producer", nil)
	if err != nil {
		return c, err
	}
	if err := p.Start(); err != nil {
		return c, err
	}
	env.onClose(p.Kill)
	if err := p.WaitReady(ctx); err != nil {
		return c, err
	}
	bare := env.client.NewProducer(kafka.ProducerConfig{})
	env.onClose(func() error { return bare.Close(ctx) })
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: senders}}
	c.baseline = arm{"bare producer", func(ctx context.Context) (sample, error) {
		return env.written(ctx, load, func(ctx context.Context, r *request) error {
			for _, d := range bare.Produce(ctx, r.records) {
				if d.Err != nil {
					return d.Err
				}
			}
			return nil
		})
	}}
	c.subjects = []arm{{"producer", func(ctx context.Context) (sample, error) {
		return env.written(ctx, load, func(ctx context.Context, r *request) error {
			return post(ctx, client, url, "application/cloudevents-batch+json", r.body)
		})
	}}}
	return c, nil
}

// request is the events of one request, as its body and as records.
type request struct {
	body    []byte
	records []kafka.Record
}

// requests makes that many events, whole requests of them.
func (env *environment) requests(events int) (load []request, err error) {
	r, w := io.Pipe()
	go func() {
		_, err := scenario.Generate(seed, events/8, w) // a session has over nine
		w.CloseWithError(err)
	}()
	defer func() { err = errors.Join(err, r.Close()) }()
	lines := intake.NewLines(r)
	for range events / batchEvents {
		var raw [][]byte
		var of request
		for range batchEvents {
			line, event, err := nextEvent(lines)
			if err != nil {
				return nil, err
			}
			rec, err := env.codec.Lifecycle(event)
			if err != nil {
				return nil, err
			}
			raw, of.records = append(raw, line), append(of.records, rec)
		}
		of.body = append(append([]byte("["), bytes.Join(raw, []byte(","))...), ']')
		load = append(load, of)
	}
	return load, nil
}

// nextEvent reads a generated line.
func nextEvent(lines *intake.Lines) (raw []byte, e *callback.Event, err error) {
	line, err := lines.Next()
	if err != nil {
		return nil, nil, err
	}
	raw = bytes.Clone(line.Raw)
	e, refusal := intake.Parse(raw, time.Now())
	if refusal != nil {
		return nil, nil, refusal
	}
	return raw, e, nil
}

// written has the requests sent, some at once, and counts what they added to the lifecycle topic.
func (env *environment) written(ctx context.Context, load []request, send func(context.Context, *request) error) (s sample, err error) {
	before, err := env.ends(ctx, topic.Lifecycle)
	if err != nil {
		return s, err
	}
	g, sending := errgroup.WithContext(ctx)
	g.SetLimit(senders)
	started := time.Now()
	want := int64(0)
	for i := range load {
		want += int64(len(load[i].records))
		g.Go(func() error { return send(sending, &load[i]) })
	}
	if err := g.Wait(); err != nil {
		return s, err
	}
	s.elapsed = time.Since(started)
	after, err := env.ends(ctx, topic.Lifecycle)
	if err != nil {
		return s, err
	}
	for p, end := range after {
		s.units += end - before[p]
	}
	if s.units != want {
		return s, fmt.Errorf("%d records in %s, not %d", s.units, topic.Lifecycle, want)
	}
	return s, nil
}

// post sends a request that must be answered 202.
func post(ctx context.Context, client *http.Client, url, contentType string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return err
	}
	if res.StatusCode != http.StatusAccepted {
		return fmt.Errorf("answer %s: %.500s", res.Status, answer)
	}
	return nil
}
