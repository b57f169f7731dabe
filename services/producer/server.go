package producer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/ringback/ringback/pkg/auth"
	"github.com/ringback/ringback/pkg/auth/oidc"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/tracing"
	"github.com/ringback/ringback/pkg/watchdog"
)

// Deps is what a Server works with.
type Deps struct {
	Encoder   Encoder
	Publisher Publisher
	// Reachable says why events could not be written just now; nil: nobody asks. Server.Ready asks it.
	Reachable  func(ctx context.Context) error
	Registerer prometheus.Registerer // takes the metrics; nil: none
	Tracer     *tracing.Tracer       // makes a span of each request; nil: none
	Watch      *watchdog.Watch       // watches each request; nil: nobody does
	Logger     *slog.Logger          // nil: nothing is logged
	Now        func() time.Time      // nil: time.Now
}

// Server is the producer's HTTP service.
type Server struct {
	cfg       Config
	accepter  *Accepter
	tokens    *auth.Tokens   // nil: there is no file of them
	oidc      *oidc.Verifier // nil: no provider's tokens are let in
	verifier  auth.Verifier  // nil: whoever asks may write
	rates     *rates
	metrics   *metrics
	tracer    *tracing.Tracer
	watch     *watchdog.Watch
	reachable func(ctx context.Context) error
	logger    *slog.Logger
	now       func() time.Time
	slots     chan struct{}       // one for each request that is worked on
	room      *semaphore.Weighted // for the bytes of their bodies

	listener net.Listener
	draining atomic.Bool

	troubleMu sync.Mutex
	troubled  bool
}

// New reads the token file and opens the address. The error is of class
// Misconfiguration and, for a faulty configuration, names every fault. Whoever does
// not call Run must call Close.
func New(cfg Config, deps Deps) (*Server, error) {
	if faults := cfg.Validate(); len(faults) > 0 {
		return nil, fault.Misconfigf("producer: %w", errors.Join(faults...))
	}
	s := &Server{
		cfg:       cfg,
		reachable: deps.Reachable,
		tracer:    deps.Tracer,
		watch:     deps.Watch,
		logger:    deps.Logger,
		now:       deps.Now,
		slots:     make(chan struct{}, cfg.MaxInFlight),
		room:      semaphore.NewWeighted(cfg.MaxInFlightBytes),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	s.logger = s.logger.With("component", "producer")
	s.accepter = NewAccepter(deps.Encoder, deps.Publisher, s.now)
	s.rates = newRates(cfg.Rate, cfg.MaxBatch)
	var err error
	if s.accepter.masker, err = cfg.Mask.masker(); err != nil {
		return nil, err
	}
	if err := s.openVerifier(deps.Now); err != nil {
		return nil, err
	}
	if s.listener, err = s.listen(); err != nil {
		s.closeVerifier()
		return nil, err
	}
	s.metrics = newMetrics(deps.Registerer)
	return s, nil
}

// Addr is where events are taken in.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close gives the address up without having run.
func (s *Server) Close() {
	_ = s.listener.Close()
	s.closeVerifier()
}

// listen opens the address. With a certificate, which is read again when it changes, it is TLS.
func (s *Server) listen() (net.Listener, error) {
	tcp, err := net.Listen("tcp", s.cfg.Addr)
	if err != nil {
		return nil, fault.Misconfigf("producer: PRODUCER_ADDR: %w", err)
	}
	l, err := s.cfg.TLS.Listen(tcp, func(err error) {
		s.logger.Error("the certificate cannot be used; the former stays", "error", err)
	})
	if err != nil {
		_ = tcp.Close()
		return nil, err
	}
	return l, nil
}

// readyTimeout bounds the question whether events can be written, so that a probe gets its answer.
const readyTimeout = 2 * time.Second

// Ready says why no events should be sent here now, or nil.
func (s *Server) Ready() error {
	if s.draining.Load() {
		return errors.New("producer: draining")
	}
	if s.reachable == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	if err := s.reachable(ctx); err != nil {
		return fmt.Errorf("producer: events cannot be written: %w", err)
	}
	return nil
}

// Run serves until ctx ends, then takes no more requests, lets those under way
// finish within the drain time, and returns nil; an error says what cut it short.
// The Publisher is the caller's to close, after Run.
func (s *Server) Run(ctx context.Context) error {
	defer s.Close()
	srv := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: s.cfg.ReadHeaderTimeout,
		ReadTimeout:       s.cfg.ReadTimeout,
		WriteTimeout:      s.cfg.WriteTimeout,
		IdleTimeout:       s.cfg.IdleTimeout,
		MaxHeaderBytes:    s.cfg.MaxHeader,
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(s.listener) }()
	watching, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { s.watchTokens(watching) })
	defer watch.Wait()
	defer stop()

	select {
	case <-ctx.Done():
	case err := <-failed:
		return fmt.Errorf("producer: %w", err)
	}
	s.draining.Store(true)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.DrainTimeout)
	defer cancel()
	if err := srv.Shutdown(drain); err != nil {
		_ = srv.Close()
		return fmt.Errorf("producer: requests were still under way after PRODUCER_DRAIN_TIMEOUT (%s) and were cut off", s.cfg.DrainTimeout)
	}
	return nil
}

// watchTokens reads the token file again whenever it has changed.
func (s *Server) watchTokens(ctx context.Context) {
	if s.tokens == nil {
		return
	}
	ticker := time.NewTicker(s.cfg.TokensInterval)
	defer ticker.Stop()
	last := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		changed, err := s.tokens.Reload()
		switch {
		case err != nil:
			s.metrics.tokenReloads.WithLabelValues("failed").Inc()
			if err.Error() != last {
				s.logger.ErrorContext(ctx, "the token file cannot be used; the former tokens stay", "error", err)
			}
			last = err.Error()
			continue
		case changed:
			s.metrics.tokenReloads.WithLabelValues("changed").Inc()
		}
		last = ""
	}
}

// trouble notes whether events can be written, and logs when that changes.
func (s *Server) trouble(err error) {
	s.troubleMu.Lock()
	was := s.troubled
	s.troubled = err != nil
	s.troubleMu.Unlock()
	switch {
	case err != nil && !was:
		s.logger.Error("events cannot be written; they are answered 5xx until they can", "error", err)
	case err == nil && was:
		s.logger.Info("events are written again")
	}
}
