package pipeline

import (
	"context"
	"time"

	"github.com/ringback/ringback/pkg/gateway"
	"github.com/ringback/ringback/services/sink"
)

// reader is a sink as the pipeline needs it.
type reader interface {
	Run(ctx context.Context) error
	WaitFor(ctx context.Context, topic string, ends map[int32]int64) error
	Counts() sink.Counts
	Ready() error
	Accept(topic string, partition int32, upTo int64) error
}

type sinks struct {
	gateway           *gateway.Client
	infomart, tserver reader
}

func (s *sinks) make(p *Pipeline, cfg *Config) error {
	settings := sink.Defaults()
	settings.RetryMax = 2 * time.Second // every part is in this process
	deps := sink.Deps{Kafka: p.client, Decoder: p.codec, Letters: p.Letters, Registerer: p.Metrics, Logger: cfg.Logger, Tracer: cfg.Tracer, Watch: p.watch}
	facts, err := sink.NewInfomart(settings, p.Store, deps)
	if err != nil {
		return err
	}
	sender, err := sink.NewTServer(settings, cfg.Settings.Reporting, p.Store, s.gateway, deps)
	if err != nil {
		return err
	}
	s.infomart, s.tserver = facts, sender
	return nil
}
