//go:build realcluster

package chaos_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/ringback/ringback/integration/process"
)

// fault does something else than to kill.
func (d *director) fault(ctx context.Context) {
	switch draw := d.random.IntN(100); {
	case draw < 25:
		d.cut(ctx)
	case draw < 65:
		d.poison(ctx)
	case draw < 80:
		d.freeze(ctx)
	default:
		d.rebalance(ctx)
	}
}

func (d *director) proxy() *process.Proxy {
	names := slices.Sorted(maps.Keys(d.s.Proxies))
	return d.s.Proxies[names[d.random.IntN(len(names))]]
}

func (d *director) cut(ctx context.Context) {
	p, away := d.proxy(), d.between(200*time.Millisecond, 4*time.Second)
	if !d.take("proxy " + p.Name) {
		return
	}
	d.count(d.faults, "connections cut")
	d.note("cut %s off for %s", p.Name, away.Round(time.Millisecond))
	p.Cut()
	d.snapshot(ctx)
	d.doing.Go(func() {
		defer d.release("proxy " + p.Name)
		wait(ctx, away)
		if err := p.Mend(); err != nil {
			d.t.Errorf("mend %s: %v", p.Name, err)
		}
	})
}

func (d *director) poison(ctx context.Context) {
	toxics := []process.Toxic{
		{Type: "latency", Stream: "downstream", Toxicity: 1, Attributes: map[string]any{"latency": 50 + d.random.IntN(300), "jitter": 50}},
		{Type: "latency", Stream: "upstream", Toxicity: 0.5, Attributes: map[string]any{"latency": 50 + d.random.IntN(1000), "jitter": 200}},
		{Type: "timeout", Stream: "downstream", Toxicity: 0.7, Attributes: map[string]any{"timeout": 0}}, // answers are lost
		{Type: "timeout", Stream: "upstream", Toxicity: 0.7, Attributes: map[string]any{"timeout": 0}},
		{Type: "limit_data", Stream: "downstream", Toxicity: 1, Attributes: map[string]any{"bytes": 200 + d.random.IntN(20_000)}}, // an answer breaks off
		{Type: "limit_data", Stream: "upstream", Toxicity: 1, Attributes: map[string]any{"bytes": 200 + d.random.IntN(200_000)}},
		{Type: "reset_peer", Stream: "downstream", Toxicity: 0.5, Attributes: map[string]any{"timeout": d.random.IntN(500)}},
		{Type: "slicer", Stream: "downstream", Toxicity: 1, Attributes: map[string]any{"average_size": 700, "size_variation": 500, "delay": 50}},
	}
	toxic := toxics[d.random.IntN(len(toxics))]
	p, long := d.proxy(), d.between(time.Second, 13*time.Second)
	if !d.take("proxy " + p.Name) {
		return
	}
	d.count(d.faults, toxic.Type)
	d.note("%s %s of %s for %s", toxic.Type, toxic.Stream, p.Name, long.Round(time.Millisecond))
	if err := p.Poison(toxic); err != nil {
		d.t.Errorf("%v", err)
	}
	d.doing.Go(func() {
		defer d.release("proxy " + p.Name)
		wait(ctx, long)
		p.Heal(context.WithoutCancel(ctx))
	})
}

// freeze stops a process for longer or shorter than its group waits for it: it may come back as a former owner.
func (d *director) freeze(ctx context.Context) {
	all := d.s.All()
	p, long := all[d.random.IntN(len(all))], d.between(time.Second, 25*time.Second)
	if !d.take(p.Name) {
		return
	}
	if err := p.Pause(); err != nil {
		d.release(p.Name)
		return
	}
	d.count(d.faults, "processes frozen")
	d.note("freeze %s for %s", p.Name, long.Round(time.Millisecond))
	d.snapshot(ctx)
	d.doing.Go(func() {
		defer d.release(p.Name)
		wait(ctx, long)
		if err := p.Resume(); err != nil {
			d.t.Errorf("resume %s: %v", p.Name, err)
		}
	})
}

// rebalance has one more member join a group and leave it again.
func (d *director) rebalance(ctx context.Context) {
	kinds := []struct {
		name string
		make func(string) (*process.Process, error)
	}{{"enricher-x", d.s.NewEnricher}, {"infomart-x", d.s.NewInfomart}, {"tserver-x", d.s.NewTServer}}
	kind := kinds[d.random.IntN(len(kinds))]
	stay := d.between(time.Second, 10*time.Second)
	if !d.take(kind.name) {
		return
	}
	p, err := kind.make(kind.name)
	if err == nil {
		err = p.Start()
	}
	if err != nil {
		d.t.Errorf("%v", err)
		d.release(kind.name)
		return
	}
	d.count(d.faults, "members joined and left")
	d.note("%s joins", kind.name)
	d.doing.Go(func() {
		defer d.release(kind.name)
		joining, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		if err := p.WaitReady(joining); errors.Is(err, process.ErrEnded) {
			d.fell(p)
		}
		wait(ctx, stay)
		stopping, cancelStop := context.WithTimeout(ctx, 40*time.Second)
		defer cancelStop()
		if err := p.Stop(stopping); err != nil {
			d.t.Errorf("%s leaves: %v", kind.name, err)
		}
		d.note("%s has left", kind.name)
	})
}
