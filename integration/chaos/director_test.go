//go:build realcluster

package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ringback/ringback/integration/chaos/oracle"
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
	did     map[string]int  // faults by kind
	touched []oracle.Fault  // what was done to T-Server and what its sinks work with
	died    []string        // processes that ended by themselves
	log     []string

	deck []func(context.Context) string // faults that are still to be drawn
}

func newDirector(t *testing.T, s *stack.Stack, seed uint64) *director {
	return &director{
		t: t, s: s, random: rand.New(rand.NewPCG(seed, 3)), begun: time.Now(),
		busy: map[string]bool{}, kills: map[string]int{}, faults: map[string]int{}, did: map[string]int{},
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

// touch remembers that something is done to a part, until over is called, if it is one that sends to T-Server depend
// on; former as oracle.Fault has it.
func (d *director) touch(what, part string, former bool) (over func()) {
	depends := func(on string) bool { return strings.HasPrefix(part, on) }
	if !slices.ContainsFunc([]string{"tserver", "simulator", "gateway", "postgres", "broker"}, depends) {
		return func() {}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(d.touched)
	d.touched = append(d.touched, oracle.Fault{What: what + " " + part, From: time.Now(), Former: former})
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.touched[n].To = time.Now()
	}
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
	for step := 0; (d.killed() < kills || len(d.lacking()) > 0) && ctx.Err() == nil; step++ {
		if step%3 == 0 {
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
	if strings.HasPrefix(p.Name, "tserver") {
		d.underWay(ctx)
	}
	over := d.touch("kill", p.Name, false)
	if err := p.Kill(); err != nil {
		over()
		d.release(p.Name)
		return // it is just being started again
	}
	d.count(d.kills, p.Name)
	d.note("kill %s, down for %s", p.Name, down.Round(time.Millisecond))
	d.doing.Go(func() {
		defer d.release(p.Name)
		defer over()
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
	// A sink that it coordinated the group of may go on for a while without being a member.
	over := d.touch("kill", node.Name(), true)
	if err := node.Kill(ctx); err != nil {
		over()
		d.t.Errorf("kill %s: %v", node.Name(), err)
		d.release("broker")
		return
	}
	d.count(d.kills, node.Name())
	d.note("kill %s, down for %s", node.Name(), down.Round(time.Millisecond))
	d.doing.Go(func() {
		defer d.release("broker")
		defer over()
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
	over := d.touch("kill", server.Name(), false)
	if err := server.Kill(ctx); err != nil {
		over()
		d.t.Errorf("kill %s: %v", server.Name(), err)
		d.release(server.Name())
		return
	}
	d.count(d.kills, server.Name())
	d.note("kill %s, down for %s", server.Name(), down.Round(time.Millisecond))
	d.doing.Go(func() {
		defer d.release(server.Name())
		defer over()
		wait(ctx, down)
		starting, cancel := context.WithTimeout(ctx, 2*time.Minute)
		defer cancel()
		if err := server.Start(starting); err != nil {
			d.t.Errorf("%s did not come back: %v", server.Name(), err)
		}
		d.note("%s is back", server.Name())
	})
}

// underWay waits for a moment at which sends to T-Server are under way, for a while: a kill between two batches
// would tell nothing of the ledger.
func (d *director) underWay(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, d.s.Direct.Postgres)
	if err != nil {
		return // the database is down: whatever is under way then is as good
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it was only read
	_ = process.Until(ctx, func() error {        // it is killed in any case
		var n int
		if err := conn.QueryRow(ctx, "SELECT count(*) FROM dbo.RINGBACK_TSERVER_LEDGER WHERE STATE = 'SENDING'").Scan(&n); err != nil {
			return err
		}
		if n < 5 {
			return errors.New("nothing is being sent")
		}
		return nil
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
