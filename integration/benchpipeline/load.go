package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/deadletter"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/services/enricher"
	"github.com/ringback/ringback/services/producer"
	"github.com/ringback/ringback/services/ringback/importer"
	"github.com/ringback/ringback/services/ringback/scenario"
)

// seed of the sessions that are generated, so that every run has the same ones.
const seed = 7

// lifecycle makes the topics anew and fills the lifecycle topic with the events of that many
// sessions, of every outcome and interleaved by time. It returns the number of events.
func (env *environment) lifecycle(ctx context.Context, partitions, sessions int) (int, error) {
	r, w := io.Pipe()
	go func() {
		_, err := scenario.Generate(seed, sessions, w)
		w.CloseWithError(err)
	}()
	return env.fill(ctx, partitions, r)
}

// fill makes the topics anew and fills the lifecycle topic with what it reads. It returns the number of events.
func (env *environment) fill(ctx context.Context, partitions int, lines *io.PipeReader) (_ int, err error) {
	defer func() { err = errors.Join(err, lines.Close()) }()
	if err := env.topics(ctx, partitions); err != nil {
		return 0, err
	}
	records := env.client.NewProducer(kafka.ProducerConfig{})
	accepter := producer.NewAccepter(env.codec, records, time.Now)
	m := importer.Importer{Accepter: accepter, Letters: deadletter.NewWriter(env.codec, records), Now: time.Now}
	counts, err := m.File(ctx, "generated", lines)
	if err := errors.Join(err, records.Close(ctx)); err != nil {
		return 0, err
	}
	if counts.Refused > 0 {
		return 0, fmt.Errorf("%d generated events were refused", counts.Refused)
	}
	return int(counts.Events), nil
}

// ends are where the partitions of a topic end.
func (env *environment) ends(ctx context.Context, name string) (map[int32]int64, error) {
	ranges, err := env.client.Offsets(ctx, name)
	ends := make(map[int32]int64, len(ranges))
	for p, r := range ranges {
		ends[p] = r.Latest
	}
	return ends, err
}

// userEvents fills the topic of UserEvents with those of that many sessions, made by the enricher
// from their lifecycle events. It returns their number.
func (env *environment) userEvents(ctx context.Context, partitions, sessions int) (int64, error) {
	if _, err := env.lifecycle(ctx, partitions, sessions); err != nil {
		return 0, err
	}
	var cfg enricher.Config
	settings := config.Environment{"ENRICHER_GROUP": fmt.Sprintf("bench-%d", time.Now().UnixNano())}
	if err := config.Load(ctx, settings, []string{"ENRICHER_"}, &cfg); err != nil {
		return 0, err
	}
	e, err := enricher.New(cfg, enricher.Deps{Kafka: env.client, Codec: env.codec, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return 0, err
	}
	ends, err := env.ends(ctx, topic.Lifecycle)
	if err != nil {
		return 0, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- e.Run(running) }()
	err = e.WaitFor(running, ends)
	stop()
	if err := errors.Join(err, <-ended); err != nil {
		return 0, fmt.Errorf("make UserEvents: %w", err)
	}
	return e.Counts().UserEvents, nil
}
