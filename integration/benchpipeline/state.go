package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/intake"
	"github.com/ringback/ringback/services/ringback/scenario"
)

const (
	statePartitions = 6
	openEvents      = 6 // of a session at most: it is under way
)

// measureState fills the log with sessions that are open, lets an enricher take all of them in,
// kills it, starts it again, and then has partitions move between two members.
func measureState(o options) func(context.Context, *environment, *report) error {
	return func(ctx context.Context, env *environment, r *report) error {
		events, err := env.openSessions(ctx, o.sessions)
		if err != nil {
			return err
		}
		env.progress("state: %d events of %d open sessions in the log", events, o.sessions)
		services, err := env.services(ctx)
		if err != nil {
			return err
		}
		group := map[string]string{"ENRICHER_GROUP": fmt.Sprintf("bench-state-%d", time.Now().UnixNano())}
		first, err := services.Enricher("enricher-state-1", group)
		if err != nil {
			return err
		}
		second, err := services.Enricher("enricher-state-2", group)
		if err != nil {
			return err
		}
		for _, p := range []*process.Process{first, second} {
			env.onClose(func() error {
				if err := p.Kill(); !errors.Is(err, process.ErrNotRunning) {
					return err
				}
				return nil
			})
		}
		s := stateResult{Sessions: o.sessions, Events: events, Partitions: statePartitions}
		if err := s.takeIn(ctx, first); err != nil {
			return err
		}
		env.progress("state: taken in in %.1f s, peak %d MiB", s.TakeIn, s.Peak>>20)
		if err := s.restore(ctx, first); err != nil {
			return err
		}
		env.progress("state: ready %.1f s after SIGKILL, peak %d MiB", s.Restore, s.RestorePeak>>20)
		if s.Silences, err = env.silences(ctx, first, second); err != nil {
			return err
		}
		r.States = append(r.States, s)
		return nil
	}
}

// openSessions makes the topics anew and fills the lifecycle topic with the first events of that
// many sessions, none of which ends. It returns the number of events.
func (env *environment) openSessions(ctx context.Context, sessions int) (int, error) {
	r, w := io.Pipe()
	go func() {
		_, err := scenario.Generate(seed, sessions, w)
		w.CloseWithError(err)
	}()
	open, out := io.Pipe()
	go func() { out.CloseWithError(errors.Join(unended(r, out, openEvents), r.Close())) }()
	return env.fill(ctx, statePartitions, open)
}

// ending are the types that can end a session.
var ending = map[callback.Type]bool{
	callback.Completed: true, callback.Cancelled: true, callback.OfferRejected: true,
	callback.OfferAbandoned: true, callback.InboundCallEnded: true,
}

// unended copies the lines of events that end nothing, most of each session at the most.
func unended(r io.Reader, w io.Writer, most uint8) error {
	taken := map[string]uint8{}
	lines := intake.NewLines(r)
	var out bytes.Buffer
	for {
		raw, e, err := nextEvent(lines)
		if errors.Is(err, io.EOF) {
			_, err = w.Write(out.Bytes())
			return err
		}
		if err != nil {
			return err
		}
		if ending[e.Type] || taken[e.Subject] == most {
			continue
		}
		taken[e.Subject]++
		out.Write(raw)
		out.WriteByte('\n')
		if out.Len() < 64<<10 {
			continue
		}
		if _, err := w.Write(out.Bytes()); err != nil {
			return err
		}
		out.Reset()
	}
}

// stateResult is what the state of that many open sessions costs.
type stateResult struct {
	Sessions    int       `json:"sessions"`
	Events      int       `json:"events"`
	Partitions  int       `json:"partitions"`
	TakeIn      float64   `json:"take_in_s"`
	CPU         float64   `json:"take_in_cpu_s"`
	Peak        int64     `json:"peak_bytes"`
	Restore     float64   `json:"restore_s"`
	RestoreCPU  float64   `json:"restore_cpu_s"`
	RestorePeak int64     `json:"restore_peak_bytes"`
	Silences    []silence `json:"silences"`
}

// takeIn starts the enricher on the log and waits until it has applied all of it.
func (s *stateResult) takeIn(ctx context.Context, p *process.Process) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Minute)
	defer cancel()
	started := time.Now()
	if err := p.Start(); err != nil {
		return err
	}
	if err := p.WaitReady(ctx); err != nil {
		return err
	}
	err := process.Until(ctx, func() error {
		got, err := p.Scrape(ctx)
		if err != nil {
			return err
		}
		if n := got.Sum("ringback_enricher_records_total", `outcome="applied"`); n < float64(s.Events) {
			return fmt.Errorf("%.0f events of %d applied", n, s.Events)
		}
		return nil
	})
	s.TakeIn = time.Since(started).Seconds()
	return errors.Join(err, used(p, &s.CPU, &s.Peak))
}

// restore kills the enricher, and times how long a new process needs to be ready.
func (s *stateResult) restore(ctx context.Context, p *process.Process) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	if err := p.Kill(); err != nil {
		return err
	}
	started := time.Now()
	if err := p.Start(); err != nil {
		return err
	}
	err := p.WaitReady(ctx)
	s.Restore = time.Since(started).Seconds()
	return errors.Join(err, used(p, &s.RestoreCPU, &s.RestorePeak))
}

func used(p *process.Process, seconds *float64, peak *int64) error {
	took, err := cpuOf(p.PID())
	if err != nil {
		return err
	}
	*seconds = took.Seconds()
	*peak, err = p.PeakRSS()
	return err
}
