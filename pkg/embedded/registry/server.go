package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/ringback/ringback/pkg/fault"
)

// MaxBody is the most bytes of a request body.
const MaxBody = 1 << 20

// Config says where the registry listens and keeps its file.
type Config struct {
	Dir  string // made if absent
	Port int    // of the loopback interface; 0 is any
}

// Server is a running registry.
type Server struct {
	store *store
	http  *http.Server
	addr  string
	done  chan error

	closing sync.Once
	closed  error
}

// Start opens the directory and serves on the loopback interface. A file that cannot
// be read, and a port that is taken, are misconfigurations.
func Start(cfg Config) (*Server, error) {
	st, err := openStore(cfg.Dir)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(cfg.Port)))
	if err != nil {
		return nil, fault.Misconfigf("embedded registry: %w", err)
	}
	s := &Server{store: st, addr: l.Addr().String(), done: make(chan error, 1)}
	s.http = &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	go func() { s.done <- s.http.Serve(l) }()
	return s, nil
}

// URL is the address to give to a client.
func (s *Server) URL() string { return "http://" + s.addr }

// Close lets the requests that are under way end, for five seconds at most, and stops.
// Closing again gives the same answer.
func (s *Server) Close() error {
	s.closing.Do(func() { s.closed = s.close() })
	return s.closed
}

func (s *Server) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return fmt.Errorf("embedded registry: %w", err)
	}
	return nil
}
