//go:build realcluster

package chaos_test

import (
	"cmp"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/integration/process/stack"
	"github.com/ringback/ringback/pkg/topic"
)

// settings are how hard the test is. scripts/chaos sets them.
type settings struct {
	seed    uint64
	kills   int           // SIGKILLs, at least
	events  int           // lifecycle events, at least
	seconds time.Duration // over which the kills are spread
	report  string        // Markdown file that tells of the run; empty: none
	dir     string        // logs; kept after a failure
}

func read(t *testing.T) settings {
	t.Helper()
	number := func(name string, otherwise int64) int64 {
		n, err := strconv.ParseInt(cmp.Or(os.Getenv(name), strconv.FormatInt(otherwise, 10)), 10, 64)
		require.NoError(t, err, name)
		return n
	}
	s := settings{
		seed:    uint64(number("RINGBACK_CHAOS_SEED", time.Now().UnixNano()%1_000_000)),
		kills:   int(number("RINGBACK_CHAOS_KILLS", 24)),
		events:  int(number("RINGBACK_CHAOS_EVENTS", 100_000)),
		seconds: time.Duration(number("RINGBACK_CHAOS_SECONDS", 100)) * time.Second,
		report:  os.Getenv("RINGBACK_CHAOS_REPORT"),
		dir:     os.Getenv("RINGBACK_CHAOS_DIR"),
	}
	if s.dir == "" {
		var err error
		s.dir, err = os.MkdirTemp("", "ringback-chaos-")
		require.NoError(t, err)
	}
	t.Logf("seed %d (RINGBACK_CHAOS_SEED sets it), %d kills in %s, %d events; logs in %s", s.seed, s.kills, s.seconds, s.events, s.dir)
	return s
}

func (s settings) rate() int { return int(float64(s.events) / s.seconds.Seconds()) }

// partitions of each topic.
const partitions = 6

func (s settings) stack(t *testing.T) stack.Config {
	t.Helper()
	kafka, postgres, err := stack.Environment()
	require.NoError(t, err)
	return stack.Config{
		KafkaRun: kafka, PostgresRun: postgres, Dir: s.dir, Partitions: partitions,
		Producers: 2, Enrichers: 2, Infomarts: 2, TServers: 2,
		Timing: stack.Timing{Settle: 2 * time.Second, OfferGrace: 4 * time.Second, SessionTimeout: 40 * time.Second, StateRetention: 20 * time.Second},
		// So that the changelog is compacted while it is read and written.
		Topics: map[string]map[string]string{topic.Sessions: {"segment.bytes": "1048576", "segment.ms": "5000", "min.cleanable.dirty.ratio": "0.01"}},
		Env: map[string]map[string]string{
			// An owner that is cut off must not hold its partitions' readers up for a minute.
			"enricher": {"KAFKA_TRANSACTION_TIMEOUT": "20s"},
			// So that a kill meets sends that are under way: a batch takes its time.
			"simulator": {"TSERVER_SIM_LATENCY": "20ms"},
			"tserver":   {"TSERVER_PARALLEL": "6"},
		},
	}
}
