//go:build realcluster

package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/integration/process/stack"
)

// director does the damage. What it does, and when, follows from the seed; how far the services are when it happens
// does not.
type director struct {
	t      *testing.T
	s      *stack.Stack
	random *rand.Rand
	begun  time.Time
	doing  sync.WaitGroup

	mu      sync.Mutex
	busy    map[string]bool // what something is being done to
	kills   map[string]int  // SIGKILLs by victim
	faults  map[string]int  // everything else by kind
	sending map[string]bool // ids that were SENDING in T-Server's ledger at a kill
	died    []string        // processes that ended by themselves
	log     []string
}

func newDirector(t *testing.T, s *stack.Stack, seed uint64) *director {
	return &director{
		t: t, s: s, random: rand.New(rand.NewPCG(seed, 3)), begun: time.Now(),
		busy: map[string]bool{}, kills: map[string]int{}, faults: map[string]int{}, sending: map[string]bool{},
	}
}

func (d *director) note(format string, args ...any) {
	line := fmt.Sprintf("%7.1fs %s", time.Since(d.begun).Seconds(), fmt.Sprintf(format, args...))
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = append(d.log, line)
	d.t.Log(line)
}

func (d *director) killed() (sum int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range d.kills {
		sum += n
	}
	return sum
}

// take marks a victim as being dealt with; false where it is already.
func (d *director) take(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.busy[name] {
		return false
	}
	d.busy[name] = true
	return true
}

func (d *director) release(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.busy, name)
}

func (d *director) count(of map[string]int, name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	of[name]++
}

// between draws a duration.
func (d *director) between(low, high time.Duration) time.Duration {
	return low + time.Duration(d.random.Int64N(int64(high-low)+1))
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// run does damage until there have been enough kills, spread over the time, and then lets everything that is under
// way be mended.
func (d *director) run(ctx context.Context, kills int, over time.Duration) {
	watching, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { d.watch(watching) })
	victims := d.victims()
	pace := over / time.Duration(kills)
	deck := []int{}
	for d.killed() < kills && ctx.Err() == nil {
		if d.random.IntN(100) < 30 {
			d.fault(ctx)
		}
		// Each victim's turn comes equally often, in an order that is drawn.
		if len(deck) == 0 {
			deck = d.random.Perm(len(victims))
		}
		victims[deck[0]](ctx)
		deck = deck[1:]
		wait(ctx, d.between(pace/2, pace*3/2))
	}
	d.doing.Wait()
	stop()
	watch.Wait()
}

// victims are what can be killed: each service's processes, each broker, PostgreSQL, the registry, T-Server.
func (d *director) victims() []func(context.Context) {
	var all []func(context.Context)
	for _, p := range d.s.All() {
		all = append(all, func(ctx context.Context) { d.killService(ctx, p) })
	}
	for range d.s.Nodes {
		all = append(all, d.killBroker)
	}
	return append(all,
		func(ctx context.Context) { d.killServer(ctx, d.s.Postgres) },
		func(ctx context.Context) { d.killService(ctx, d.s.Simulator) },
		func(ctx context.Context) { d.killService(ctx, d.s.Registry) })
}

func (d *director) killService(ctx context.Context, p *process.Process) {
	down := d.between(0, 3*time.Second)
	if !d.take(p.Name) {
		return
	}
	if err := p.Kill(); err != nil {
		d.release(p.Name)
		return // it is just being started again
	}
	d.count(d.kills, p.Name)
	d.note("kill %s, down for %s", p.Name, down.Round(time.Millisecond))
	d.snapshot(ctx)
	d.doing.Go(func() {
		defer d.release(p.Name)
		wait(ctx, down)
		if err := p.Start(); err != nil {
			d.t.Errorf("start %s: %v", p.Name, err)
		}
	})
}

// killBroker kills one broker; there is never a second one that is down or not in sync.
func (d *director) killBroker(ctx context.Context) {
	node := d.s.Nodes[d.random.IntN(len(d.s.Nodes))]
	down := d.between(0, 5*time.Second)
	if !d.take("broker") {
		return
	}
	if err := node.Kill(ctx); err != nil {
		d.t.Errorf("kill %s: %v", node.Name(), err)
		d.release("broker")
		return
	}
	d.count(d.kills, node.Name())
	d.note("kill %s, down for %s", node.Name(), down.Round(time.Millisecond))
	d.doing.Go(func() {
		defer d.release("broker")
		wait(ctx, down)
		starting, cancel := context.WithTimeout(ctx, 2*time.Minute)
		defer cancel()
		if err := errors.Join(node.Start(starting), process.Until(starting, func() error { return d.s.InSync(starting) })); err != nil {
			d.t.Errorf("%s did not come back: %v", node.Name(), err)
		}
		d.note("%s is in sync", node.Name())
	})
}

func (d *director) killServer(ctx context.Context, server process.Server) {
	down := d.between(0, 3*time.Second)
	if !d.take(server.Name()) {
		return
	}
	if err := server.Kill(ctx); err != nil {
		d.t.Errorf("kill %s: %v", server.Name(), err)
		d.release(server.Name())
		return
	}
	d.count(d.kills, server.Name())
	d.note("kill %s, down for %s", server.Name(), down.Round(time.Millisecond))
	d.doing.Go(func() {
		defer d.release(server.Name())
		wait(ctx, down)
		starting, cancel := context.WithTimeout(ctx, 2*time.Minute)
		defer cancel()
		if err := server.Start(starting); err != nil {
			d.t.Errorf("%s did not come back: %v", server.Name(), err)
		}
		d.note("%s is back", server.Name())
	})
}

// snapshot notes which sends are under way: they are the ones that may be repeated.
func (d *director) snapshot(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, d.s.Direct.Postgres)
	if err != nil {
		return // the database is down, too
	}
	defer conn.Close(ctx) //nolint:errcheck // it was only read
	rows, err := conn.Query(ctx, "SELECT ID FROM dbo.RINGBACK_TSERVER_LEDGER WHERE STATE = 'SENDING'")
	if err != nil {
		return
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range ids {
		d.sending[id] = true
	}
}

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

// watch starts what ended by itself again, as Kubernetes would, and remembers it: nothing here is a reason to end.
func (d *director) watch(ctx context.Context) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for _, p := range append(d.s.All(), d.s.Simulator, d.s.Registry) {
			if p.Running() || !d.take(p.Name) {
				continue
			}
			if !p.Running() {
				d.fell(p)
				if err := p.Start(); err != nil {
					d.t.Errorf("start %s: %v", p.Name, err)
				}
			}
			d.release(p.Name)
		}
	}
}

func (d *director) fell(p *process.Process) {
	d.note("%s ended by itself", p.Name)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.died = append(d.died, fmt.Sprintf("%s ended by itself %s after the start; the end of its log:\n%s", p.Name, time.Since(d.begun).Round(time.Millisecond), p.Tail(1500)))
}
