package registry

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// lookups count how look-ups of a schema id ended.
type lookups struct {
	known, fetched, unknown, unsupported, failed atomic.Int64
	schemas                                      atomic.Int64 // kept
}

var (
	schemasDesc = prometheus.NewDesc("ringback_registry_schemas",
		"Schemas of the registry that are kept in memory. An id never changes its schema, so none is given up.", nil, nil)
	lookupsDesc = prometheus.NewDesc("ringback_registry_lookups_total",
		"Look-ups of a schema id, by result: known (kept already), fetched (the registry was asked), unknown (to the registry), unsupported (no Avro schema that stands alone), failed (no answer).",
		[]string{"result"}, nil)
)

// Describe implements [prometheus.Collector].
func (c *Client) Describe(to chan<- *prometheus.Desc) {
	to <- schemasDesc
	to <- lookupsDesc
}

// Collect implements [prometheus.Collector]: how the client does. Decoders keep what they have
// looked up, so a known id is looked up once by each of them.
func (c *Client) Collect(to chan<- prometheus.Metric) {
	l := &c.lookups
	to <- prometheus.MustNewConstMetric(schemasDesc, prometheus.GaugeValue, float64(l.schemas.Load()))
	for result, n := range map[string]*atomic.Int64{
		"known": &l.known, "fetched": &l.fetched, "unknown": &l.unknown, "unsupported": &l.unsupported, "failed": &l.failed,
	} {
		to <- prometheus.MustNewConstMetric(lookupsDesc, prometheus.CounterValue, float64(n.Load()), result)
	}
}
