package stack

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
)

// Stack is a running pipeline. The parts that the services meet through proxies have their own addresses in Direct.
type Stack struct {
	Config
	Services *process.Services
	Direct   process.Parts

	Nodes    []*process.KafkaNode
	Postgres *process.Postgres
	Registry *process.Process
	// Simulator is the simulated T-Server; TServerLog is the file that it writes.
	Simulator  *process.Process
	TServerLog string

	Producers, Enrichers, Infomarts, TServers []*process.Process
	ProducerURLs                              []string

	// Proxies by name: broker-1 and so on, postgres, registry, gateway.
	Proxies map[string]*process.Proxy

	EnricherGroup, InfomartGroup, TServerGroup string
	run                                        string
}

// Start makes the topics and a database of its own, starts everything and waits until all of it is ready. Close ends
// it, also after an error.
func Start(ctx context.Context, cfg Config) (*Stack, error) {
	run := strings.ToLower(rand.Text()[:8])
	s := &Stack{
		Config: cfg, Postgres: &process.Postgres{Run: cfg.PostgresRun}, Proxies: map[string]*process.Proxy{}, run: run,
		EnricherGroup: "ringback-enricher-" + run, InfomartGroup: "ringback-infomart-" + run, TServerGroup: "ringback-tserver-" + run,
	}
	for _, step := range []func(context.Context) error{s.build, s.database, s.parts, s.topics, s.services, s.startServices} {
		if err := step(ctx); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *Stack) build(ctx context.Context) error {
	binaries, err := process.Build(ctx, filepath.Join(s.Dir, "bin"), s.Race)
	if err != nil {
		return err
	}
	s.Services = &process.Services{Binaries: binaries, Logs: filepath.Join(s.Dir, "logs")}
	return nil
}

// database makes a database that nobody has written to.
func (s *Stack) database(ctx context.Context) error {
	base, err := s.Postgres.URL()
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, base)
	if err != nil {
		return fmt.Errorf("stack: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // what it was opened for is done
	name := "ringback_" + s.run
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return fmt.Errorf("stack: %w", err)
	}
	u, err := url.Parse(base)
	if err != nil {
		return fmt.Errorf("stack: %w", err)
	}
	u.Path = "/" + name
	s.Direct.Postgres = u.String()
	return nil
}

// parts starts what the services work with, and a proxy before each.
func (s *Stack) parts(ctx context.Context) error {
	var err error
	if s.Nodes, err = process.KafkaNodes(s.KafkaRun); err != nil {
		return err
	}
	bootstrap, err := os.ReadFile(filepath.Join(s.KafkaRun, "bootstrap"))
	if err != nil {
		return fmt.Errorf("stack: %w", err)
	}
	s.Direct.Kafka = strings.TrimSpace(string(bootstrap))
	if s.Registry, s.Direct.Registry, err = s.Services.EmbeddedRegistry("registry", filepath.Join(s.Dir, "registry"), s.Services.Logs); err != nil {
		return err
	}
	s.TServerLog = filepath.Join(s.Dir, "tserver.log")
	if s.Simulator, s.Direct.Gateway, err = s.Services.TServer("simulator", s.TServerLog, s.Env["simulator"]); err != nil {
		return err
	}
	for _, p := range []*process.Process{s.Registry, s.Simulator} {
		if err := p.Start(); err != nil {
			return err
		}
		if err := p.WaitReady(ctx); err != nil {
			return err
		}
	}
	return s.proxies()
}

func (s *Stack) proxies() error {
	make := process.NewProxies()
	through := s.Direct
	var brokers []string
	for _, n := range s.Nodes {
		upstream, err := n.Upstream()
		if err != nil {
			return err
		}
		advertised, err := n.Advertised()
		if err != nil {
			return err
		}
		if s.Proxies[n.Name()], err = make.Start(n.Name(), advertised, upstream); err != nil {
			return err
		}
		brokers = append(brokers, advertised)
	}
	through.Kafka = strings.Join(brokers, ",")
	for name, address := range map[string]*string{"postgres": &through.Postgres, "registry": &through.Registry, "gateway": &through.Gateway} {
		u, err := url.Parse(*address)
		if err != nil {
			return fmt.Errorf("stack: %w", err)
		}
		p, err := make.Start(name, "", u.Host)
		if err != nil {
			return err
		}
		s.Proxies[name] = p
		u.Host = p.Listen
		*address = u.String()
	}
	s.Services.Parts = through
	return nil
}

func (s *Stack) topics(ctx context.Context) error {
	client, err := kafka.New(kafka.Config{Brokers: strings.Split(s.Direct.Kafka, ","), ClientID: "stack"})
	if err != nil {
		return err
	}
	defer client.Close()
	if err := DeleteTopics(ctx, s.Direct.Kafka); err != nil {
		return err
	}
	specs := topic.Specs(s.Partitions, min(3, len(s.Nodes)))
	for i := range specs {
		maps.Copy(specs[i].Config, s.Topics[specs[i].Name])
	}
	return client.EnsureTopics(ctx, specs)
}

func (s *Stack) services(context.Context) error {
	for n := range s.Config.Producers {
		p, at, err := s.Services.Producer(fmt.Sprintf("producer-%d", n+1), s.Env["producer"])
		if err != nil {
			return err
		}
		s.Producers, s.ProducerURLs = append(s.Producers, p), append(s.ProducerURLs, at)
	}
	for _, kind := range []struct {
		name string
		n    int
		make func(string) (*process.Process, error)
		into *[]*process.Process
	}{
		{"enricher", s.Config.Enrichers, s.NewEnricher, &s.Enrichers},
		{"infomart", s.Config.Infomarts, s.NewInfomart, &s.Infomarts},
		{"tserver", s.Config.TServers, s.NewTServer, &s.TServers},
	} {
		for n := range kind.n {
			p, err := kind.make(fmt.Sprintf("%s-%d", kind.name, n+1))
			if err != nil {
				return err
			}
			*kind.into = append(*kind.into, p)
		}
	}
	return nil
}

// NewEnricher, NewInfomart and NewTServer make one more member of a group, which is yet to be started.
func (s *Stack) NewEnricher(name string) (*process.Process, error) {
	return s.Services.Enricher(name, with(s.Timing.environment(), map[string]string{"ENRICHER_GROUP": s.EnricherGroup}, s.Env["enricher"]))
}

func (s *Stack) NewInfomart(name string) (*process.Process, error) {
	return s.Services.Infomart(name, with(map[string]string{"SINK_GROUP": s.InfomartGroup}, s.Env["infomart"]))
}

func (s *Stack) NewTServer(name string) (*process.Process, error) {
	return s.Services.SinkTServer(name, with(map[string]string{"SINK_GROUP": s.TServerGroup, "TSERVER_MAX_AGE": "0"}, s.Env["tserver"]))
}

func with(all ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range all {
		maps.Copy(out, m)
	}
	return out
}

// All are the services' processes.
func (s *Stack) All() []*process.Process {
	var all []*process.Process
	for _, of := range [][]*process.Process{s.Producers, s.Enrichers, s.Infomarts, s.TServers} {
		all = append(all, of...)
	}
	return all
}

func (s *Stack) startServices(ctx context.Context) error {
	for _, p := range s.All() {
		if err := p.Start(); err != nil {
			return err
		}
	}
	return s.WaitReady(ctx)
}

// WaitReady waits until every service says that it is ready.
func (s *Stack) WaitReady(ctx context.Context) error {
	for _, p := range s.All() {
		if err := p.WaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Stop asks processes to end, and waits for it.
func Stop(ctx context.Context, processes ...*process.Process) error {
	faults := make(chan error)
	for _, p := range processes {
		go func() {
			err := p.Stop(ctx)
			if errors.Is(err, process.ErrNotRunning) {
				err = nil
			}
			faults <- err
		}()
	}
	var all []error
	for range processes {
		all = append(all, <-faults)
	}
	return errors.Join(all...)
}

// Close kills what runs and drops the database.
func (s *Stack) Close() error {
	var faults []error
	ending := s.All()
	for _, p := range []*process.Process{s.Registry, s.Simulator} {
		if p != nil {
			ending = append(ending, p)
		}
	}
	for _, p := range ending {
		if err := p.Kill(); err != nil && !errors.Is(err, process.ErrNotRunning) {
			faults = append(faults, err)
		}
	}
	for _, p := range s.Proxies {
		p.Stop()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if base, err := s.Postgres.URL(); err == nil && s.Direct.Postgres != "" {
		conn, err := pgx.Connect(ctx, base)
		if err != nil {
			return errors.Join(append(faults, err)...)
		}
		_, err = conn.Exec(ctx, "DROP DATABASE IF EXISTS ringback_"+s.run+" WITH (FORCE)")
		faults = append(faults, err, conn.Close(ctx))
	}
	return errors.Join(faults...)
}
