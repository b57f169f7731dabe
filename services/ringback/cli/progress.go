package cli

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringback/ringback/services/ringback/importer"
	"github.com/ringback/ringback/services/ringback/pipeline"
)

// maxRefused bounds the refused lines that are named while a file is imported; all
// of them are dead letters.
const maxRefused = 20

// progress tells a person how far the import is: one line drawn anew on a
// terminal, a plain line now and then elsewhere.
type progress struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	drawn    bool
	p        *pipeline.Pipeline

	lines   atomic.Int64
	bad     atomic.Int64
	files   []importer.Counts
	written string
}

func newProgress(out io.Writer, terminal bool, p *pipeline.Pipeline) *progress {
	return &progress{out: out, terminal: terminal, p: p}
}

func (s *progress) banner(dir string) {
	s.say("Ringback: producer, enricher, sinks, broker, registry, store and a SIMULATED T-Server in one process")
	s.say("  data      %s", dir)
	s.say("  store     sqlite3 %s 'SELECT * FROM CALLBACK_LATEST'", s.p.Paths.Store)
	s.say("  T-Server  %s", s.p.Paths.TServerLog)
	s.say("  Kafka     %s, schema registry %s", s.p.Broker, s.p.Registry())
	if addr := s.p.Addr(); addr != nil {
		s.say("  events    POST http://%s/v1/events with the bearer token in %s", addr, s.p.Paths.Token)
	}
}

// say prints a line of its own.
func (s *progress) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	fmt.Fprintf(s.out, format+"\n", args...)
}

func (s *progress) erase() {
	if s.drawn {
		fmt.Fprint(s.out, "\r\x1b[K")
		s.drawn = false
	}
}

// imported is told of lines that are in the log, or dead letters.
func (s *progress) imported(n int) { s.lines.Add(int64(n)) }

// refused names a line that is no event; invariant 10: the reason holds no personal data.
func (s *progress) refused(r importer.Refusal) {
	if n := s.bad.Add(1); n <= maxRefused {
		s.say("refused   %s, line %d: %s", r.File, r.Line, r.Refusal.Error())
	} else if n == maxRefused+1 {
		s.say("refused   more lines; ringback deadletters list names all")
	}
}

// waiting names what an import waits for.
func (s *progress) waiting(why error) { s.say("waiting   %v", why) }

// start draws until stop is called.
func (s *progress) start(ctx context.Context) (stop func()) {
	every := 5 * time.Second
	if s.terminal {
		every = 200 * time.Millisecond
	}
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				s.draw()
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		done.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.erase()
	}
}

func (s *progress) draw() {
	c := s.p.Counts()
	line := fmt.Sprintf("imported %d  enriched %d  UserEvents %d  stored %d  sent to T-Server %d  dead letters %d",
		s.lines.Load(), c.Enricher.Read, c.Enricher.UserEvents, c.Infomart.Read, c.TServer.Read,
		s.bad.Load()+c.Enricher.DeadLettered+c.Infomart.DeadLettered+c.TServer.DeadLettered)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.terminal:
		fmt.Fprint(s.out, "\r\x1b[K", line)
		s.drawn = true
	case line != s.written:
		fmt.Fprintln(s.out, line)
	}
	s.written = line
}

// done prints the counts at the end of an import.
func (s *progress) done(sum *pipeline.Summary) {
	for _, f := range sum.Files {
		s.say("imported  %s: %d lines, %d events, %d refused", f.Name, f.Lines, f.Events, f.Refused)
	}
	s.say("enricher  %d applied, %d already applied, %d dead-lettered; %d UserEvents, %d attached data",
		sum.Enricher.Applied, sum.Enricher.AlreadyApplied, sum.Enricher.DeadLettered, sum.Enricher.UserEvents, sum.Enricher.AttachedData)
	s.say("infomart  %d applied, %d already applied, %d dead-lettered", sum.Infomart.Applied, sum.Infomart.AlreadyApplied, sum.Infomart.DeadLettered)
	s.say("tserver   %d applied, %d already applied, %d dead-lettered", sum.TServer.Applied, sum.TServer.AlreadyApplied, sum.TServer.DeadLettered)
	s.say("store     %d rows in CALLBACK_FACT for %d services, %d of which have ended; %d rows in G_CUSTOM_DATA_S; %d discards",
		sum.Store.CallbackFact, sum.Store.Services, sum.Store.Final, sum.Store.CustomData, sum.Store.Discards)
	s.say("sessions  %d open, %d ended, %d closed", sum.Sessions.Open, sum.Sessions.Ended, sum.Sessions.Closed)
}
