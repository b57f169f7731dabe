package tserver

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

	"github.com/ringback/ringback/pkg/auth"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/tserverlog"
)

// Server is a simulated T-Server.
type Server struct {
	cfg       Config
	zone      *time.Location
	now       func() time.Time
	tokens    *auth.Tokens // nil: everybody is let in
	requester tserverlog.Client
	clients   *registry
	faults    atomic.Pointer[Faults]

	journal  *journal
	listener net.Listener
	http     *http.Server
	closed   sync.Once
	closeErr error
}

// Option changes a server that is made.
type Option func(*Server)

// WithClock sets the clock of the log; time.Now without it.
func WithClock(now func() time.Time) Option { return func(s *Server) { s.now = now } }

// WithLogger sets where what HTTP cannot answer is logged; nowhere without it. No user data goes there.
func WithLogger(log *slog.Logger) Option {
	return func(s *Server) { s.http.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn) }
}

// drain bounds the time that requests under way have when the server stops.
const drain = 10 * time.Second

// New opens the log and listens. Requests are served once Run is called; without that, Close frees what New holds.
func New(cfg Config, options ...Option) (*Server, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(cfg.TimeZone)
	if err != nil {
		return nil, fault.Misconfigf("tserver: time zone: %w", err)
	}
	tokens, err := readTokens(cfg.TokenFile)
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg:       cfg,
		zone:      zone,
		now:       time.Now,
		tokens:    tokens,
		requester: cfg.Requester.logged(),
		clients:   newRegistry(cfg.Clients),
	}
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30*time.Second + cfg.Latency,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelWarn),
	}
	for _, option := range options {
		option(s)
	}
	s.SetFaults(Faults{Outage: cfg.Outage, Latency: cfg.Latency, GoneCalls: cfg.GoneCalls, EventErrors: cfg.EventErrors})
	// The log comes first: it is locked, and so tells a second simulator apart from a port that is in use.
	if s.journal, err = openJournal(cfg.Log, cfg.LogMaxBytes); err != nil {
		return nil, err
	}
	if s.listener, err = net.Listen("tcp", cfg.Addr); err != nil {
		return nil, errors.Join(fault.Misconfigf("tserver: listen: %w", err), s.journal.close())
	}
	tcp := s.listener
	if s.listener, err = cfg.TLS.Listen(tcp, func(err error) { s.http.ErrorLog.Printf("the former certificate stays: %v", err) }); err != nil {
		return nil, errors.Join(err, tcp.Close(), s.journal.close())
	}
	return s, nil
}

// Addr is the address it listens on, host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// URL is the base URL of the gateway contract.
func (s *Server) URL() string {
	if s.cfg.TLS.Enabled() {
		return "https://" + s.Addr()
	}
	return "http://" + s.Addr()
}

// SetFaults replaces what the simulator gets wrong on purpose.
func (s *Server) SetFaults(f Faults) { s.faults.Store(&f) }

// Run serves until ctx is done, gives the requests under way 10 s, and closes the log.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.listener) }()
	select {
	case err := <-served:
		return errors.Join(fmt.Errorf("tserver: serve: %w", err), s.Close())
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := s.http.Shutdown(stop); err != nil {
		return errors.Join(fmt.Errorf("tserver: shut down: %w", err), s.Close())
	}
	return s.Close()
}

// Close stops at once and closes the log; after Run it does nothing.
func (s *Server) Close() error {
	s.closed.Do(func() {
		s.closeErr = s.http.Close()
		// Of a server that never served, http knows no listener.
		if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			s.closeErr = errors.Join(s.closeErr, err)
		}
		s.closeErr = errors.Join(s.closeErr, s.journal.close())
	})
	return s.closeErr
}
