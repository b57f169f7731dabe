package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/integration/process/stack"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
	"github.com/ringback/ringback/services/ringback/scenario"
)

const partitions = 4

// pipeline is a producer and an enricher as processes, with topics that nobody else uses.
type pipeline struct {
	brokers            []string
	intake             string
	client             *kafka.Client
	producer, enricher *process.Process
	events             int // that were sent
}

func start(ctx context.Context, parts process.Parts, dir string) (*pipeline, error) {
	p := &pipeline{brokers: strings.Split(parts.Kafka, ",")}
	programs, err := process.Build(ctx, dir+"/bin", false)
	if err != nil {
		return p, err
	}
	if p.client, err = kafka.New(kafka.Config{Brokers: p.brokers, ClientID: "subscribers"}); err != nil {
		return p, err
	}
	if err := stack.DeleteTopics(ctx, parts.Kafka); err != nil {
		return p, err
	}
	if err := p.client.EnsureTopics(ctx, topic.Specs(partitions, 1)); err != nil {
		return p, err
	}
	s := &process.Services{Binaries: programs, Parts: parts, Logs: dir + "/logs"}
	var errs [2]error
	p.producer, p.intake, errs[0] = s.Producer("producer", nil)
	// Both deadlines end by a flush, at once and whatever the speed of the machine.
	p.enricher, errs[1] = s.Enricher("enricher", map[string]string{"ENRICHER_SETTLE": "1h", "ENRICHER_OFFER_GRACE": "2h"})
	if err := errors.Join(errs[:]...); err != nil {
		return p, err
	}
	for _, service := range []*process.Process{p.producer, p.enricher} {
		if err := service.Start(); err != nil {
			return p, err
		}
		if err := service.WaitReady(ctx); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (p *pipeline) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var errs []error
	for _, service := range []*process.Process{p.enricher, p.producer} {
		if service != nil && service.Running() {
			errs = append(errs, service.Stop(ctx))
		}
	}
	if p.client != nil {
		p.client.Close()
	}
	return errors.Join(errs...)
}

// play sends the scenarios' events, makes every deadline due, and waits until the enricher has sent that many UserEvents
// in all.
func (p *pipeline) play(ctx context.Context, scenarios []string, userEvents int) error {
	for _, name := range scenarios {
		lines, err := scenario.Lines(name)
		if err != nil {
			return err
		}
		if err := p.post(ctx, lines); err != nil {
			return fmt.Errorf("scenario %s: %w", name, err)
		}
		p.events += len(lines)
	}
	if err := p.await(ctx, "ringback_enricher_records_total", p.events, `outcome="tick"`); err != nil {
		return err
	}
	if err := p.flush(ctx); err != nil {
		return err
	}
	return p.await(ctx, "ringback_enricher_user_events_total", userEvents, "")
}

// post sends events in one request, so that a session's have one time of arrival.
func (p *pipeline) post(ctx context.Context, lines [][]byte) error {
	body := bytes.Join([][]byte{[]byte("["), bytes.Join(lines, []byte(",")), []byte("]")}, nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.intake, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/cloudevents-batch+json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err == nil && res.StatusCode != http.StatusAccepted {
		err = fmt.Errorf("HTTP %d: %s", res.StatusCode, answer)
	}
	return err
}

// await waits until a counter of the enricher, without the samples of one label, has come to what is wanted.
func (p *pipeline) await(ctx context.Context, counter string, want int, without string) error {
	return process.Until(ctx, func() error {
		samples, err := p.enricher.Scrape(ctx)
		if err != nil {
			return err
		}
		got := int(samples.Sum(counter))
		if without != "" {
			got -= int(samples.Sum(counter, without))
		}
		if got != want {
			return fmt.Errorf("%s is %d, not %d", counter, got, want)
		}
		return nil
	})
}

// flush makes every settle and offer-grace deadline due, in each partition.
func (p *pipeline) flush(ctx context.Context) error {
	producer := p.client.NewProducer(kafka.ProducerConfig{})
	var ticks []kafka.Record
	for n := range int32(partitions) {
		tick := wire.Tick(n, true)
		tick.Time = time.Now()
		ticks = append(ticks, tick)
	}
	var errs []error
	for _, d := range producer.Produce(ctx, ticks) {
		errs = append(errs, d.Err)
	}
	return errors.Join(append(errs, producer.Close(ctx))...)
}

// abort writes a UserEvent that there is, under a service id that nobody has, to each partition, and then aborts the
// transaction: what an enricher that is killed leaves behind. Whoever does not read with read_committed sees them.
func (p *pipeline) abort(ctx context.Context) error {
	reader, err := kgo.NewClient(kgo.SeedBrokers(p.brokers...), kgo.ConsumeTopics(topic.UserEvents), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return err
	}
	defer reader.Close()
	fetched := reader.PollFetches(ctx)
	if err := fetched.Err(); err != nil {
		return err
	}
	like := fetched.Records()[0]
	writer, err := kgo.NewClient(kgo.SeedBrokers(p.brokers...), kgo.TransactionalID("subscribers"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer writer.Close()
	if err := writer.BeginTransaction(); err != nil {
		return err
	}
	var records []*kgo.Record
	for n := range int32(partitions) {
		records = append(records, &kgo.Record{
			Topic: topic.UserEvents, Partition: n, Key: fmt.Appendf(nil, "aborted-%d", n), Value: like.Value, Headers: like.Headers,
		})
	}
	return errors.Join(writer.ProduceSync(ctx, records...).FirstErr(), writer.EndTransaction(ctx, kgo.TryAbort))
}
