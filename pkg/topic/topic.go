// Package topic names the topics and gives each its contract: partitions, cleanup, retention.
package topic

import (
	"maps"

	"github.com/ringback/ringback/schemas/asyncapi"
)

// The topics. Their keys are the service id.
const (
	Lifecycle    = asyncapi.Lifecycle
	Sessions     = asyncapi.Sessions
	UserEvents   = asyncapi.UserEvents
	AttachedData = asyncapi.AttachedData
	DeadLetters  = asyncapi.DeadLetters
)

// LifecycleRetention keeps a lifecycle event for the longest scheduled callback (400 days) and 35 days more.
const LifecycleRetention = asyncapi.Retention

// Spec is what a topic is created with. Retention is always explicit.
type Spec struct {
	Name        string
	Partitions  int
	Replication int
	Config      map[string]string
}

// Specs lists all topics with that number of partitions and replicas.
func Specs(partitions, replication int) []Spec {
	var out []Spec
	for _, t := range asyncapi.Topics {
		out = append(out, Spec{t.Name, partitions, replication, maps.Clone(t.Config)})
	}
	return out
}
