package enricher_test

import (
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/services/enricher"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, file string, got []string) {
	t.Helper()
	text := strings.Join(got, "\n") + "\n"
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), text, "these names are API: others build on them")
}

func valid() enricher.Config {
	return enricher.Config{
		Group: "g", Settle: 1, OfferGrace: 1, SessionTimeout: 1, StateRetention: 1, MarkerRetention: 1, ServiceStart: "offer",
		MaxAttempts: 1, SessionMaxEvents: 1, SessionMaxBytes: 1, BatchBytes: 1,
	}
}

func TestMetricNamesAreAPI(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	_, err := enricher.New(valid(), enricher.Deps{Registerer: registry})
	require.NoError(t, err)
	descriptions := make(chan *prometheus.Desc, 100)
	registry.Describe(descriptions)
	close(descriptions)
	var names []string
	for d := range descriptions {
		names = append(names, d.String())
	}
	slices.Sort(names)
	golden(t, "testdata/metrics.golden", names)
}

func TestVariableNamesAndDefaultsAreAPI(t *testing.T) {
	t.Parallel()
	var names []string
	c := reflect.TypeFor[enricher.Config]()
	for i := range c.NumField() {
		names = append(names, c.Field(i).Tag.Get("env"))
	}
	golden(t, "testdata/variables.golden", names)
}

func TestEveryFaultOfTheConfigurationIsNamed(t *testing.T) {
	t.Parallel()
	_, err := enricher.New(enricher.Config{Settle: 2, StateRetention: 1, ServiceStart: "now", BatchInterval: -1}, enricher.Deps{})
	for _, name := range []string{
		"ENRICHER_GROUP", "ENRICHER_OFFER_GRACE", "ENRICHER_SESSION_TIMEOUT", "ENRICHER_STATE_RETENTION", "ENRICHER_MARKER_RETENTION",
		"ENRICHER_SERVICE_START", "ENRICHER_MAX_ATTEMPTS", "ENRICHER_SESSION_MAX_EVENTS", "ENRICHER_SESSION_MAX_BYTES", "ENRICHER_BATCH_BYTES", "ENRICHER_BATCH_INTERVAL",
	} {
		require.ErrorContains(t, err, name)
	}
	c := valid()
	require.Empty(t, c.Validate())
}
