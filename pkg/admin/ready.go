package admin

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// readyWait is how long a scrape waits for the probe's answer. One that comes later is told by the next scrape.
	readyWait = time.Second
	// readyBound is how long a question may stay open before it is taken for a no.
	readyBound = 10 * time.Second
)

// readiness shows the readiness probe as a metric. It is there from the first moment, before what the service
// waits for at its start: a service that is up and never becomes ready has no other metric that would say so.
type readiness struct {
	desc *prometheus.Desc
	ask  func() error // nil: always ready

	mu    sync.Mutex
	open  chan struct{} // closed with the answer; nil while nobody asks
	asked time.Time
	ready bool // as of the last answer
}

func newReadiness(ask func() error) *readiness {
	return &readiness{ask: ask, desc: prometheus.NewDesc("ringback_ready", "1 while the service is ready, else 0; /readyz says why not.", nil, nil)}
}

// Describe implements [prometheus.Collector].
func (r *readiness) Describe(ch chan<- *prometheus.Desc) { ch <- r.desc }

// Collect implements [prometheus.Collector].
func (r *readiness) Collect(ch chan<- prometheus.Metric) {
	value := 0.0
	if r.ask == nil || r.now() {
		value = 1
	}
	ch <- prometheus.MustNewConstMetric(r.desc, prometheus.GaugeValue, value)
}

// now asks, or joins who asks already: however often it is scraped, no two questions are open, and no scrape hangs.
func (r *readiness) now() bool {
	r.mu.Lock()
	if r.open == nil {
		open := make(chan struct{})
		r.open, r.asked = open, time.Now()
		go func() {
			ready := false
			defer func() {
				_ = recover() // as of /readyz, whose server takes it: a probe must not end the process
				r.mu.Lock()
				r.ready, r.open = ready, nil
				r.mu.Unlock()
				close(open)
			}()
			ready = r.ask() == nil
		}()
	}
	open := r.open
	r.mu.Unlock()
	timer := time.NewTimer(readyWait)
	defer timer.Stop()
	select {
	case <-open:
	case <-timer.C:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ready && (r.open == nil || time.Since(r.asked) < readyBound)
}
