package producer

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are API: a golden test holds their names. No label takes a value from a request's content (invariant 10).
type metrics struct {
	events         *prometheus.CounterVec
	requests       *prometheus.HistogramVec
	inFlight       prometheus.Gauge
	waiting        prometheus.Gauge
	acknowledgment prometheus.Histogram
	tokenReloads   *prometheus.CounterVec
}

// The outcomes of an event.
const (
	outcomeAccepted = "accepted" // acknowledged by Kafka
	outcomeRefused  = "refused"  // the sender must change it
	outcomeFailed   = "failed"   // not written, can be sent again
	outcomeUnknown  = "unknown"  // perhaps written, must be sent again
)

func newMetrics(r prometheus.Registerer) *metrics {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "ringback", Subsystem: "producer", Name: name, Help: help}
	}
	histogram := func(name, help string, buckets []float64) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Namespace: "ringback", Subsystem: "producer", Name: name, Help: help, Buckets: buckets}
	}
	seconds := prometheus.ExponentialBuckets(0.0005, 2, 16)
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts(opts("events_total",
			"Events taken in, by outcome (accepted, refused, failed, unknown) and by the code of the problem.")), []string{"outcome", "reason"}),
		requests: prometheus.NewHistogramVec(histogram("request_duration_seconds",
			"Time to answer a request for events, by mode (structured, batch, binary, none) and status.", seconds), []string{"mode", "status"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts(opts("requests_in_flight", "Requests for events that are worked on."))),
		waiting:  prometheus.NewGauge(prometheus.GaugeOpts(opts("queue_events", "Events handed to Kafka's producer whose fate is not decided."))),
		acknowledgment: prometheus.NewHistogram(histogram("acknowledgement_seconds",
			"Time from handing the events of a request to Kafka's producer to the last one's fate.", seconds)),
		tokenReloads: prometheus.NewCounterVec(prometheus.CounterOpts(opts("token_reloads_total",
			"Times that the token file was read again, by outcome (changed, failed).")), []string{"outcome"}),
	}
	for _, outcome := range []string{"changed", "failed"} {
		m.tokenReloads.WithLabelValues(outcome) // shown at 0: an alert sees no growth from nothing
	}
	if r != nil {
		r.MustRegister(m.events, m.requests, m.inFlight, m.waiting, m.acknowledgment, m.tokenReloads)
	}
	return m
}

func (m *metrics) answered(mode string, status int, took time.Duration) {
	m.requests.WithLabelValues(mode, strconv.Itoa(status)).Observe(took.Seconds())
}

func (m *metrics) decided(events []eventAnswer) {
	for i := range events {
		switch p := events[i].Problem; {
		case p == nil:
			m.events.WithLabelValues(outcomeAccepted, "").Inc()
		case p.Code == codeOutcomeUnknown:
			m.events.WithLabelValues(outcomeUnknown, p.Code).Inc()
		case p.Code == codeQueueFull || p.Status >= 500:
			m.events.WithLabelValues(outcomeFailed, p.Code).Inc()
		default:
			m.events.WithLabelValues(outcomeRefused, p.Code).Inc()
		}
	}
}
