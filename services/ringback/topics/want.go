// Package topics keeps the topics and the compatibility of their schemas as code: what a cluster and a
// registry have is held against what they should have, and brought there.
package topics

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
)

// Size is what one installation chooses of the topics; the rest is the same everywhere.
type Size struct {
	Partitions  int // of every topic, fixed for good
	Replication int
	MinInSync   int // replicas that must have a record before it is acknowledged
}

// Validate returns every fault; each names its flag.
func (s Size) Validate() error {
	var faults []error
	if s.Partitions < 1 {
		faults = append(faults, fmt.Errorf("--partitions: must be over 0, is %d", s.Partitions))
	}
	if s.Replication < 1 {
		faults = append(faults, fmt.Errorf("--replication: must be over 0, is %d", s.Replication))
	}
	switch {
	case s.MinInSync < 1:
		faults = append(faults, fmt.Errorf("--min-insync: must be over 0, is %d", s.MinInSync))
	case s.MinInSync > s.Replication:
		faults = append(faults, fmt.Errorf("--min-insync: must not be over --replication: nothing could be written; is %d of %d", s.MinInSync, s.Replication))
	}
	if err := errors.Join(faults...); err != nil {
		return fault.Misconfigf("topics: %w", err)
	}
	return nil
}

// Want is what should be there.
type Want struct {
	Topics   []topic.Spec
	Subjects []string // their compatibility is FULL_TRANSITIVE
	// Register has the schemas of the subjects registered: some registries keep a level only for a subject
	// that they know.
	Register func(context.Context, *registry.Client) error
}

// Want is what an installation of that size should have.
func (s Size) Want() Want {
	w := Want{Topics: topic.Specs(s.Partitions, s.Replication), Subjects: wire.Subjects(), Register: func(ctx context.Context, r *registry.Client) error {
		_, err := wire.New(ctx, r)
		return err
	}}
	for _, t := range w.Topics {
		t.Config["min.insync.replicas"] = strconv.Itoa(s.MinInSync)
	}
	return w
}

// Settings say where the cluster and the registry are.
type Settings struct {
	Kafka    kafka.Config    `env:", prefix=KAFKA_"`
	Registry registry.Config `env:", prefix=REGISTRY_"`
}

// LoadSettings reads the settings from the environment. The error names every fault.
func LoadSettings(ctx context.Context, env config.Environment) (Settings, error) {
	var s Settings
	err := config.Load(ctx, env, []string{"KAFKA_", "REGISTRY_"}, &s)
	return s, err
}

// Place is the cluster and the registry.
type Place struct {
	Kafka    *kafka.Client
	Registry *registry.Client
}

// Open makes the clients; they connect when they are used.
func Open(s Settings) (*Place, error) {
	client, err := kafka.New(s.Kafka)
	if err != nil {
		return nil, err
	}
	schemas, err := registry.New(s.Registry)
	if err != nil {
		client.Close()
		return nil, err
	}
	return &Place{Kafka: client, Registry: schemas}, nil
}

// Close ends all connections.
func (p *Place) Close() {
	p.Kafka.Close()
	p.Registry.Close()
}
