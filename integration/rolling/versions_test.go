//go:build realcluster

package rolling_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/integration/chaos/oracle"
	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/pkg/avro"
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
)

// TestRealVersions: the next release takes the place of this one pod by pod, and this one takes it back, under load and
// with both side by side. Each reads what the other wrote: events, states, positions, UserEvents. Nothing is lost,
// nothing counted twice, and but for the version in them the UserEvents are those of one release alone (invariants 1 to 6, 8).
func TestRealVersions(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	next := nextRelease(ctx, t, filepath.Join(t.TempDir(), "next"))
	r := start(ctx, t, 11)
	roll := &rollout{run: r, grace: chartGrace(t), this: r.s.Services.Binaries, next: next}

	// The consumers of what is new may be rolled out before its writers or after them.
	roll.forward(ctx, t, "enricher", "producer", "infomart", "tserver")
	r.progress(ctx, t, 400)
	roll.back(ctx, t, "tserver", "enricher", "infomart", "producer")
	r.progress(ctx, t, 400)
	// And forward once more, of which half is taken back: an update that was broken off.
	roll.half(ctx, t, "enricher", "producer", "infomart", "tserver")
	r.progress(ctx, t, 400)
	r.served(t)

	v := &versions{written: map[string]map[string]int{}}
	r.check(ctx, t, v.leaveOut)
	for _, name := range []string{topic.Lifecycle, topic.UserEvents, topic.AttachedData, topic.Sessions} {
		r.note(t, "%s: records by schema %v", name, v.written[name])
		require.Len(t, v.written[name], map[bool]int{true: 4, false: 2}[name == topic.Sessions], "%s holds records of both releases", name)
	}
	r.note(t, "UserEvents by logic_version: %v", v.logic)
	require.Positive(t, v.logic[callback.LogicVersion])
	require.Positive(t, v.logic[callback.LogicVersion+1])
	r.note(t, "sessions with UserEvents of both: %d", len(v.both()))
	require.NotEmpty(t, v.both(), "the one goes on with the other's sessions")
}

// rollout puts processes in the place of others as a Deployment with maxSurge 1 does: one more, then one less.
type rollout struct {
	*run
	grace      grace
	this, next *process.Binaries
	n          int
}

func (o *rollout) forward(ctx context.Context, t *testing.T, order ...string) {
	o.replace(ctx, t, o.next, 2, order)
}

func (o *rollout) back(ctx context.Context, t *testing.T, order ...string) {
	o.replace(ctx, t, o.this, 2, order)
}

func (o *rollout) half(ctx context.Context, t *testing.T, order ...string) {
	o.replace(ctx, t, o.next, 1, order)
	o.progress(ctx, t, 800)
	o.replace(ctx, t, o.this, 1, order)
}

// replace puts that many of each service in the place of such as are of the other release.
func (o *rollout) replace(ctx context.Context, t *testing.T, with *process.Binaries, pods int, order []string) {
	t.Helper()
	s := o.s
	services := *s.Services
	services.Binaries = with
	s.Services = &services
	for range pods {
		for _, service := range order {
			o.n++
			name := fmt.Sprintf("%s-%s-%d", service, filepath.Base(with.Dir), o.n)
			switch service {
			case "producer":
				p, at, err := s.Services.Producer(name, nil)
				require.NoError(t, err)
				o.surge(ctx, t, p)
				o.address.add(t, at)
				i := o.other(t, s.Producers, with)
				o.address.remove(t, s.ProducerURLs[i])
				s.ProducerURLs = append(slices.Delete(s.ProducerURLs, i, i+1), at)
				s.Producers = o.swap(ctx, t, s.Producers, i, p, o.grace.producer)
			case "enricher":
				p, err := s.NewEnricher(name)
				require.NoError(t, err)
				o.surge(ctx, t, p)
				s.Enrichers = o.swap(ctx, t, s.Enrichers, o.other(t, s.Enrichers, with), p, o.grace.enricher)
			case "infomart":
				p, err := s.NewInfomart(name)
				require.NoError(t, err)
				o.surge(ctx, t, p)
				s.Infomarts = o.swap(ctx, t, s.Infomarts, o.other(t, s.Infomarts, with), p, o.grace.infomart)
			case "tserver":
				p, err := s.NewTServer(name)
				require.NoError(t, err)
				o.surge(ctx, t, p)
				s.TServers = o.swap(ctx, t, s.TServers, o.other(t, s.TServers, with), p, o.grace.tserver)
			}
			o.progress(ctx, t, 100)
		}
	}
}

// other is the oldest of them that is of the other release.
func (o *rollout) other(t *testing.T, all []*process.Process, than *process.Binaries) int {
	t.Helper()
	i := slices.IndexFunc(all, func(p *process.Process) bool { return filepath.Dir(p.Path) != than.Dir })
	require.GreaterOrEqual(t, i, 0)
	return i
}

func (o *rollout) surge(ctx context.Context, t *testing.T, p *process.Process) {
	t.Helper()
	began := time.Now()
	require.NoError(t, p.Start())
	t.Cleanup(func() { _ = p.Kill() }) // it has ended, unless the test has failed
	require.NoError(t, p.WaitReady(ctx))
	o.note(t, "%s is ready after %s", p.Name, time.Since(began).Round(time.Millisecond))
}

// swap stops the i-th of them and puts p at the end.
func (o *rollout) swap(ctx context.Context, t *testing.T, all []*process.Process, i int, p *process.Process, within time.Duration) []*process.Process {
	t.Helper()
	stopping, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	began := time.Now()
	require.NoError(t, all[i].Stop(stopping), "the end of its log:\n%s", all[i].Tail(1500))
	o.note(t, "SIGTERM %s: %s", all[i].Name, time.Since(began).Round(time.Millisecond))
	return append(slices.Delete(slices.Clone(all), i, i+1), p)
}

// versions counts by which release records were written, and leaves it out of them: the oracle knows this release alone.
type versions struct {
	written map[string]map[string]int // by topic, and kind and schema id
	logic   map[int32]int
	by      map[string]map[int32]bool // logic versions of each session's UserEvents
}

func (v *versions) leaveOut(ctx context.Context, t *testing.T, of *oracle.Topic, codec *wire.Codec) {
	t.Helper()
	v.written[of.Name] = map[string]int{}
	for n := range of.Partitions {
		for i := range of.Partitions[n] {
			r := &of.Partitions[n][i]
			if r.Value == nil {
				continue
			}
			id, _, err := avro.SplitHeader(r.Value)
			require.NoError(t, err)
			kind := "record"
			if of.Name == topic.Sessions && wire.IsPosition(r) {
				kind = "position"
			}
			v.written[of.Name][fmt.Sprintf("%s %d", kind, id)]++
			switch of.Name {
			case topic.UserEvents:
				u, err := codec.ParseUserEvent(ctx, r)
				require.NoError(t, err)
				v.count(u.ServiceID(), u.LogicVersion)
				u.LogicVersion = callback.LogicVersion
				again, err := codec.UserEvent(u)
				require.NoError(t, err)
				r.Value = again.Value
			case topic.AttachedData:
				d, err := codec.ParseAttachedData(ctx, r)
				require.NoError(t, err)
				d.LogicVersion = callback.LogicVersion
				again, err := codec.AttachedData(d)
				require.NoError(t, err)
				r.Value = again.Value
			case topic.Sessions:
				if kind == "record" {
					state, err := codec.UnframeState(r.Value)
					require.NoError(t, err)
					r.Value = codec.FrameState(state)
				}
			}
		}
	}
}

func (v *versions) count(service string, logic int32) {
	if v.logic == nil {
		v.logic, v.by = map[int32]int{}, map[string]map[int32]bool{}
	}
	v.logic[logic]++
	if v.by[service] == nil {
		v.by[service] = map[int32]bool{}
	}
	v.by[service][logic] = true
}

// both are the sessions with UserEvents of both releases.
func (v *versions) both() (services []string) {
	for service, logic := range v.by {
		if len(logic) == 2 {
			services = append(services, service)
		}
	}
	return services
}
