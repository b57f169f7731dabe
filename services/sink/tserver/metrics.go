package tserver

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what T-Server refuses.
type Metrics struct {
	eventErrors *prometheus.CounterVec
}

// NewMetrics returns the metrics, registered with r; r may be nil.
func NewMetrics(sink string, r prometheus.Registerer) *Metrics {
	m := &Metrics{eventErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "ringback", Subsystem: "sink", Name: "event_errors_total", ConstLabels: prometheus.Labels{"sink": sink},
		Help: "EventErrors of T-Server, by code, repeats included.",
	}, []string{"code"})}
	if r != nil {
		r.MustRegister(m.eventErrors)
	}
	return m
}

func (m *Metrics) eventError(code int) { m.eventErrors.WithLabelValues(strconv.Itoa(code)).Inc() }
