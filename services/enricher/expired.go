package enricher

import (
	"context"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/session"
	"github.com/ringback/ringback/pkg/topic"
)

// expired deals with a position that the log does not hold. Never a silent jump: events were
// lost, or the topic is another one (invariant 4). An operator may accept that they are lost.
func (o *owner) expired(ctx context.Context, p *session.Partition, cause error) error {
	o.metrics.expired.Inc()
	ranges, err := retry(ctx, o.Enricher, o.number, func() (map[int32]kafka.OffsetRange, error) { return o.kafka.Offsets(ctx, topic.Lifecycle) })
	if err != nil {
		return err
	}
	at, start := p.Position().Next, ranges[o.number].Earliest
	if at >= start || !o.cfg.AcceptExpired {
		return fault.Misconfigf("enricher: partition %d of %s has no offset %d: its records have expired or the topic was recreated; ENRICHER_ACCEPT_EXPIRED=true goes on without expired ones: %w", o.number, topic.Lifecycle, at, cause)
	}
	o.metrics.resets.Inc()
	o.logger.Error("records were removed by retention before they were read; going on at the start of the log",
		"topic", topic.Lifecycle, "partition", o.number, "from", at, "to", start-1)
	p.Skip(start)
	return nil
}
