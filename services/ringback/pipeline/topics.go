package pipeline

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/embedded/broker"
	embedded "github.com/ringback/ringback/pkg/embedded/registry"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/wire"
)

// Endpoints is how other commands find a running pipeline.
type Endpoints struct {
	PID      int      `json:"pid"`
	Brokers  []string `json:"brokers"`
	Registry string   `json:"registry"`
	HTTP     string   `json:"http,omitempty"`
}

// ReadEndpoints returns where the pipeline that runs in dir can be reached.
func ReadEndpoints(dir string) (Endpoints, error) {
	var e Endpoints
	text, err := os.ReadFile(PathsOf(dir).Endpoints)
	if err == nil {
		err = json.Unmarshal(text, &e)
	}
	if err != nil {
		return e, fault.Misconfigf("no pipeline runs in %s: %w", dir, err)
	}
	return e, nil
}

// Topics reads the topics of a data directory, whether its pipeline runs or not, or of a cluster.
type Topics struct {
	client *kafka.Client
	codec  *wire.Codec
	close  []func() error
}

// OpenTopics opens the topics in dir: those of the pipeline that runs there, or,
// where none does, the files, which are locked until Close.
func OpenTopics(ctx context.Context, dir string) (*Topics, error) {
	paths, t := PathsOf(dir), &Topics{}
	e, err := t.reach(dir, paths)
	if err == nil {
		err = t.connect(ctx, kafka.Config{Brokers: e.Brokers}, registry.Config{URL: e.Registry, Timeout: 5 * time.Second})
	}
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// ReachTopics opens the topics of a cluster.
func ReachTopics(ctx context.Context, brokers kafka.Config, schemas registry.Config) (*Topics, error) {
	t := &Topics{}
	if err := t.connect(ctx, brokers, schemas); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

func (t *Topics) reach(dir string, paths Paths) (Endpoints, error) {
	b, err := broker.Start(broker.Config{Dir: paths.Broker})
	if errors.Is(err, broker.ErrLocked) {
		return ReadEndpoints(dir)
	}
	if err != nil {
		return Endpoints{}, err
	}
	t.close = append(t.close, b.Close)
	schemas, err := embedded.Start(embedded.Config{Dir: paths.Registry})
	if err != nil {
		return Endpoints{}, err
	}
	t.close = append(t.close, schemas.Close)
	return Endpoints{Brokers: b.Addrs(), Registry: schemas.URL()}, nil
}

func (t *Topics) connect(ctx context.Context, brokers kafka.Config, at registry.Config) error {
	brokers.ClientID = cmp.Or(brokers.ClientID, "ringback-reader")
	var err error
	if t.client, err = kafka.New(brokers); err != nil {
		return err
	}
	t.close = append(t.close, func() error { t.client.Close(); return nil })
	schemas, err := registry.New(at)
	if err != nil {
		return err
	}
	t.close = append(t.close, func() error { schemas.Close(); return nil })
	t.codec, err = wire.New(ctx, schemas)
	return err
}

// DeadLetters calls f with each dead letter, each id once, until f returns false.
func (t *Topics) DeadLetters(ctx context.Context, f func(*callback.DeadLetter) bool) error {
	return eachLetter(ctx, t.client, t.codec, nil, f)
}

// Close ends the reading.
func (t *Topics) Close() error {
	var errs []error
	for i := len(t.close) - 1; i >= 0; i-- {
		errs = append(errs, t.close[i]())
	}
	t.close = nil
	return errors.Join(errs...)
}
