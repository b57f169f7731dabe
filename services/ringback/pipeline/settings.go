package pipeline

import (
	"context"
	"maps"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/services/enricher"
	"github.com/ringback/ringback/services/producer"
	sending "github.com/ringback/ringback/services/sink/tserver"
)

// Settings are the services' settings that hold in one process, too. What says
// where a part is, the pipeline sets itself.
type Settings struct {
	Enricher  enricher.Config
	Producer  producer.Config
	EventData infomart.EventData
	// Reporting are the reporting options, and what else is said of sending to T-Server.
	Reporting sending.Config
}

// inProcess are values of variables that hold in one process where none is given: the simulated
// switch takes everything, however old, since nothing reaches a real ICON.
var inProcess = config.Environment{"TSERVER_REP_USEREVENT_SWITCH": "Sip_Switch", "TSERVER_MAX_AGE": "0s"}

// LoadSettings reads them from the environment.
func LoadSettings(ctx context.Context, env config.Environment) (Settings, error) {
	var s Settings
	given := maps.Clone(env)
	for name, value := range inProcess {
		if given[name] == "" {
			given[name] = value
		}
	}
	// TSERVER_GATEWAY_ and TSERVER_SIM_ say where parts are, and may be set for others.
	err := config.Load(ctx, given, []string{"ENRICHER_", "INFOMART_", "TSERVER_REP_"}, &s)
	return s, err
}

// Validate returns every fault of all settings but the producer's, which is not always started and
// checks its own.
func (s *Settings) Validate() []error {
	return append(append(s.Enricher.Validate(), s.Reporting.Validate()...), s.EventData.Validate()...)
}
