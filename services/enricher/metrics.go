package enricher

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringback/ringback/pkg/callback"
)

// metrics are API: a golden test holds their names.
type metrics struct {
	read       prometheus.Counter
	records    *prometheus.CounterVec // by outcome: invariant 2
	reasons    *prometheus.CounterVec
	userEvents *prometheus.CounterVec
	attached   prometheus.Counter
	ignored    prometheus.Counter
	timedOut   prometheus.Counter
	ended      *prometheus.CounterVec
	joins      prometheus.Counter
	assigned   prometheus.Gauge
	all        prometheus.Gauge
	expired    prometheus.Counter
	resets     prometheus.Counter
	ticks      prometheus.Counter
	outages    prometheus.Counter
	unknown    prometheus.Counter
	sessions   *prometheus.GaugeVec
	stateBytes *prometheus.GaugeVec
	position   *prometheus.GaugeVec
	lag        *prometheus.GaugeVec
	paused     *prometheus.GaugeVec
	stopped    *prometheus.GaugeVec
	size       prometheus.Histogram
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
		read:       counter("records_read_total", "Lifecycle records read and done with; equals the sum of ringback_enricher_records_total."),
		records:    counters("records_total", "Lifecycle records read, by outcome: applied, already_applied, dead_lettered, tick.", "outcome"),
		reasons:    counters("dead_letters_total", "Lifecycle records dead-lettered, by reason.", "reason"),
		userEvents: counters("user_events_total", "UserEvents sent, by cause.", "cause"),
		attached:   counter("attached_data_total", "Attached data sent."),
		ignored:    counter("ignored_parameters_total", "Request parameters ignored at a START because they are not of their KVP's type."),
		timedOut:   counter("sessions_timed_out_total", "Sessions that timed out."),
		ended:      counters("sessions_ended_total", "Sessions that ended, by cause: completed, cancelled, offer_rejected, offer_abandoned, timed_out. One that news opened again counts again.", "cause"),
		joins:      counter("joins_total", "Times that it joined the consumer group: once at the start, then once for each rebalance."),
		expired:    counter("expired_offsets_total", "Times that records not yet read were found removed by retention. The partition stops, unless ENRICHER_ACCEPT_EXPIRED says otherwise."),
		resets:     counter("offset_resets_total", "Times that a partition went on at the start of its log because an operator accepted that records had expired."),
		ticks:      counter("ticks_written_total", "Ticks written to quiet partitions."),
		outages:    counter("outages_total", "Calls repeated because a dependency was away."),
		unknown:    counter("unknown_schema_retries_total", "Waits for a schema id that the registry does not know."),
		sessions:   gauges("sessions", "Sessions whose state is held, by phase: open, ended, closed (only a marker is left).", "phase"),
		stateBytes: gauges("state_bytes", "Bytes of the states held, encoded."),
		position:   gauges("position", "Next offset of the lifecycle topic, committed."),
		lag:        gauges("lag_records", "Offsets between the position and the end of what can be read."),
		paused:     gauges("paused", "1 while the partition is paused because most of its records cannot be decoded."),
		stopped:    gauges("stopped", "1 once the partition has stopped because of what an operator must put right."),
		assigned: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "ringback", Subsystem: "enricher", Name: "assigned_partitions", Help: "Partitions that the consumer group has given to this member.",
		}),
		all: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "ringback", Subsystem: "enricher", Name: "topic_partitions", Help: "Partitions of the lifecycle topic; the group's members are assigned as many together.",
		}),
		size: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "ringback", Subsystem: "enricher", Name: "batch_records", Help: "Lifecycle records of a batch.",
			Buckets: prometheus.ExponentialBuckets(1, 4, 7),
		}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "ringback", Subsystem: "enricher", Name: "transaction_seconds", Help: "Time to write the transaction of a batch.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
		restore: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "ringback", Subsystem: "enricher", Name: "restore_seconds", Help: "Time to restore a partition's state from the changelog.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 14),
		}),
	}
	for _, outcome := range []string{"applied", "already_applied", "dead_lettered", "tick"} {
		m.records.WithLabelValues(outcome) // shown at 0: an alert sees no growth from nothing, and no standstill either
	}
	if r != nil {
		r.MustRegister(m.read, m.records, m.reasons, m.userEvents, m.attached, m.ignored, m.timedOut, m.ended, m.ticks, m.outages, m.unknown,
			m.joins, m.assigned, m.all, m.expired, m.resets, m.sessions, m.stateBytes, m.position, m.lag, m.paused, m.stopped, m.size, m.batch, m.restore)
	}
	return m
}

// causeOf is why a session ended, as label: its terminal event's type, from the list of
// derivation's, and never a value of an event (invariant 10).
func causeOf(terminal callback.Type) string {
	if terminal == "" {
		return "timed_out"
	}
	return strings.TrimPrefix(string(terminal), "callback.")
}

// forget drops the gauges of a partition that is no longer this member's.
func (m *metrics) forget(partition string) {
	for _, phase := range phases {
		m.sessions.DeleteLabelValues(partition, phase)
	}
	for _, g := range []*prometheus.GaugeVec{m.stateBytes, m.position, m.lag, m.paused, m.stopped} {
		g.DeleteLabelValues(partition)
	}
}
