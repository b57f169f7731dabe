package consume

import (
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/kafka"
)

// Counts are a sink's totals since it started. Read equals the sum of Applied,
// AlreadyApplied and DeadLettered (invariant 2).
type Counts struct {
	Read           int64 `json:"read"`
	Applied        int64 `json:"applied"`
	AlreadyApplied int64 `json:"already_applied"`
	DeadLettered   int64 `json:"dead_lettered"`
	// Outcomes divides Applied, where the sink keeps a ledger: acked, skipped_old, disabled, call_gone.
	Outcomes map[string]int64 `json:"outcomes,omitempty"`
	// Reasons divides DeadLettered.
	Reasons map[callback.Reason]int64 `json:"reasons,omitempty"`
}

// Metrics counts what a sink does. Their names are API: a golden test holds them.
type Metrics struct {
	read        *prometheus.CounterVec
	records     *prometheus.CounterVec
	states      *prometheus.CounterVec
	reasons     *prometheus.CounterVec
	retries     *prometheus.CounterVec
	unknown     *prometheus.CounterVec
	expiredC    *prometheus.CounterVec
	resets      *prometheus.CounterVec
	joins       prometheus.Counter
	assigned    prometheus.Gauge
	positionG   *prometheus.GaugeVec
	lagG        *prometheus.GaugeVec
	waitingG    *prometheus.GaugeVec
	pausedG     *prometheus.GaugeVec
	stoppedG    *prometheus.GaugeVec
	all         *prometheus.GaugeVec
	batch       prometheus.Histogram
	applySecond prometheus.Histogram
	eventAge    prometheus.Histogram
	acceptAge   prometheus.Histogram

	mu     sync.Mutex
	counts Counts
}

// NewMetrics returns the metrics of a sink, registered with r as its own; r may be nil.
func NewMetrics(sink string, r prometheus.Registerer) *Metrics {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "ringback", Subsystem: "sink", Name: name, Help: help, ConstLabels: prometheus.Labels{"sink": sink}}
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts(opts(name, help)), labels)
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts(opts(name, help)), []string{"topic", "partition"})
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		o := opts(name, help)
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: o.Namespace, Subsystem: o.Subsystem, Name: o.Name, Help: o.Help, ConstLabels: o.ConstLabels, Buckets: buckets,
		})
	}
	m := &Metrics{
		read:    counter("records_read_total", "Records read and done with; equals the sum of ringback_sink_records_total.", "topic"),
		records: counter("records_total", "Records done with, by outcome: applied, already_applied, dead_lettered.", "topic", "outcome"),
		states:  counter("sends_total", "Records applied, by how they ended in the T-Server ledger.", "topic", "outcome"),
		reasons: counter("dead_letters_total", "Records dead-lettered, by reason.", "topic", "reason"),
		retries: counter("retries_total", "Waits for a dependency that is away, by stage: position, fetch, decode, apply.", "topic", "stage"),
		unknown: counter("unknown_schema_retries_total", "Waits for a schema id that the registry does not know.", "topic"),
		expiredC: counter("expired_offsets_total",
			"Times that the last record applied, or records not yet read, were found removed by retention.", "topic"),
		resets: counter("offset_resets_total",
			"Times that a partition went on at the start of the log because records were removed before they were read (SINK_ACCEPT_EXPIRED).", "topic"),
		joins: prometheus.NewCounter(prometheus.CounterOpts(opts("joins_total",
			"Times that it joined the consumer group: once at the start, then once for each rebalance."))),
		assigned:  prometheus.NewGauge(prometheus.GaugeOpts(opts("assigned_partitions", "Partitions that the consumer group has given to this member, of all its topics."))),
		positionG: gauge("position", "Next offset, as stored."),
		lagG:      gauge("lag_records", "Offsets between the position and the end of what can be read."),
		waitingG:  gauge("waiting", "1 while the partition waits for a dependency that is away."),
		pausedG:   gauge("paused", "1 while the partition is paused because most of its records cannot be decoded."),
		stoppedG:  gauge("stopped", "1 while the partition is stopped because its stored position does not fit the log: an operator must put that right."),
		all: prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("topic_partitions",
			"Partitions of the topics that it reads; the group's members are assigned as many together.")), []string{"topic"}),
		batch:       histogram("batch_records", "Records of a batch.", prometheus.ExponentialBuckets(1, 4, 7)),
		applySecond: histogram("apply_seconds", "Time to make a batch durable, outages included.", prometheus.ExponentialBuckets(0.001, 2, 15)),
		eventAge: histogram("event_to_store_seconds",
			"Time from the last event of the session, as its sender dates it, to the commit in the sink's store. What is imported late, or read again, counts too.", ages),
		acceptAge: histogram("accept_to_store_seconds",
			"Time from the producer's acceptance of the event, or from the deadline's record, that made the record due to the commit in the sink's store.", ages),
		counts: Counts{Outcomes: map[string]int64{}, Reasons: map[callback.Reason]int64{}},
	}
	if r != nil {
		r.MustRegister(m.read, m.records, m.states, m.reasons, m.retries, m.unknown, m.expiredC, m.resets, m.joins, m.assigned,
			m.positionG, m.lagG, m.waitingG, m.pausedG, m.stoppedG, m.all, m.batch, m.applySecond, m.eventAge, m.acceptAge)
	}
	return m
}

// ages are the bounds of the times to the store: 5 ms to 3 h.
var ages = prometheus.ExponentialBuckets(0.005, 2, 22)

// Joined counts a generation of the group, with the number of partitions that it brought.
func (m *Metrics) Joined(partitions int) {
	m.joins.Inc()
	m.assigned.Set(float64(partitions))
}

// Left says that it is not in the group.
func (m *Metrics) Left() { m.assigned.Set(0) }

// Partitions shows how many partitions a topic has.
func (m *Metrics) Partitions(topic string, n int) { m.all.WithLabelValues(topic).Set(float64(n)) }

// Stopped shows whether a partition is stopped, also between two tries of it.
func (m *Metrics) Stopped(key infomart.PositionKey, on bool) { set(m.stoppedG, Config{Key: key}, on) }

// Disowned drops what Stopped shows.
func (m *Metrics) Disowned(key infomart.PositionKey) {
	c := Config{Key: key}
	m.stoppedG.DeleteLabelValues(c.labels()...)
}

// aged measures how old a record was when it became durable. Clocks of several machines
// are compared, so less than nothing counts as nothing.
func (m *Metrics) aged(rec *kafka.Record, now time.Time) {
	m.acceptAge.Observe(max(0, now.Sub(rec.Time).Seconds()))
	happened, _ := rec.Header(timeHeader)
	if at, err := time.Parse(time.RFC3339Nano, string(happened)); err == nil {
		m.eventAge.Observe(max(0, now.Sub(at).Seconds()))
	}
}

// Counts returns the totals so far.
func (m *Metrics) Counts() Counts {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.counts
	c.Outcomes, c.Reasons = maps.Clone(c.Outcomes), maps.Clone(c.Reasons)
	return c
}

// applied counts a batch of n records, once it is durable (invariant 2).
func (m *Metrics) applied(cfg Config, n, setAside int, o Outcome, letters map[int64]*callback.DeadLetter, took time.Duration) {
	topic := cfg.Key.Topic
	dead := o.Rejected + setAside
	m.mu.Lock()
	m.counts.Read += int64(n)
	m.counts.Applied += int64(o.Applied)
	m.counts.AlreadyApplied += int64(o.AlreadyApplied)
	m.counts.DeadLettered += int64(dead)
	for state, k := range o.ByState {
		m.counts.Outcomes[outcomeOf(state)] += int64(k)
	}
	for _, d := range letters {
		m.counts.Reasons[d.Reason]++
	}
	m.mu.Unlock()

	m.read.WithLabelValues(topic).Add(float64(n))
	m.records.WithLabelValues(topic, "applied").Add(float64(o.Applied))
	m.records.WithLabelValues(topic, "already_applied").Add(float64(o.AlreadyApplied))
	m.records.WithLabelValues(topic, "dead_lettered").Add(float64(dead))
	for state, k := range o.ByState {
		m.states.WithLabelValues(topic, outcomeOf(state)).Add(float64(k))
	}
	for _, d := range letters {
		m.reasons.WithLabelValues(topic, string(d.Reason)).Inc()
	}
	m.batch.Observe(float64(n))
	m.applySecond.Observe(took.Seconds())
}

func outcomeOf(state infomart.SendState) string { return strings.ToLower(string(state)) }

func (c *Config) labels() []string {
	return []string{c.Key.Topic, strconv.Itoa(int(c.Key.Partition))}
}

func (m *Metrics) position(cfg Config, next, lag int64) {
	m.positionG.WithLabelValues(cfg.labels()...).Set(float64(next))
	m.lag(cfg, lag)
}

func (m *Metrics) lag(cfg Config, lag int64) {
	m.lagG.WithLabelValues(cfg.labels()...).Set(float64(lag))
}

func (m *Metrics) waiting(cfg Config, on bool) { set(m.waitingG, cfg, on) }
func (m *Metrics) paused(cfg Config, on bool)  { set(m.pausedG, cfg, on) }

func set(g *prometheus.GaugeVec, cfg Config, on bool) {
	v := 0.0
	if on {
		v = 1
	}
	g.WithLabelValues(cfg.labels()...).Set(v)
}

func (m *Metrics) retry(cfg Config, stage string) {
	m.retries.WithLabelValues(cfg.Key.Topic, stage).Inc()
}

func (m *Metrics) unknownSchema(cfg Config) { m.unknown.WithLabelValues(cfg.Key.Topic).Inc() }
func (m *Metrics) expired(cfg Config)       { m.expiredC.WithLabelValues(cfg.Key.Topic).Inc() }
func (m *Metrics) reset(cfg Config)         { m.resets.WithLabelValues(cfg.Key.Topic).Inc() }

// begin shows the counters that alerts watch at 0, for an alert sees no growth from nothing.
func (m *Metrics) begin(cfg Config) {
	m.unknown.WithLabelValues(cfg.Key.Topic)
	m.expiredC.WithLabelValues(cfg.Key.Topic)
	m.resets.WithLabelValues(cfg.Key.Topic)
}

// forget drops the gauges of a partition that is no longer this sink's.
func (m *Metrics) forget(cfg Config) {
	for _, g := range []*prometheus.GaugeVec{m.positionG, m.lagG, m.waitingG, m.pausedG} {
		g.DeleteLabelValues(cfg.labels()...)
	}
}
