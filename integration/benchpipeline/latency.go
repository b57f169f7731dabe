package main

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/intake"
	"github.com/ringback/ringback/services/ringback/scenario"
)

const (
	latencyPartitions = 4
	lead              = time.Second // before the first event, in which the queues fill
	workers           = 64          // each sends the events of its own sessions, one after the other
)

// measureLatency takes the time from the 202 of the event that makes a UserEvent due until the row
// of that UserEvent can be seen by another session of the database.
func measureLatency(o options) func(context.Context, *environment, *report) error {
	return func(ctx context.Context, env *environment, r *report) error {
		if err := env.topics(ctx, latencyPartitions); err != nil {
			return err
		}
		if err := env.fresh(ctx); err != nil {
			return err
		}
		url, stop, err := env.startAll(ctx)
		if err != nil {
			return err
		}
		l := &load{accepted: map[dueKey]time.Time{}, url: url}
		seen := &sightings{at: map[int64]time.Time{}}
		over, watched := make(chan struct{}), make(chan error, 1)
		go func() { watched <- seen.watch(ctx, env, over) }()
		readable := env.watchUserEvents(ctx)
		err = l.send(ctx, o)
		if err == nil {
			err = env.settled(ctx, l)
		}
		close(over)
		read, failed := readable.stop()
		if err := errors.Join(err, <-watched, failed, stop()); err != nil {
			return err
		}
		took, enriched, stored, err := env.hold(ctx, l, seen, read)
		if err != nil {
			return err
		}
		of := newLatency(fmt.Sprintf("HTTP 202 to committed row, %d events/s for %d s", o.rate, o.seconds), took)
		of.Aim = "p99 under 100 ms"
		of.Note = fmt.Sprintf("%d events in %s, %d partitions; producer, enricher and sink as processes", l.sent, l.elapsed.Round(time.Millisecond), latencyPartitions)
		of.Note += fmt.Sprintf("; the first %d s are not counted", o.warmup)
		if reached := float64(l.sent) / l.elapsed.Seconds(); reached < 0.9*float64(o.rate) {
			of.Note += fmt.Sprintf("; THE RATE WAS NOT REACHED: %.0f events/s", reached)
		}
		r.Latencies = append(r.Latencies, of,
			stage("from the event to its 202", l.answered), stage("from 202 to the committed UserEvent", enriched), stage("from the committed UserEvent to the row", stored))
		env.progress("latency: %d events sent in %s; of %d rows p50 %.1f ms, p99 %.1f ms", l.sent, l.elapsed, of.Count, of.P50, of.P99)
		return nil
	}
}

func stage(name string, took []time.Duration) latency {
	of := newLatency(name, took)
	of.Note = "a stage of the above"
	return of
}

// startAll starts producer, enricher and infomart sink and waits until they are ready.
func (env *environment) startAll(ctx context.Context) (url string, stop func() error, err error) {
	services, err := env.services(ctx)
	if err != nil {
		return "", nil, err
	}
	group := fmt.Sprintf("bench-%d", time.Now().UnixNano())
	producer, url, err := services.Producer("producer-latency", nil)
	if err != nil {
		return "", nil, err
	}
	enricher, err := services.Enricher("enricher-latency", map[string]string{"ENRICHER_GROUP": group})
	if err != nil {
		return "", nil, err
	}
	sink, err := services.Infomart("sink-latency", map[string]string{"SINK_GROUP": group, "STORE_SCHEMA": benchSchema})
	if err != nil {
		return "", nil, err
	}
	all := []*process.Process{producer, enricher, sink}
	stop = func() error {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		var errs []error
		for _, p := range all {
			errs = append(errs, p.Stop(stopping))
		}
		return errors.Join(errs...)
	}
	for _, p := range all {
		if err := p.Start(); err != nil {
			return "", nil, err
		}
		env.onClose(func() error {
			if err := p.Kill(); !errors.Is(err, process.ErrNotRunning) {
				return err
			}
			return nil
		})
	}
	ready, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, p := range all {
		if err := p.WaitReady(ready); err != nil {
			return "", nil, err
		}
	}
	return url, stop, nil
}

// dueKey names a UserEvent.
type dueKey struct {
	service  string
	sequence int64
}

// load sends events at a steady rate, in lifecycle order within each session.
type load struct {
	url     string
	sent    int
	from    time.Time // what is answered before it warms up and is not counted
	elapsed time.Duration

	mu       sync.Mutex
	accepted map[dueKey]time.Time // when the event that made it due was answered 202
	answered []time.Duration      // how long the answers to such events took
}

// event is one to be sent at its time.
type event struct {
	body []byte
	due  *dueKey // the UserEvent that it makes due
	at   time.Time
}

func (l *load) send(ctx context.Context, o options) error {
	n := o.rate * (o.warmup + o.seconds)
	started := time.Now().Add(lead)
	l.from = started.Add(time.Duration(o.warmup) * time.Second)
	queues := make([]chan event, workers)
	g, ctx := errgroup.WithContext(ctx)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers}}
	for i := range queues {
		queues[i] = make(chan event, 1000)
		g.Go(func() error { return l.work(ctx, client, queues[i]) })
	}
	g.Go(func() error {
		defer func() {
			for _, q := range queues {
				close(q)
			}
		}()
		return l.generate(ctx, n, time.Second/time.Duration(o.rate), queues)
	})
	err := g.Wait()
	l.sent, l.elapsed = n, time.Since(started)
	return err
}

// generate gives each event its time and its queue.
func (l *load) generate(ctx context.Context, n int, every time.Duration, queues []chan event) (err error) {
	r, w := io.Pipe()
	go func() {
		_, err := scenario.Generate(seed, n/8, w)
		w.CloseWithError(err)
	}()
	defer func() { err = errors.Join(err, r.Close()) }()
	lines := intake.NewLines(r)
	hash := maphash.MakeSeed()
	started := time.Now().Add(lead)
	begun := map[string]bool{}
	for i := range n {
		raw, e, err := nextEvent(lines)
		if err != nil {
			return err
		}
		out := event{body: raw, at: started.Add(time.Duration(i) * every)}
		switch service := e.Subject; e.Type {
		case callback.OfferAccepted, callback.Requested: // START
			if !begun[service] {
				begun[service] = true
				out.due = &dueKey{service, 1}
			}
		case callback.Completed, callback.Cancelled: // FINAL
			if begun[service] {
				out.due = &dueKey{service, 2}
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case queues[maphash.String(hash, e.Subject)%workers] <- out:
		}
	}
	return nil
}

func (l *load) work(ctx context.Context, client *http.Client, queue <-chan event) error {
	for e := range queue {
		timer := time.NewTimer(time.Until(e.at))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		asked := time.Now()
		if err := post(ctx, client, l.url, "application/cloudevents+json", e.body); err != nil {
			return err
		}
		if e.due != nil {
			now := time.Now()
			l.mu.Lock()
			l.accepted[*e.due] = now
			if now.After(l.from) {
				l.answered = append(l.answered, now.Sub(asked))
			}
			l.mu.Unlock()
		}
	}
	return nil
}

// settled waits until every UserEvent that is due has its row.
func (env *environment) settled(ctx context.Context, l *load) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var services []string
	var sequences []int32
	for due := range l.accepted {
		services, sequences = append(services, due.service), append(sequences, int32(due.sequence))
	}
	return process.Until(ctx, func() error {
		n, err := env.count(ctx, "SELECT COUNT(*) FROM "+benchSchema+".CALLBACK_FACT f JOIN unnest($1::text[], $2::integer[]) AS n (service, sequence) ON f.SERVICE_ID = n.service AND f.EVENT_SEQUENCE = n.sequence", services, sequences)
		if err == nil && n < int64(len(services)) {
			err = fmt.Errorf("%d rows of %d", n, len(services))
		}
		return err
	})
}
