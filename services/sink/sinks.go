package sink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/deadletter"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/services/sink/consume"
	"github.com/ringback/ringback/services/sink/facts"
	"github.com/ringback/ringback/services/sink/tserver"
)

// Decoder decodes the records that the sinks read. wire.Codec is one.
type Decoder interface {
	ParseUserEventValues(ctx context.Context, rec *kafka.Record) (*callback.UserEvent, error)
	ParseAttachedData(ctx context.Context, rec *kafka.Record) (*callback.AttachedData, error)
}

// The names of the sinks.
const (
	Infomart = "infomart"
	TServer  = "tserver"
)

// NewInfomart returns the sink that writes UserEvents into an Info Mart-shaped store.
func NewInfomart(cfg Config, store infomart.Store, deps Deps) (*Sink, error) {
	s, err := newSink(Infomart, deadletter.Infomart, cfg, deps, 1000)
	if err != nil {
		return nil, err
	}
	s.sources = []source{
		reads(s, topic.UserEvents, deps.Letters, func() consume.Handler[*infomart.Input] { return facts.New(deps.Decoder, store) }),
	}
	return s, nil
}

// NewTServer returns the sink that has UserEvents distributed, and attached data put
// on calls, by T-Server.
func NewTServer(cfg Config, sending tserver.Config, ledger infomart.Ledger, gw tserver.Gateway, deps Deps) (*Sink, error) {
	if faults := sending.Validate(); len(faults) > 0 {
		return nil, fault.Misconfigf("sink: %w", errors.Join(faults...))
	}
	services, err := tserver.NewServices(sending)
	if err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	s, err := newSink(TServer, deadletter.TServer, cfg, deps, 250)
	if err != nil {
		return nil, err
	}
	sender := tserver.NewSender(sending, services, gw, ledger, tserver.NewMetrics(TServer, deps.Registerer), time.Now)
	sends := func(name string, decode func(context.Context, tserver.Decoder, *kafka.Record) (*tserver.Message, error)) source {
		return reads(s, name, deps.Letters, func() consume.Handler[*tserver.Message] {
			return sender.Handler(
				func(ctx context.Context, rec *kafka.Record) (*tserver.Message, error) {
					return decode(ctx, deps.Decoder, rec)
				},
				func(ctx context.Context) (int, error) { return deps.Kafka.Partitions(ctx, name) },
			)
		})
	}
	s.sources = []source{sends(topic.UserEvents, tserver.DecodeUserEvent), sends(topic.AttachedData, tserver.DecodeAttachedData)}
	return s, nil
}
