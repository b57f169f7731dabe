package topics

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/registry"
)

// ErrRefused says that a difference cannot be changed without harm. Nothing was changed.
var ErrRefused = errors.New("topics: a difference is refused; nothing was changed")

// Apply makes what is planned. It changes nothing at all where anything is refused, or where the cluster
// would not take a setting. It may be repeated.
func (p *Plan) Apply(ctx context.Context, at *Place) error {
	if p.Refused() {
		return ErrRefused
	}
	changes := map[string]map[string]string{}
	for _, a := range p.alter {
		if changes[a.topic] == nil {
			changes[a.topic] = map[string]string{}
		}
		changes[a.topic][a.setting] = a.want
	}
	for _, try := range []bool{true, false} {
		for name, settings := range changes {
			if err := at.Kafka.AlterTopic(ctx, name, settings, try); err != nil {
				return err
			}
		}
	}
	if err := at.Kafka.EnsureTopics(ctx, p.create); err != nil {
		return err
	}
	if len(p.levels) == 0 {
		return nil
	}
	if err := p.want.Register(ctx, at.Registry); err != nil {
		return err
	}
	for _, l := range p.levels {
		if err := at.Registry.SetCompatibility(ctx, l.subject, registry.FullTransitive); err != nil {
			return err
		}
	}
	return nil
}

// settleTime bounds the wait until every broker tells of what one of them has taken.
const settleTime = 15 * time.Second

// Settled waits until what is there is as it should be.
func Settled(ctx context.Context, at *Place, want Want) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		p, err := Make(ctx, at, want)
		if err == nil && p.Same() {
			return nil
		}
		select {
		case <-ctx.Done():
			if err == nil {
				err = fmt.Errorf("topics: after %s the cluster or the registry still tells of another state; look with plan", settleTime)
			}
			return fault.Outagef("%w", err)
		case <-time.After(wait):
		}
	}
}
