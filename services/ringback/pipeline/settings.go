package pipeline

import (
	"context"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/services/enricher"
	"github.com/ringback/ringback/services/producer"
)

// Settings are the services' settings that hold in one process, too. What says
// where a part is, the pipeline sets itself.
type Settings struct {
	Enricher  enricher.Config
	Producer  producer.Config
	EventData infomart.EventData
}

// LoadSettings reads them from the environment.
func LoadSettings(ctx context.Context, env config.Environment) (Settings, error) {
	var s Settings
	err := config.Load(ctx, env, []string{"ENRICHER_", "INFOMART_"}, &s)
	return s, err
}

// Validate returns every fault of the enricher's settings; the producer, which is not always
// started, checks its own.
func (s *Settings) Validate() []error { return s.Enricher.Validate() }
