package postgres

import (
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// poolMetrics tell how the pool of connections does.
type poolMetrics struct{ stat func() *pgxpool.Stat }

// Metrics returns the metrics of the store's connections.
func (s *Store) Metrics() prometheus.Collector { return poolMetrics{s.pool.Stat} }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ringback_postgres_pool_"+name, help, labels, nil)
}

var (
	connectionsDesc = describe("connections", "Connections of the pool, by state: acquired (at work), idle, constructing.", "state")
	maxDesc         = describe("max_connections", "Most connections that the pool opens.")
	acquiresDesc    = describe("acquires_total", "Times that a connection was taken from the pool.")
	waitsDesc       = describe("waits_total", "Times that a connection was waited for, because none was idle.")
	waitDesc        = describe("wait_seconds_total", "Time that was spent waiting for a connection because none was idle, in seconds.")
	canceledDesc    = describe("canceled_acquires_total", "Times that the wait for a connection was given up.")
	openedDesc      = describe("opened_total", "Connections opened.")
)

// Describe implements [prometheus.Collector].
func (poolMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{connectionsDesc, maxDesc, acquiresDesc, waitsDesc, waitDesc, canceledDesc, openedDesc} {
		to <- d
	}
}

// Collect implements [prometheus.Collector].
func (m poolMetrics) Collect(to chan<- prometheus.Metric) {
	s := m.stat()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v)
	}
	gauge(connectionsDesc, float64(s.AcquiredConns()), "acquired")
	gauge(connectionsDesc, float64(s.IdleConns()), "idle")
	gauge(connectionsDesc, float64(s.ConstructingConns()), "constructing")
	gauge(maxDesc, float64(s.MaxConns()))
	counter(acquiresDesc, float64(s.AcquireCount()))
	counter(waitsDesc, float64(s.EmptyAcquireCount()))
	counter(waitDesc, s.EmptyAcquireWaitTime().Seconds())
	counter(canceledDesc, float64(s.CanceledAcquireCount()))
	counter(openedDesc, float64(s.NewConnsCount()))
}
