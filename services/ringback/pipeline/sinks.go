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
}

type sinks struct {
	gatewayURL        string
	infomart, tserver reader
}

func (s *sinks) make(p *Pipeline, cfg *Config, transport *gateway.Client) error {
	settings := sink.Defaults()
	settings.RetryMax = 2 * time.Second // every part is in this process
	deps := sink.Deps{Kafka: p.client, Decoder: p.codec, Letters: p.Letters, Registerer: p.Metrics, Logger: cfg.Logger}
	facts, err := sink.NewInfomart(settings, p.Store, deps)
	if err != nil {
		return err
	}
	s.infomart = facts
	s.tserver = noop{}
	return nil
}

type noop struct{}

func (noop) Run(ctx context.Context) error                          { <-ctx.Done(); return nil }
func (noop) WaitFor(context.Context, string, map[int32]int64) error { return nil }
func (noop) Counts() sink.Counts                                    { return sink.Counts{} }
func (noop) Ready() error                                           { return nil }
