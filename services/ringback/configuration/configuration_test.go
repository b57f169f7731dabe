package configuration

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/fault"
)

const root = "../../.."

var update = flag.Bool("update", false, "write the golden files anew")

func TestTheDocumentIsAsGenerated(t *testing.T) {
	t.Parallel()
	want, err := Document(root)
	require.NoError(t, err)
	got, err := os.ReadFile(root + "/docs/configuration.md")
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run go run ./services/ringback/configuration/generate in the root of the checkout")
}

// Every variable of every service has its row, and one alone.
func TestEveryVariableIsInTheDocumentOnce(t *testing.T) {
	t.Parallel()
	text, err := Document(root)
	require.NoError(t, err)
	known := 0
	seen := map[string]bool{}
	for _, s := range Services() {
		for _, settings := range s.Settings {
			for _, v := range config.Variables(settings) {
				require.Equal(t, 1, strings.Count(string(text), "\n| `"+v.Name+"` |"), v.Name)
				if !seen[v.Name] {
					seen[v.Name] = true
					known++
				}
			}
		}
	}
	ours, others, found := strings.Cut(string(text), "\n## Read by libraries\n")
	require.True(t, found)
	require.Equal(t, known, strings.Count(ours, "\n| `"), "a row of no variable")
	require.NotRegexp(t, regexp.MustCompile(`\[[A-Z]\w*\][^(]`), string(text), "a link to no field")
	for name := range seen {
		require.NotContains(t, others, "\n| `"+name+"`", "it is ours")
	}
}

// The names and defaults are API.
func TestVariablesGolden(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, s := range sections {
		for _, v := range s.variables() {
			fmt.Fprintln(&b, strings.TrimSpace(v.Name+" "+v.Default))
		}
	}
	const golden = "testdata/variables.golden"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(b.String()), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String(), "these names are API: others build on them")
}

// Each service is read as it reads itself: with every kind of fault at once, and without any.
func TestEveryServiceIsChecked(t *testing.T) {
	t.Parallel()
	good := map[string]config.Environment{
		"producer":        {"KAFKA_BROKERS": "a:1", "PRODUCER_AUTH": "off"},
		"enricher":        {"KAFKA_BROKERS": "a:1"},
		"sink infomart":   {"KAFKA_BROKERS": "a:1", "STORE_PATH": "x"},
		"sink tserver":    {"KAFKA_BROKERS": "a:1", "STORE_PATH": "x", "TSERVER_GATEWAY_URL": "http://g", "TSERVER_REP_USEREVENT_SWITCH": "S"},
		"sink migrate":    {"STORE_PATH": "x"},
		"tserver":         {},
		"ringback run":    {"KAFKA_BROKERS": "of the services"},
		"ringback topics": {"KAFKA_BROKERS": "a:1"},
	}
	bad := map[string]config.Environment{
		"producer": {"PRODUCER_ACK_TIMEOUT": "soon", "PRODUCER_MAX_BACH": "1", "PRODUCER_TOKENS_FILE": "/no/such", "REGISTRY_PASSWORD_FILE": "x", "REGISTRY_CA_FILE": "/no/ca"},
		"enricher": {"ENRICHER_SETTLE": "3h", "ENRICHER_STATE_RETENTION": "1h", "ENRICHER_TICK": "true", "KAFKA_TLS": "true", "KAFKA_TLS_CERT_FILE": "/no/crt", "KAFKA_TLS_KEY_FILE": "/no/key"},
		"sink infomart": {
			"STORE_URL_FILE": "/no/url", "SINK_RETRY_MIN": "1m", "INFOMART_STORE_EVENT_DATE": "all", "KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USERNAME": "u",
			"KAFKA_SASL_PASSWORD_FILE": "/no/password",
		},
		"sink tserver":    {"TSERVER_GATEWAY_TOKEN_FILE": "/no/token", "TSERVER_SERVICES_FILE": "/no/services", "TSERVER_PARALEL": "1", "TSERVER_MAX_AGE": "-1s"},
		"sink migrate":    {"STORE_URL": "postgres://h:port/d", "POSTGRES_HOTS": "h", "STORE_TIMEOUT": "-1s"},
		"ringback run":    {"ENRICHER_SETTLE": "-1s", "INFOMART_STORE_EVENT_DATA": "most", "TSERVER_REP_USEREVENT_DM": "x"},
		"ringback topics": {"KAFKA_BROKERS": "a", "REGISTRY_ULR": "x", "REGISTRY_USERNAME": "u"},
		"tserver":         {"TSERVER_SIM_TOKEN_FILE": "/no/tokens", "TSERVER_SIM_OUTAGE": "perhaps", "TSERVER_SIM_LOGS": "x"},
	}
	says := map[string][]string{
		"producer":        {"PRODUCER_ACK_TIMEOUT: must be a duration", "did you mean PRODUCER_MAX_BATCH?", "PRODUCER_TOKENS_FILE: ", "REGISTRY_PASSWORD_FILE: is given without", "REGISTRY_CA_FILE: open", "KAFKA_BROKERS: no address"},
		"enricher":        {"ENRICHER_STATE_RETENTION: must not be less", "did you mean ENRICHER_TICKS?", "KAFKA_TLS_CERT_FILE: open", "KAFKA_TLS_KEY_FILE: open", "KAFKA_BROKERS: no address"},
		"sink infomart":   {"STORE_URL_FILE: open", "STORE_URL: is required", "SINK_RETRY_MAX: must not be less", "did you mean INFOMART_STORE_EVENT_DATA?", "KAFKA_SASL_MECHANISM: PLAIN sends", "KAFKA_SASL_PASSWORD_FILE: open"},
		"sink tserver":    {"TSERVER_GATEWAY_TOKEN_FILE: ", "TSERVER_GATEWAY_URL: ", "TSERVER_SERVICES_FILE: open", "did you mean TSERVER_PARALLEL?", "TSERVER_MAX_AGE: must not", "TSERVER_REP_USEREVENT_SWITCH: is required", "STORE_URL: is required"},
		"sink migrate":    {"did you mean POSTGRES_HOST?", "STORE_TIMEOUT: must not be negative"},
		"ringback run":    {"ENRICHER_SETTLE: must be over 0", "INFOMART_STORE_EVENT_DATA: must be none, conf or all", "did you mean TSERVER_REP_USEREVENT_DN?"},
		"ringback topics": {"KAFKA_BROKERS: ", "did you mean REGISTRY_URL?", "REGISTRY_PASSWORD_FILE: is required with"},
		"tserver":         {"TSERVER_SIM_TOKEN_FILE: token file: open", "TSERVER_SIM_OUTAGE: must be true or false", "did you mean TSERVER_SIM_LOG?"},
	}
	require.Len(t, good, len(Services()))
	for _, s := range Services() {
		require.NoError(t, s.Check(t.Context(), good[s.Name]), s.Name)
		err := s.Check(t.Context(), bad[s.Name])
		require.Equal(t, fault.Misconfiguration, fault.ClassOf(err), s.Name)
		for _, want := range says[s.Name] {
			require.ErrorContains(t, err, want, s.Name)
		}
		require.NotEmpty(t, says[s.Name])
		found, err := Find(strings.Fields(s.Name)...)
		require.NoError(t, err)
		require.Equal(t, s.Name, found.Name)
	}
	_, err := Find("sink")
	require.ErrorContains(t, err, `no service is named "sink"; there are producer, enricher, sink infomart`)
}
