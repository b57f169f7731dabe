package parity

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/integration/process/stack"
	"github.com/ringback/ringback/pkg/infomart/postgres"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
)

// Timing are the enricher's two deadlines that follow the last news.
type Timing struct{ Settle, OfferGrace time.Duration }

func (t Timing) environment() map[string]string {
	return map[string]string{"ENRICHER_SETTLE": t.Settle.String(), "ENRICHER_OFFER_GRACE": t.OfferGrace.String()}
}

// partitions is how many each topic has in `ringback run`.
const partitions = 4

// Live are the services as processes of their own, on real parts, with topics and a database that nobody else uses.
type Live struct {
	Intake string // URL that events are posted to

	parts                               process.Parts
	log                                 string // T-Server's
	group                               string // the enricher's
	client                              *kafka.Client
	ticks                               *kafka.Producer
	simulator                           *process.Process
	producer, enricher, infomart, sends *process.Process
}

// Start makes the topics anew, so nobody else may use the brokers, and starts every service. dir takes logs.
func Start(ctx context.Context, programs *process.Binaries, parts process.Parts, dir string, t Timing) (*Live, error) {
	l := &Live{parts: parts, log: filepath.Join(dir, "tserver.log")}
	var err error
	if l.client, err = kafka.New(kafka.Config{Brokers: strings.Split(parts.Kafka, ","), ClientID: "parity"}); err != nil {
		return l, err
	}
	l.ticks = l.client.NewProducer(kafka.ProducerConfig{})
	if err := stack.DeleteTopics(ctx, parts.Kafka); err != nil {
		return l, err
	}
	if err := l.client.EnsureTopics(ctx, topic.Specs(partitions, 1)); err != nil {
		return l, err
	}
	run := strings.ToLower(rand.Text()[:8])
	if l.parts.Postgres, err = newDatabase(ctx, parts.Postgres, "parity_"+run); err != nil {
		return l, err
	}
	l.group = "parity-enricher-" + run
	enricher := t.environment()
	enricher["ENRICHER_GROUP"] = l.group
	return l, l.start(ctx, &process.Services{Binaries: programs, Logs: dir}, run, enricher)
}

func (l *Live) start(ctx context.Context, s *process.Services, run string, enricher map[string]string) error {
	var errs [5]error
	l.simulator, l.parts.Gateway, errs[0] = s.TServer("simulator", l.log, nil)
	s.Parts = l.parts
	l.producer, l.Intake, errs[1] = s.Producer("producer", nil)
	l.enricher, errs[2] = s.Enricher("enricher", enricher)
	l.infomart, errs[3] = s.Infomart("infomart", map[string]string{"SINK_GROUP": "parity-infomart-" + run})
	l.sends, errs[4] = s.SinkTServer("tserver", map[string]string{
		// As `ringback run` has them.
		"SINK_GROUP": "parity-tserver-" + run, "TSERVER_MAX_AGE": "0", "TSERVER_REP_USEREVENT_SWITCH": "Sip_Switch",
	})
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	for _, p := range l.processes() {
		if err := p.Start(); err != nil {
			return err
		}
	}
	for _, p := range l.processes() {
		if err := p.WaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// processes are all, those that others need first.
func (l *Live) processes() []*process.Process {
	return []*process.Process{l.simulator, l.producer, l.enricher, l.infomart, l.sends}
}

// newDatabase makes a database beside the one of the URL, and returns its URL.
func newDatabase(ctx context.Context, base, name string) (string, error) {
	conn, err := pgx.Connect(ctx, base)
	if err != nil {
		return "", fmt.Errorf("parity: %w", err)
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+name)
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return "", fmt.Errorf("parity: %w", err)
	}
	u, err := url.Parse(base)
	if err != nil {
		return "", fmt.Errorf("parity: %w", err)
	}
	u.Path = "/" + name
	return u.String(), nil
}

// AwaitUserEvents waits until the enricher has sent that many UserEvents. More of them are an error.
func (l *Live) AwaitUserEvents(ctx context.Context, want int) error {
	return process.Until(ctx, func() error {
		sent, err := l.metric(ctx, l.enricher, "ringback_enricher_user_events_total")
		if err == nil && sent != want {
			err = fmt.Errorf("the enricher has sent %d UserEvents of %d", sent, want)
		}
		return err
	})
}

func (l *Live) metric(ctx context.Context, p *process.Process, name string, labels ...string) (int, error) {
	samples, err := p.Scrape(ctx)
	return int(samples.Sum(name, labels...)), err
}

// Pass writes each partition a tick of that time, by which every deadline before it is due. With flush every settle
// and offer-grace deadline is, as at the end of `ringback run --once`.
func (l *Live) Pass(ctx context.Context, at time.Time, flush bool) error {
	var ticks []kafka.Record
	for n := range int32(partitions) {
		tick := wire.Tick(n, flush)
		tick.Time = at
		ticks = append(ticks, tick)
	}
	var errs []error
	for _, d := range l.ticks.Produce(ctx, ticks) {
		errs = append(errs, d.Err)
	}
	return errors.Join(errs...)
}

// Drain waits until the enricher stands at the end of the lifecycle log, and the sinks have dealt with all that it wrote.
func (l *Live) Drain(ctx context.Context) error {
	if err := process.Until(ctx, func() error { return l.enriched(ctx) }); err != nil {
		return err
	}
	written := map[string]int{}
	for _, name := range []string{topic.UserEvents, topic.AttachedData} {
		if err := each(ctx, l.client, name, func(*kafka.Record) error { written[name]++; return nil }); err != nil {
			return err
		}
	}
	return process.Until(ctx, func() error {
		return errors.Join(l.applied(ctx, l.infomart, written, topic.UserEvents), l.applied(ctx, l.sends, written, topic.UserEvents, topic.AttachedData))
	})
}

func (l *Live) enriched(ctx context.Context) error {
	ends, err := l.client.Offsets(ctx, topic.Lifecycle)
	if err != nil {
		return err
	}
	for n, r := range ends {
		at, _, err := l.client.CommittedOffset(ctx, l.group, topic.Lifecycle, n)
		if err != nil {
			return err
		}
		if at != r.Latest {
			return fmt.Errorf("the enricher stands at %d of %d in partition %d", at, r.Latest, n)
		}
	}
	return nil
}

func (l *Live) applied(ctx context.Context, sink *process.Process, written map[string]int, topics ...string) error {
	for _, name := range topics {
		done, err := l.metric(ctx, sink, "ringback_sink_records_total", fmt.Sprintf("topic=%q", name))
		if err != nil {
			return err
		}
		if done != written[name] {
			return fmt.Errorf("sink %s has dealt with %d records of %d in %s", sink.Name, done, written[name], name)
		}
	}
	return nil
}

// Records are how many lifecycle events the enricher has read, by their outcome.
func (l *Live) Records(ctx context.Context) (map[string]int, error) {
	samples, err := l.enricher.Scrape(ctx)
	if err != nil {
		return nil, err
	}
	outcomes := map[string]int{}
	for _, o := range []string{"applied", "already_applied", "dead_lettered", "tick"} {
		outcomes[o] = int(samples.Sum("ringback_enricher_records_total", fmt.Sprintf("outcome=%q", o)))
	}
	return outcomes, nil
}

// Contents reads what the parts hold.
func (l *Live) Contents(ctx context.Context) (c *Contents, err error) {
	db, err := postgres.OpenReader(ctx, postgres.Config{URL: postgres.Secret(l.parts.Postgres)})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return read(ctx, kafka.Config{Brokers: strings.Split(l.parts.Kafka, ",")}, l.parts.Registry, db, l.log)
}

// Stop ends every process that runs, the last first, each by SIGTERM, and removes the topics. Each must end well.
func (l *Live) Stop(ctx context.Context) error {
	var errs []error
	all := l.processes()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i] != nil && all[i].Running() {
			errs = append(errs, all[i].Stop(ctx))
		}
	}
	if l.ticks != nil {
		errs = append(errs, l.ticks.Close(ctx))
		l.client.Close()
	}
	return errors.Join(append(errs, stack.DeleteTopics(ctx, l.parts.Kafka))...)
}
