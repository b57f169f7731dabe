package enricher

import "github.com/prometheus/client_golang/prometheus"

// metrics are API: a golden test holds their names.
type metrics struct {
	records    *prometheus.CounterVec // by outcome: invariant 2
	reasons    *prometheus.CounterVec
	userEvents *prometheus.CounterVec
	attached   prometheus.Counter
	ignored    prometheus.Counter
	timedOut   prometheus.Counter
	ticks      prometheus.Counter
	outages    prometheus.Counter
	sessions   *prometheus.GaugeVec
	stateBytes *prometheus.GaugeVec
	position   *prometheus.GaugeVec
	batch      prometheus.Histogram
	restore    prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "ringback", Subsystem: "enricher", Name: name, Help: help})
	}
	counters := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "ringback", Subsystem: "enricher", Name: name, Help: help}, []string{label})
	}
	gauges := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "ringback", Subsystem: "enricher", Name: name, Help: help}, append([]string{"partition"}, labels...))
	}
	m := &metrics{
		records:    counters("records_total", "Lifecycle records read, by outcome: applied, already_applied, dead_lettered, tick.", "outcome"),
		reasons:    counters("dead_letters_total", "Lifecycle records dead-lettered, by reason.", "reason"),
		userEvents: counters("user_events_total", "UserEvents sent, by cause.", "cause"),
		attached:   counter("attached_data_total", "Attached data sent."),
		ignored:    counter("ignored_parameters_total", "Request parameters ignored at a START because they are not of their KVP's type."),
		timedOut:   counter("sessions_timed_out_total", "Sessions that timed out."),
		ticks:      counter("ticks_written_total", "Ticks written to quiet partitions."),
		outages:    counter("outages_total", "Calls repeated because a dependency was away."),
		sessions:   gauges("sessions", "Sessions whose state is held, by phase: open, ended, closed (only a marker is left).", "phase"),
		stateBytes: gauges("state_bytes", "Bytes of the states held, encoded."),
		position:   gauges("position", "Next offset of the lifecycle topic, committed."),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "ringback", Subsystem: "enricher", Name: "transaction_seconds", Help: "Time to write the transaction of a batch.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
		restore: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "ringback", Subsystem: "enricher", Name: "restore_seconds", Help: "Time to restore a partition's state from the changelog.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 14),
		}),
	}
	if r != nil {
		r.MustRegister(m.records, m.reasons, m.userEvents, m.attached, m.ignored, m.timedOut, m.ticks, m.outages,
			m.sessions, m.stateBytes, m.position, m.batch, m.restore)
	}
	return m
}
