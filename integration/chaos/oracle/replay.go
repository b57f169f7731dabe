package oracle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/session"
	"github.com/ringback/ringback/pkg/wire"
)

// Letter is what is expected of a dead letter.
type Letter struct {
	Reason callback.Reason
	Detail string
}

// Expected is what follows from the lifecycle log alone (invariant 3).
type Expected struct {
	UserEvents, Attached [][]kafka.Record // by partition, in order
	Letters              map[string]Letter
	Positions            []session.Position
	States               []map[string][]byte // by partition and service id; nil is forgotten
	// Events are the records that are events, by partition and offset.
	Events []map[int64]*callback.Event
}

// Replay reads the log up to these offsets with the enricher's rules, one record after another in one thread, without
// a broker, a crash or a rebalance.
func Replay(ctx context.Context, log *Topic, upTo []int64, rules session.Rules, codec *wire.Codec) (*Expected, error) {
	x := &Expected{Letters: map[string]Letter{}}
	for n := range log.Partitions {
		if err := x.partition(ctx, log, int32(n), upTo[n], rules, codec); err != nil {
			return nil, fmt.Errorf("oracle: partition %d: %w", n, err)
		}
	}
	return x, nil
}

// chunk is how many records are processed at once. It differs from what a fetch gives: the outcome must not depend on it.
const chunk = 97

func (x *Expected) partition(ctx context.Context, log *Topic, n int32, upTo int64, rules session.Rules, codec *wire.Codec) error {
	p := session.NewPartition(rules, n)
	var userEvents, attached []kafka.Record
	events, states := map[int64]*callback.Event{}, map[string][]byte{}
	records := make([]session.Record, 0, len(log.Partitions[n]))
	for i := range log.Partitions[n] {
		raw := &log.Partitions[n][i]
		if raw.Offset >= upTo {
			break
		}
		r, err := parse(ctx, raw, n, len(log.Partitions), codec)
		if err != nil {
			return err
		}
		if r.Event != nil {
			events[raw.Offset] = r.Event
		}
		records = append(records, r)
	}
	for at := 0; at < len(records); {
		part := records[at:min(at+chunk, len(records))]
		next := part[len(part)-1].Offset + 1
		fx, err := p.Process(part, next)
		if err != nil {
			return err
		}
		for i := range fx.UserEvents {
			r, err := codec.UserEvent(&fx.UserEvents[i].What)
			if err != nil {
				return err
			}
			r.Time = time.UnixMilli(fx.UserEvents[i].At)
			userEvents = append(userEvents, r)
		}
		for i := range fx.Attached {
			r, err := codec.AttachedData(&fx.Attached[i].What)
			if err != nil {
				return err
			}
			r.Time = time.UnixMilli(fx.Attached[i].At)
			attached = append(attached, r)
		}
		for _, aside := range fx.DeadLetters {
			d := callback.DeadLetter{Component: "enricher", Topic: log.Name, Partition: n, Offset: part[aside.Record].Offset}
			x.Letters[d.ID()] = Letter{aside.Bad.Reason, aside.Bad.Detail}
		}
		for _, s := range fx.States {
			states[s.ServiceID] = s.Encoded
		}
		for at < len(records) && records[at].Offset < fx.Position.Next {
			at++
		}
	}
	position := p.Position()
	position.Next = upTo
	x.UserEvents, x.Attached = append(x.UserEvents, userEvents), append(x.Attached, attached)
	x.Positions, x.States, x.Events = append(x.Positions, position), append(x.States, states), append(x.Events, events)
	return nil
}

func parse(ctx context.Context, raw *kafka.Record, n int32, partitions int, codec *wire.Codec) (session.Record, error) {
	r := session.Record{Offset: raw.Offset, Time: raw.Time.UnixMilli()}
	if tick, flush := wire.IsTick(raw); tick {
		r.Tick, r.Flush = true, flush
		return r, nil
	}
	e, err := codec.ParseLifecycle(ctx, raw)
	if errors.As(err, &r.Bad) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if owner := kafka.PartitionForKey(raw.Key, partitions); owner != n {
		r.Bad = callback.Bad(callback.ReasonMiskeyed, "event %q of %q lies on partition %d; its key belongs to partition %d", e.ID, e.Source, n, owner)
		return r, nil
	}
	r.Event = e
	return r, nil
}
