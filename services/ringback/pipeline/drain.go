package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
)

// Drain returns once all that is in the log has ended as applied, already applied
// or dead-lettered in every sink. With flush every settle and offer-grace deadline
// is made due; time-outs are not: sessions that go on stay open.
func (p *Pipeline) Drain(ctx context.Context, flush bool) error {
	lifecycle, err := p.endsOf(ctx, topic.Lifecycle)
	if err != nil {
		return err
	}
	if err := p.enricher.WaitFor(ctx, lifecycle); err != nil {
		return err
	}
	if flush {
		if err := p.flush(ctx, lifecycle); err != nil {
			return err
		}
	}
	for _, name := range []string{topic.UserEvents, topic.AttachedData} {
		ends, err := p.endsOf(ctx, name)
		if err != nil {
			return err
		}
		if name == topic.UserEvents {
			if err := p.sinks.infomart.WaitFor(ctx, name, ends); err != nil {
				return err
			}
		}
		if err := p.sinks.tserver.WaitFor(ctx, name, ends); err != nil {
			return err
		}
	}
	return nil
}

// flush writes each partition a tick that makes settle and offer-grace deadlines due.
func (p *Pipeline) flush(ctx context.Context, partitions map[int32]int64) error {
	var ticks []kafka.Record
	for n := range partitions {
		tick := wire.Tick(n, true)
		tick.Time = time.Now()
		ticks = append(ticks, tick)
	}
	for backoff := 50 * time.Millisecond; len(ticks) > 0; backoff = min(2*backoff, 2*time.Second) {
		var again []kafka.Record
		for i, d := range p.records.Produce(ctx, ticks) {
			if d.Err != nil && fault.ClassOf(d.Err) != fault.Outage && !errors.Is(d.Err, kafka.ErrQueueFull) {
				return fmt.Errorf("pipeline: tick for partition %d: %w", ticks[i].Partition, d.Err)
			}
			if d.Err != nil {
				again = append(again, ticks[i]) // one more tick does no harm
			}
		}
		if ticks = again; len(ticks) == 0 {
			break
		}
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	ends, err := p.endsOf(ctx, topic.Lifecycle)
	if err != nil {
		return err
	}
	return p.enricher.WaitFor(ctx, ends)
}

// ends returns the end of every topic's partitions.
func (p *Pipeline) ends(ctx context.Context) (map[string]map[int32]int64, error) {
	all := map[string]map[int32]int64{}
	for _, name := range []string{topic.Lifecycle, topic.UserEvents, topic.AttachedData, topic.DeadLetters} {
		ends, err := p.endsOf(ctx, name)
		if err != nil {
			return nil, err
		}
		all[name] = ends
	}
	return all, nil
}

func (p *Pipeline) endsOf(ctx context.Context, name string) (map[int32]int64, error) {
	ranges, err := p.client.Offsets(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("pipeline: end of %s: %w", name, err)
	}
	ends := make(map[int32]int64, len(ranges))
	for n, r := range ranges {
		ends[n] = r.Latest
	}
	return ends, nil
}

func (p *Pipeline) writeEndpoints() error {
	e := Endpoints{PID: os.Getpid(), Brokers: p.Broker.Addrs(), Registry: p.registryURL}
	if addr := p.Addr(); addr != nil {
		e.HTTP = "http://" + addr.String()
	}
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if err := os.WriteFile(p.Paths.Endpoints, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("pipeline: %w", err)
	}
	p.announced = true
	return nil
}
