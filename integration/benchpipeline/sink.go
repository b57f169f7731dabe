package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/pkg/deadletter"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/postgres"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/services/sink"
)

// sinkRun is the sink at work on one partition of UserEvents.
type sinkRun struct {
	env   *environment
	store string // store-event-data
	end   int64  // of the partition
	group int
	want  []int64 // rows by table; nil: not known yet
}

// sinkComparison holds the infomart sink, as a process, against a bare COPY of the rows that it writes.
func sinkComparison(store string) func(context.Context, *environment, options) (comparison, error) {
	return func(ctx context.Context, env *environment, o options) (comparison, error) {
		c := comparison{name: "sink infomart, store-event-data " + store, unit: "UserEvents", aim: 0.7}
		made, err := env.userEvents(ctx, 1, o.events/2)
		if err != nil {
			return c, err
		}
		ends, err := env.ends(ctx, topic.UserEvents)
		if err != nil {
			return c, err
		}
		if err := env.fresh(ctx); err != nil {
			return c, err
		}
		s := &sinkRun{env: env, store: store, end: ends[0]}
		if _, err := s.run(ctx); err != nil {
			return c, err
		}
		rows, err := env.recordCopies(ctx)
		if err != nil {
			return c, err
		}
		if rows.rows[0] != made {
			return c, fmt.Errorf("%d facts of %d UserEvents", rows.rows[0], made)
		}
		s.want = rows.rows
		c.note = fmt.Sprintf("%d facts and %d rows of G_CUSTOM_DATA_S in %d transactions, one partition, one session", rows.rows[0], rows.rows[1], len(rows.batches))
		if o.profile != "" {
			if err := s.profiled(ctx, filepath.Join(o.profile, "sink-"+store+".pprof")); err != nil {
				return c, err
			}
		}
		c.baseline = arm{"bare COPY", func(ctx context.Context) (sample, error) { return env.bareCopy(ctx, &rows) }}
		c.subjects = []arm{{"sink infomart", s.run}}
		return c, nil
	}
}

// run has a sink process work through the partition. Timed is from its first commit to its last,
// and counted is what lies between them: joining the group is no part of it.
func (s *sinkRun) run(ctx context.Context) (result sample, err error) {
	services, err := s.env.services(ctx)
	if err != nil {
		return result, err
	}
	if err := s.env.clear(ctx); err != nil {
		return result, err
	}
	s.group++
	env := map[string]string{"SINK_GROUP": s.name(), "STORE_SCHEMA": benchSchema, "INFOMART_STORE_EVENT_DATA": s.store}
	for _, variable := range os.Environ() { // to measure another size of batch, say
		if name, value, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "SINK_BATCH_") {
			env[name] = value
		}
	}
	p, err := services.Infomart("sink", env)
	if err != nil {
		return result, err
	}
	if err := p.Start(); err != nil {
		return result, err
	}
	first, result, err := s.watch(ctx, p)
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if err := errors.Join(err, p.Stop(stopping)); err != nil {
		return result, fmt.Errorf("%w\n%s", err, p.Tail(2000))
	}
	if s.want != nil {
		if _, err := s.env.counted(ctx, s.want); err != nil {
			return result, err
		}
	}
	// Partition 0: PRODUCER_BATCH_ID is the offset.
	result.units, err = s.env.count(ctx, "SELECT COUNT(*) FROM "+benchSchema+".CALLBACK_FACT WHERE PRODUCER_BATCH_ID >= $1", first)
	return result, err
}

func (s *sinkRun) name() string { return fmt.Sprintf("bench-%s-%d-%d", s.store, os.Getpid(), s.group) }

// watch looks at the stored position until all is applied. It returns the position after the
// first commit, and what came between that and the last, the units not counted yet.
func (s *sinkRun) watch(ctx context.Context, p *process.Process) (first int64, result sample, err error) {
	conn, err := s.env.connect(ctx)
	if err != nil {
		return 0, result, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	var started time.Time
	var before cpu
	for {
		var next int64
		err := conn.QueryRow(ctx, "SELECT NEXT_OFFSET FROM RINGBACK_POSITION WHERE CONSUMER_GROUP = $1", s.name()).Scan(&next)
		switch {
		case err != nil && !errors.Is(err, pgx.ErrNoRows):
			return 0, result, err
		case err == nil && started.IsZero():
			first, started = next, time.Now()
			if before, err = usedBy(ctx, conn, p); err != nil {
				return 0, result, err
			}
		case next >= s.end:
			result.elapsed = time.Since(started)
			after, err := usedBy(ctx, conn, p)
			result.cpu = cpu{service: after.service - before.service, database: after.database - before.database}
			return first, result, err
		}
		select {
		case <-ctx.Done():
			return 0, result, ctx.Err()
		case <-p.Exited():
			return 0, result, errors.New("the sink ended by itself")
		case <-tick.C:
		}
	}
}

// usedBy is the processor time that the sink and its sessions have used.
func usedBy(ctx context.Context, conn *pgx.Conn, p *process.Process) (used cpu, err error) {
	if used.service, err = cpuOf(p.PID()); err != nil {
		return used, err
	}
	rows, err := conn.Query(ctx, "SELECT pid FROM pg_stat_activity WHERE application_name = 'ringback'")
	if err != nil {
		return used, err
	}
	sessions, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		return used, err
	}
	for _, pid := range sessions {
		if took, err := cpuOf(int(pid)); err == nil { // one that has ended meanwhile is not at work
			used.database += took
		}
	}
	return used, nil
}

// profiled writes a CPU profile of the sink, which works in this process for it.
func (s *sinkRun) profiled(ctx context.Context, path string) (err error) {
	if err := s.env.clear(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	store, err := postgres.Open(ctx, postgres.Config{URL: postgres.Secret(s.env.postgres), Schema: benchSchema, EventData: infomart.EventData{Store: s.store}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	cfg := sink.Defaults()
	s.group++
	cfg.Group = s.name()
	letters := s.env.client.NewProducer(kafka.ProducerConfig{})
	defer func() { err = errors.Join(err, letters.Close(context.WithoutCancel(ctx))) }()
	m, err := sink.NewInfomart(cfg, store, sink.Deps{
		Kafka: s.env.client, Decoder: s.env.codec, Letters: deadletter.NewWriter(s.env.codec, letters), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- m.Run(running) }()
	if err := m.WaitFor(ctx, topic.UserEvents, map[int32]int64{0: 1}); err != nil {
		return errors.Join(err, <-ended)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	err = m.WaitFor(ctx, topic.UserEvents, map[int32]int64{0: s.end})
	pprof.StopCPUProfile()
	stop()
	return errors.Join(err, <-ended)
}
