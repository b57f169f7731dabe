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

// The kinds of faults.
const (
	kindCut       = "connection cut"
	kindPoison    = "connection got wrong"
	kindFreeze    = "service frozen"
	kindHold      = "server frozen"
	kindRebalance = "member joined and left"
)

var kinds = []string{kindCut, kindPoison, kindFreeze, kindHold, kindRebalance}

// fault does something else than to kill: each kind in its turn, in an order that is drawn. What finds its victim busy
// is done in the next turn.
func (d *director) fault(ctx context.Context) {
	if len(d.deck) == 0 {
		d.deck = []func(context.Context) string{d.cut, d.poison, d.poison, d.freeze, d.freeze, d.hold, d.rebalance}
		d.random.Shuffle(len(d.deck), func(i, j int) { d.deck[i], d.deck[j] = d.deck[j], d.deck[i] })
	}
	for i, do := range d.deck {
		if kind := do(ctx); kind != "" {
			d.count(d.did, kind)
			d.deck = slices.Delete(d.deck, i, i+1)
			return
		}
	}
}

// lacking are the kinds that there has been nothing of.
func (d *director) lacking() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(kinds), func(kind string) bool { return d.did[kind] > 0 })
}

func (d *director) proxy() *process.Proxy {
	names := slices.Sorted(maps.Keys(d.s.Proxies))
	return d.s.Proxies[names[d.random.IntN(len(names))]]
}

func (d *director) cut(ctx context.Context) string {
	p, away := d.proxy(), d.between(200*time.Millisecond, 4*time.Second)
	if !d.take("proxy " + p.Name) {
		return ""
	}
	d.count(d.faults, "connections cut")
	d.note("cut %s off for %s", p.Name, away.Round(time.Millisecond))
	over := d.touch("cut", p.Name, true)
	p.Cut()
	d.doing.Go(func() {
		defer d.release("proxy " + p.Name)
		defer over()
		wait(ctx, away)
		if err := p.Mend(); err != nil {
			d.t.Errorf("mend %s: %v", p.Name, err)
		}
	})
	return kindCut
}

func (d *director) poison(ctx context.Context) string {
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
		return ""
	}
	d.count(d.faults, toxic.Type)
	d.note("%s %s of %s for %s", toxic.Type, toxic.Stream, p.Name, long.Round(time.Millisecond))
	over := d.touch(toxic.Type, p.Name, true)
	if err := p.Poison(toxic); err != nil {
		d.t.Errorf("%v", err)
	}
	d.doing.Go(func() {
		defer d.release("proxy " + p.Name)
		defer over()
		wait(ctx, long)
		p.Heal(context.WithoutCancel(ctx))
	})
	return kindPoison
}

// freeze stops a process for longer or shorter than its group waits for it: it may come back as a former owner.
func (d *director) freeze(ctx context.Context) string {
	all := d.s.All()
	p, long := all[d.random.IntN(len(all))], d.between(time.Second, 25*time.Second)
	if !d.take(p.Name) {
		return ""
	}
	over := d.touch("freeze", p.Name, true)
	if err := p.Pause(); err != nil {
		over()
		d.release(p.Name)
		return ""
	}
	d.count(d.faults, "services frozen")
	d.note("freeze %s for %s", p.Name, long.Round(time.Millisecond))
	d.doing.Go(func() {
		defer d.release(p.Name)
		defer over()
		wait(ctx, long)
		if err := p.Resume(); err != nil {
			d.t.Errorf("resume %s: %v", p.Name, err)
		}
	})
	return kindFreeze
}

// hold stops a broker, PostgreSQL or T-Server for less than anybody waits for it: nothing is closed and nobody elected.
func (d *director) hold(ctx context.Context) string {
	type server struct {
		name, busy    string
		pause, resume func() error
	}
	all := []server{
		{d.s.Postgres.Name(), d.s.Postgres.Name(), d.s.Postgres.Pause, d.s.Postgres.Resume},
		{d.s.Simulator.Name, d.s.Simulator.Name, d.s.Simulator.Pause, d.s.Simulator.Resume},
	}
	for _, n := range d.s.Nodes {
		all = append(all, server{n.Name(), "broker", n.Pause, n.Resume})
	}
	// A broker that is silent for 4 s is given up by its controller.
	of, long := all[d.random.IntN(len(all))], d.between(500*time.Millisecond, 3*time.Second)
	if !d.take(of.busy) {
		return ""
	}
	over := d.touch("freeze", of.name, true)
	if err := of.pause(); err != nil {
		over()
		d.release(of.busy)
		return ""
	}
	d.count(d.faults, "servers frozen")
	d.note("hold %s for %s", of.name, long.Round(time.Millisecond))
	d.doing.Go(func() {
		defer d.release(of.busy)
		defer over()
		wait(ctx, long)
		if err := of.resume(); err != nil {
			d.t.Errorf("resume %s: %v", of.name, err)
		}
	})
	return kindHold
}

// rebalance has one more member join a group and leave it again.
func (d *director) rebalance(ctx context.Context) string {
	groups := []struct {
		name string
		make func(string) (*process.Process, error)
	}{{"enricher-x", d.s.NewEnricher}, {"infomart-x", d.s.NewInfomart}, {"tserver-x", d.s.NewTServer}}
	group := groups[d.random.IntN(len(groups))]
	stay := d.between(time.Second, 10*time.Second)
	if !d.take(group.name) {
		return ""
	}
	p, err := group.make(group.name)
	if err == nil {
		err = p.Start()
	}
	if err != nil {
		d.t.Errorf("%v", err)
		d.release(group.name)
		return ""
	}
	d.count(d.faults, "members joined and left")
	d.note("%s joins", group.name)
	d.doing.Go(func() {
		defer d.release(group.name)
		joining, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		if err := p.WaitReady(joining); errors.Is(err, process.ErrEnded) {
			d.fell(p)
		}
		wait(ctx, stay)
		stopping, cancelStop := context.WithTimeout(ctx, 40*time.Second)
		defer cancelStop()
		if err := p.Stop(stopping); err != nil {
			d.t.Errorf("%s leaves: %v", group.name, err)
		}
		d.note("%s has left", group.name)
	})
	return kindRebalance
}
