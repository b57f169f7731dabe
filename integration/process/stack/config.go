package stack

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ringback/ringback/pkg/fold"
	"github.com/ringback/ringback/pkg/session"
)

// Config is what a stack is made of.
type Config struct {
	// KafkaRun and PostgresRun are run directories of scripts/kafka-up --proxied and scripts/postgres-up.
	KafkaRun, PostgresRun string
	// Dir takes binaries, logs and the registry's and T-Server's files.
	Dir        string
	Partitions int
	// How many of each service run.
	Producers, Enrichers, Infomarts, TServers int
	Timing                                    Timing
	// Topics changes what a topic is created with, by its name.
	Topics map[string]map[string]string
	// Env is given to the services besides, by the program's name: producer, enricher, infomart, tserver, simulator.
	Env map[string]map[string]string
	// Race builds the services with the race detector.
	Race bool
}

// Environment takes the run directories from where scripts/chaos leaves them. A real part that is not there is an
// error: these tests never skip.
func Environment() (kafka, postgres string, err error) {
	var faults []error
	get := func(name string) string {
		value := os.Getenv(name)
		if value == "" {
			faults = append(faults, fmt.Errorf("%s is not set: run scripts/chaos or scripts/outage", name))
		}
		return value
	}
	kafka, postgres = get("RINGBACK_KAFKA_RUN"), get("RINGBACK_POSTGRES_RUN")
	return kafka, postgres, errors.Join(faults...)
}

// Timing are the enricher's deadlines: short, so that all of them pass in the course of a test.
type Timing struct{ Settle, OfferGrace, SessionTimeout, StateRetention time.Duration }

func (t Timing) environment() map[string]string {
	return map[string]string{
		"ENRICHER_SETTLE": t.Settle.String(), "ENRICHER_OFFER_GRACE": t.OfferGrace.String(),
		"ENRICHER_SESSION_TIMEOUT": t.SessionTimeout.String(), "ENRICHER_STATE_RETENTION": t.StateRetention.String(),
	}
}

// Rules are the same for an oracle.
func (t Timing) Rules() session.Rules {
	return session.Rules{
		Fold: fold.Options{MaxAttempts: fold.DefaultMaxAttempts}, Settle: t.Settle, OfferGrace: t.OfferGrace,
		Timeout: t.SessionTimeout, Retention: t.StateRetention,
	}.WithDefaults()
}
