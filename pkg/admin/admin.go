// Package admin serves what operators and Kubernetes ask a service for: /livez,
// /readyz, /metrics, /admin/accept and profiles.
package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ringback/ringback/pkg/fault"
)

// Probes answer for a service; each returns why not, or nil.
type Probes struct {
	Live  func() error // nil: always alive while the process answers
	Ready func() error
}

// Handler serves the probes and the metrics, and the readiness probe as one of them.
func Handler(p Probes, metrics prometheus.Gatherer) http.Handler {
	ready := prometheus.NewRegistry()
	ready.MustRegister(newReadiness(p.Ready))
	mux := http.NewServeMux()
	mux.Handle("GET /livez", probe(p.Live))
	mux.Handle("GET /readyz", probe(p.Ready))
	mux.Handle("GET /metrics", promhttp.HandlerFor(prometheus.Gatherers{ready, metrics}, promhttp.HandlerOpts{}))
	return mux
}

func probe(ask func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if ask != nil {
			if err := ask(); err != nil {
				w.WriteHeader(http.StatusServiceUnavailable)
				fmt.Fprintln(w, err)
				return
			}
		}
		fmt.Fprintln(w, "ok")
	}
}

// Run serves the surface on addr until ctx ends. An empty addr serves nothing.
func Run(ctx context.Context, addr string, cfg Config, s Surface) error {
	h, err := cfg.handler(s)
	if err != nil {
		return err
	}
	return serve(ctx, addr, h, func(l net.Listener) (net.Listener, error) {
		return cfg.TLS.Listen(l, func(err error) {
			if s.Logger != nil {
				s.Logger.Error("the certificate of the admin port cannot be used; the former stays", "error", err)
			}
		})
	})
}

// Serve serves h on addr, without TLS, until ctx ends. An empty addr serves nothing.
func Serve(ctx context.Context, addr string, h http.Handler) error {
	return serve(ctx, addr, h, func(l net.Listener) (net.Listener, error) { return l, nil })
}

func serve(ctx context.Context, addr string, h http.Handler, wrap func(net.Listener) (net.Listener, error)) error {
	if addr == "" {
		<-ctx.Done()
		return nil
	}
	tcp, err := net.Listen("tcp", addr)
	if err != nil {
		return fault.Misconfigf("admin: %w", err)
	}
	l, err := wrap(tcp)
	if err != nil {
		return errors.Join(fmt.Errorf("admin: %w", err), tcp.Close())
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("admin: %w", err)
	case <-ctx.Done():
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := server.Shutdown(closing); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("admin: %w", err)
		}
		return nil
	}
}
