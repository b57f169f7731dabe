package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/services/enricher"
)

const (
	enricherPartitions = 4
	// A batch of the enricher is some 2,500 events, so that a run of it needs more than the others'.
	enricherFactor = 10
	// copies is where the bare loop writes.
	copies = "bench.copies.v1"
)

// enricherRun is the enricher, or the bare loop, at work on the same lifecycle events.
type enricherRun struct {
	env    *environment
	ends   map[int32]int64
	events int64
	group  int
}

// enricherComparison holds the enricher against a bare loop of the same client: fetch, and write
// what was fetched unchanged to another topic with the position in the same transaction, the fetches
// and so the transactions as large as the enricher's, all partitions at once. Both run in this
// process. States, UserEvents and attached data are the enricher's job and not the loop's.
func enricherComparison(ctx context.Context, env *environment, o options) (comparison, error) {
	c := comparison{name: "enricher, lifecycle events to committed effects", unit: "events", aim: 0.5}
	events, err := env.lifecycle(ctx, enricherPartitions, o.events*enricherFactor/9)
	if err != nil {
		return c, err
	}
	r := &enricherRun{env: env, events: int64(events)}
	if r.ends, err = env.ends(ctx, topic.Lifecycle); err != nil {
		return c, err
	}
	c.note = fmt.Sprintf("%d events, %d partitions; the rate is from the first commit to the last", events, enricherPartitions)
	if o.profile != "" {
		if err := profiled(filepath.Join(o.profile, "enricher.pprof"), func() error { _, err := r.enrich(ctx); return err }); err != nil {
			return c, err
		}
		if err := profiled(filepath.Join(o.profile, "enricher-copy.pprof"), func() error { _, err := r.copy(ctx); return err }); err != nil {
			return c, err
		}
	}
	c.baseline = arm{"bare copy loop", r.copy}
	c.subjects = []arm{{"enricher", r.enrich}}
	return c, nil
}

func profiled(file string, run func() error) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return errors.Join(err, f.Close())
	}
	err = run()
	pprof.StopCPUProfile()
	return errors.Join(err, f.Close())
}

// fresh makes all topics but that of the events anew, and gives the group a name that has no offsets.
func (r *enricherRun) fresh(ctx context.Context) (string, error) {
	r.group++
	specs := slices.DeleteFunc(topic.Specs(enricherPartitions, 1), func(s topic.Spec) bool { return s.Name == topic.Lifecycle })
	specs = append(specs, topic.Spec{Name: copies, Partitions: enricherPartitions, Replication: 1, Config: map[string]string{"retention.ms": "3600000"}})
	return fmt.Sprintf("bench-enricher-%d-%d", time.Now().UnixNano(), r.group), r.env.remake(ctx, specs)
}

// gcPercent is what cmd/enricher sets while its heap is small; both arms run with it.
const gcPercent = 400

// enrich has an enricher read all events.
func (r *enricherRun) enrich(ctx context.Context) (s sample, err error) {
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	group, err := r.fresh(ctx)
	if err != nil {
		return s, err
	}
	var cfg enricher.Config
	if err := config.Load(ctx, config.Environment{"ENRICHER_GROUP": group}, []string{"ENRICHER_"}, &cfg); err != nil {
		return s, err
	}
	client, err := kafka.New(kafka.Config{Brokers: r.env.brokers, ClientID: "bench-enricher"})
	if err != nil {
		return s, err
	}
	defer client.Close()
	e, err := enricher.New(cfg, enricher.Deps{Kafka: client, Codec: r.env.codec, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return s, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- e.Run(running)
		stop()
	}()
	// The first commit of any partition, and what it held, are not counted: joining the group comes before it.
	first, cancel := context.WithCancel(running)
	defer cancel()
	begun := make(chan error, len(r.ends))
	for n := range r.ends {
		go func() { begun <- e.WaitFor(first, map[int32]int64{n: 1}) }()
	}
	if err := <-begun; err != nil {
		return s, errors.Join(err, <-ended)
	}
	started, before := time.Now(), e.Counts()
	if err := e.WaitFor(running, r.ends); err != nil {
		return s, errors.Join(err, <-ended)
	}
	s.elapsed = time.Since(started)
	counts := e.Counts()
	stop()
	if err := <-ended; err != nil {
		return s, err
	}
	if counts.Applied != r.events {
		return s, fmt.Errorf("%d events applied, not %d: %+v", counts.Applied, r.events, counts)
	}
	s.units = counts.Read - before.Read
	return s, nil
}

// copy is the bare loop.
func (r *enricherRun) copy(ctx context.Context) (s sample, err error) {
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	group, err := r.fresh(ctx)
	if err != nil {
		return s, err
	}
	client, err := kafka.New(kafka.Config{Brokers: r.env.brokers, ClientID: "bench-copy"})
	if err != nil {
		return s, err
	}
	defer client.Close()
	transactors := map[int32]*kafka.Transactor{}
	for n := range r.ends {
		if transactors[n], err = client.NewTransactor(ctx, fmt.Sprintf("%s-%d", group, n)); err != nil {
			return s, err
		}
	}
	type commit struct {
		at      time.Time
		records int
	}
	commits := make(chan commit, 1<<20)
	g, copying := errgroup.WithContext(ctx)
	for n, end := range r.ends {
		g.Go(func() error {
			for offset := int64(0); offset < end; {
				got, err := client.Fetch(copying, kafka.FetchRequest{Topic: topic.Lifecycle, Partition: n, Offset: offset, MaxBytes: 1 << 20, MaxWait: 500 * time.Millisecond})
				if err != nil {
					return err
				}
				for i := range got.Records {
					got.Records[i].Topic = copies
				}
				err = transactors[n].Commit(copying, kafka.Txn{
					Records: got.Records,
					Group:   &kafka.GroupOffsets{Generation: kafka.Generation{GroupID: group, ID: -1}, Topic: topic.Lifecycle, Offsets: map[int32]int64{n: got.Next}},
				})
				if err != nil {
					return err
				}
				commits <- commit{time.Now(), len(got.Records)}
				offset = got.Next
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return s, err
	}
	close(commits)
	first := <-commits
	total, last := int64(first.records), first.at
	for c := range commits {
		total += int64(c.records)
		s.units += int64(c.records)
		last = c.at
	}
	s.elapsed = last.Sub(first.at)
	if total != r.events {
		return s, fmt.Errorf("%d records copied, not %d", total, r.events)
	}
	return s, nil
}
