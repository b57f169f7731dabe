package configuration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/services/enricher"
	"github.com/ringback/ringback/services/producer"
	"github.com/ringback/ringback/services/sink"
)

// A secret is printed nowhere, however it is given and looked at, nor by what is said of other faults
// (invariant 10).
func TestASecretNeverPrints(t *testing.T) {
	t.Parallel()
	const marked = "marked-word"
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte(marked+"\n"), 0o600))
	inVariables := config.Environment{
		"KAFKA_BROKERS": "a:1", "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_SASL_USERNAME": "u", "KAFKA_SASL_PASSWORD": marked, "PRODUCER_AUTH": "off",
		"POSTGRES_HOST": "h", "POSTGRES_PASSWORD": marked, "TSERVER_GATEWAY_URL": "http://g", "TSERVER_REP_USEREVENT_SWITCH": "S",
	}
	inURL := config.Environment{"KAFKA_BROKERS": "a:1", "STORE_URL": "postgres://u:" + marked + "@h/d", "TSERVER_GATEWAY_URL": "http://g", "TSERVER_REP_USEREVENT_SWITCH": "S"}
	inFiles := config.Environment{
		"KAFKA_BROKERS": "a:1", "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_SASL_USERNAME": "u", "KAFKA_SASL_PASSWORD_FILE": file, "REGISTRY_USERNAME": "u", "REGISTRY_PASSWORD_FILE": file,
		"PRODUCER_TOKENS_FILE": file, "POSTGRES_HOST": "h", "POSTGRES_PASSWORD_FILE": file, "TSERVER_GATEWAY_URL": "http://g", "TSERVER_GATEWAY_TOKEN_FILE": file,
		"TSERVER_REP_USEREVENT_SWITCH": "S",
	}
	load := map[string]func(config.Environment) (any, error){
		"producer": func(e config.Environment) (any, error) { return producer.LoadSettings(t.Context(), e) },
		"enricher": func(e config.Environment) (any, error) { return enricher.LoadSettings(t.Context(), e) },
		"infomart": func(e config.Environment) (any, error) { return sink.LoadSettings(t.Context(), sink.Infomart, e) },
		"tserver":  func(e config.Environment) (any, error) { return sink.LoadSettings(t.Context(), sink.TServer, e) },
		"migrate":  func(e config.Environment) (any, error) { return sink.LoadStoreSettings(t.Context(), e) },
	}
	for name, env := range map[string]config.Environment{"variables": inVariables, "URL": inURL, "files": inFiles} {
		for service, load := range load {
			if service == "producer" && name == "URL" {
				continue // it has no store
			}
			t.Run(name+" "+service, func(t *testing.T) {
				t.Parallel()
				settings, err := load(env)
				require.NoError(t, err)
				var printed bytes.Buffer
				held := struct{ settings any }{settings}
				fmt.Fprintf(&printed, "%v %+v %#v %s %q %d %x %v", settings, settings, settings, settings, settings, settings, settings, held)
				text, err := json.Marshal(settings)
				require.NoError(t, err)
				printed.Write(text)
				slog.New(slog.NewTextHandler(&printed, nil)).InfoContext(t.Context(), "settings", "all", settings)
				slog.New(slog.NewJSONHandler(&printed, nil)).InfoContext(t.Context(), "settings", "all", settings)
				require.NotContains(t, printed.String(), marked)
				require.NotContains(t, printed.String(), fmt.Sprintf("%x", marked))

				faulty := config.Environment{"KAFKA_BROKERS": "nowhere", "STORE_MAX_CONNS": marked, "SINK_BATCH_RECORDS": marked, "PRODUCER_MAX_BODY": marked, "ENRICHER_SETTLE": marked, "STORE_PAHT": marked}
				for name, value := range env {
					if faulty[name] == "" {
						faulty[name] = value
					}
				}
				_, err = load(faulty)
				require.Error(t, err)
				require.NotContains(t, err.Error(), marked)
			})
		}
	}
}
