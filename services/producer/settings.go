package producer

import (
	"context"

	"github.com/ringback/ringback/pkg/admin"
	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/registry"
)

// Settings are all that the service is configured by.
type Settings struct {
	// AdminAddr is where /livez, /readyz and /metrics are served: host:port.
	AdminAddr string `env:"PRODUCER_ADMIN_ADDR, default=:8081"`
	Admin     Admin  `env:", prefix=PRODUCER_ADMIN_"`
	Producer  Config
	Queue     kafka.ProducerConfig `env:", prefix=PRODUCER_KAFKA_"`
	Kafka     kafka.Config         `env:", prefix=KAFKA_"`
	Registry  registry.Config      `env:", prefix=REGISTRY_"`
}

// Admin says who may do what on the admin port.
type Admin struct{ admin.Config }

// Validate returns every fault of the configuration.
func (a *Admin) Validate() []error { return a.Faults("PRODUCER_ADMIN_") }

// LoadSettings reads the settings from the environment. The error names every fault.
func LoadSettings(ctx context.Context, env config.Environment) (Settings, error) {
	var s Settings
	err := config.Load(ctx, env, []string{"PRODUCER_", "KAFKA_", "REGISTRY_"}, &s)
	return s, err
}
