package producer

import (
	"context"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/registry"
)

// Settings are all that the service is configured by.
type Settings struct {
	// AdminAddr is where /livez, /readyz and /metrics are served: host:port.
	AdminAddr string `env:"PRODUCER_ADMIN_ADDR, default=:8081"`
	Producer  Config
	Queue     kafka.ProducerConfig `env:", prefix=PRODUCER_KAFKA_"`
	Kafka     kafka.Config         `env:", prefix=KAFKA_"`
	Registry  registry.Config      `env:", prefix=REGISTRY_"`
}

// LoadSettings reads the settings from the environment. The error names every fault.
func LoadSettings(ctx context.Context, env config.Environment) (Settings, error) {
	var s Settings
	err := config.Load(ctx, env, []string{"PRODUCER_", "KAFKA_", "REGISTRY_"}, &s)
	return s, err
}
