// Package topic names the topics and gives each its contract: partitions, cleanup, retention.
package topic

import (
	"strconv"
	"time"
)

// The topics. Their keys are the service id.
const (
	Lifecycle    = "callback.lifecycle.v1"
	Sessions     = "callback.sessions.v1"
	UserEvents   = "callback.userevents.v1"
	AttachedData = "callback.attached-data.v1"
	DeadLetters  = "callback.deadletters.v1"
)

// LifecycleRetention keeps a lifecycle event for the longest scheduled callback (400 days) and 35 days more.
const LifecycleRetention = 435 * 24 * time.Hour

// Spec is what a topic is created with. Retention is always explicit.
type Spec struct {
	Name        string
	Partitions  int
	Replication int
	Config      map[string]string
}

// Specs lists all topics with that number of partitions and replicas.
func Specs(partitions, replication int) []Spec {
	ms := func(d time.Duration) string { return itoa(d.Milliseconds()) }
	return []Spec{
		{Lifecycle, partitions, replication, map[string]string{"cleanup.policy": "delete", "retention.ms": ms(LifecycleRetention), "retention.bytes": "-1"}},
		{Sessions, partitions, replication, map[string]string{
			"cleanup.policy": "compact", "retention.ms": "-1", "retention.bytes": "-1",
			"segment.bytes": itoa(64 << 20), "segment.ms": ms(time.Hour), "min.cleanable.dirty.ratio": "0.2",
		}},
		{UserEvents, partitions, replication, map[string]string{"cleanup.policy": "delete", "retention.ms": ms(LifecycleRetention), "retention.bytes": "-1"}},
		{AttachedData, partitions, replication, map[string]string{"cleanup.policy": "delete", "retention.ms": ms(LifecycleRetention), "retention.bytes": "-1"}},
		{DeadLetters, partitions, replication, map[string]string{
			"cleanup.policy": "delete", "retention.ms": ms(LifecycleRetention), "retention.bytes": "-1",
			"max.message.bytes": itoa(2 << 20), // a letter holds up to 1 MiB of the record it is about
		}},
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
