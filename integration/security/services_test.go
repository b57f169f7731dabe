//go:build realkafka

package security

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/pkg/embedded/registry"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/kafka/acl"
	schemaregistry "github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/services/ringback/scenario"
	ascode "github.com/ringback/ringback/services/ringback/topics"
	"github.com/ringback/ringback/services/tserver"
)

// world is the cluster, what the services need beside it, and their programs.
type world struct {
	*cluster
	services *process.Services
	sim      *tserver.Server
	simLog   string
}

var builtIn string // the programs' directory, once there is one

var programs = sync.OnceValues(func() (*process.Binaries, error) {
	var err error
	if builtIn, err = os.MkdirTemp("", "ringback-security"); err != nil {
		return nil, err
	}
	return process.Build(context.Background(), builtIn, false)
})

func TestMain(m *testing.M) {
	code := m.Run()
	if builtIn != "" {
		_ = os.RemoveAll(builtIn)
	}
	os.Exit(code)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{cluster: newCluster(t), simLog: filepath.Join(t.TempDir(), "tserver.log")}
	binaries, err := programs()
	require.NoError(t, err)
	schemas, err := registry.Start(registry.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, schemas.Close()) })
	w.sim, err = tserver.New(tserver.Config{Addr: "127.0.0.1:0", Log: w.simLog})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.sim.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-ended); _ = w.sim.Close() })
	w.services = &process.Services{
		Binaries: binaries, Logs: t.TempDir(),
		Parts: process.Parts{Registry: schemas.URL(), Gateway: w.sim.URL()},
	}
	topics(t, w.cluster)
	for _, s := range acl.Services() {
		w.strip(t.Context(), t, s.Name)
		t.Cleanup(func() { w.strip(context.Background(), t, s.Name) })
	}
	return w
}

// login is how each service logs in: between them, by every way there is.
func (w *world) login(t *testing.T, service string) map[string]string {
	t.Helper()
	password := func(mechanism string) map[string]string {
		return map[string]string{
			"KAFKA_BROKERS": w.address(t, "sasl_ssl"), "KAFKA_TLS": "true", "KAFKA_TLS_CA_FILE": w.file("ca.crt"),
			"KAFKA_SASL_MECHANISM": mechanism, "KAFKA_SASL_USERNAME": service, "KAFKA_SASL_PASSWORD_FILE": w.file(service + ".password"),
		}
	}
	switch service {
	case "producer":
		return password("SCRAM-SHA-512")
	case "sink-infomart":
		return password("SCRAM-SHA-256")
	case "sink-tserver":
		return password("PLAIN")
	}
	return map[string]string{
		"KAFKA_BROKERS": w.address(t, "ssl"), "KAFKA_TLS": "true", "KAFKA_TLS_CA_FILE": w.file("ca.crt"),
		"KAFKA_TLS_CERT_FILE": w.file(service + ".crt"), "KAFKA_TLS_KEY_FILE": w.file(service + ".key"),
	}
}

// service starts a service with its own login. url is where a producer takes events in.
func (w *world) service(t *testing.T, name string) (p *process.Process, url string) {
	t.Helper()
	env := w.login(t, name)
	store := map[string]string{"STORE_PATH": filepath.Join(t.TempDir(), name+".db"), "SINK_RETRY_MAX": "500ms"}
	var err error
	switch name {
	case "producer":
		env["PRODUCER_KAFKA_LINGER"] = "0s"
		p, url, err = w.services.Producer(name, env)
	case "enricher":
		env["ENRICHER_SETTLE"], env["ENRICHER_SESSION_TIMEOUT"] = "50ms", "2s"
		p, err = w.services.Enricher(name, env)
	case "sink-infomart":
		maps.Copy(env, store)
		p, err = w.services.Infomart(name, env)
	case "sink-tserver":
		maps.Copy(env, store)
		env["TSERVER_MAX_AGE"] = "0s" // the scenarios are of another year
		p, err = w.services.SinkTServer(name, env)
	}
	require.NoError(t, err)
	require.NoError(t, p.Start())
	t.Cleanup(func() { w.end(t, name, p) })
	return p, url
}

// end stops a service, and looks for secrets in all that it has printed (invariant 10).
func (w *world) end(t *testing.T, name string, p *process.Process) {
	if p.Running() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		require.NoError(t, p.Stop(ctx))
	}
	require.NotContains(t, w.output(t, p), w.read(t, name+".password"))
	if t.Failed() {
		t.Logf("%s printed:\n%s", name, w.output(t, p))
	}
}

func (w *world) output(t *testing.T, p *process.Process) string {
	t.Helper()
	text, err := os.ReadFile(p.LogFile())
	require.NoError(t, err)
	return string(text)
}

func rights(t *testing.T, service string) []acl.Right {
	t.Helper()
	for _, s := range acl.Services() {
		if s.Name == service {
			return s.Rights
		}
	}
	t.Fatalf("no service is named %q", service)
	return nil
}

var running = []string{"producer", "enricher", "sink-infomart", "sink-tserver"}

// topicsAsCode: who keeps the topics needs no more than the rights that are written down, to make them as to alter them.
func (w *world) topicsAsCode(ctx context.Context, t *testing.T) {
	t.Helper()
	schemas, err := schemaregistry.New(schemaregistry.Config{URL: w.services.Parts.Registry})
	require.NoError(t, err)
	at := &ascode.Place{Kafka: connect(t, w.password(t, "topics", "PLAIN")), Registry: schemas}
	defer schemas.Close()
	want := ascode.Size{Partitions: partitions, Replication: 1, MinInSync: 1}.Want()
	for _, retention := range []string{want.Topics[0].Config["retention.ms"], "99999999999"} {
		want.Topics[0].Config["retention.ms"] = retention
		plan, err := ascode.Make(ctx, at, want)
		require.NoError(t, err)
		require.False(t, plan.Same())
		require.NoError(t, plan.Apply(ctx, at))
		require.NoError(t, ascode.Settled(ctx, at, want))
	}
}

// TestRealServicesRunWithTheirRights: with exactly the rights that are written down, events go all the
// way, bad records become dead letters, and the operator reads them.
func TestRealServicesRunWithTheirRights(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for _, s := range acl.Services() {
		w.grant(ctx, t, s.Name, s.Rights...)
	}
	w.topicsAsCode(ctx, t)

	p := w.start(ctx, t)
	w.send(ctx, t, p.url, "agent-reason")
	w.bad(ctx, t, topic.Lifecycle)
	w.bad(ctx, t, topic.UserEvents)
	w.until(ctx, t, "the T-Server gets the user events", func() error { return w.distributed("370-b3b5625c-891a-5d5e-bd9c-f67f55d7f7cf") })
	// One by the enricher, and one by each sink.
	w.until(ctx, t, "the operator sees the dead letters", func() error {
		if n := w.letters(ctx, t); n != 3 {
			return fmt.Errorf("%d dead letters", n)
		}
		return nil
	})
	for _, name := range running {
		require.NoError(t, p.of[name].Readiness(ctx), name)
	}
}

// TestRealServicesNameTheMissingRight takes each right away, one by one: the service does not start,
// and says which it was. So it also shows that each right is needed.
func TestRealServicesNameTheMissingRight(t *testing.T) {
	w := newWorld(t)
	for _, name := range running {
		all := rights(t, name)
		w.grant(t.Context(), t, name, all...)
		for _, right := range all {
			t.Run(name+" without "+right.String(), func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				w.revoke(ctx, t, name, right)
				defer w.grant(context.WithoutCancel(ctx), t, name, right)
				p, _ := w.service(t, name)
				select {
				case <-p.Exited():
				case <-ctx.Done():
					t.Fatalf("%s runs on: %v", name, p.Readiness(t.Context()))
				}
				said := w.output(t, p)
				require.Contains(t, said, "not authorized: "+right.String()+" (principal User:", "the right, and no other")
				require.NoError(t, os.Remove(p.LogFile()))
				require.NoError(t, os.WriteFile(p.LogFile(), nil, 0o600))
			})
		}
		w.strip(t.Context(), t, name)
	}
}

// pipeline is all services, running.
type pipeline struct {
	of  map[string]*process.Process
	url string
}

// start starts all services and waits until they are ready.
func (w *world) start(ctx context.Context, t *testing.T) *pipeline {
	t.Helper()
	p := &pipeline{of: map[string]*process.Process{}}
	for _, name := range running {
		s, url := w.service(t, name)
		p.of[name] = s
		if url != "" {
			p.url = url
		}
	}
	for _, name := range running {
		require.NoError(t, p.of[name].WaitReady(ctx), name)
	}
	return p
}

func (w *world) until(ctx context.Context, t *testing.T, what string, f func() error) {
	t.Helper()
	require.NoError(t, process.Until(ctx, f), what)
}

// send posts a scenario's events, each until it is accepted.
func (w *world) send(ctx context.Context, t *testing.T, url, name string) {
	t.Helper()
	lines, err := scenario.Lines(name)
	require.NoError(t, err)
	for _, line := range lines {
		w.until(ctx, t, "an event is accepted", func() error { return post(ctx, url, line) })
	}
}

func post(ctx context.Context, url string, event []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(event))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/cloudevents+json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusAccepted {
		err = fmt.Errorf("%s: %s", res.Status, body)
	}
	return err
}

// bad writes a record that nobody can decode, as the administrator.
func (w *world) bad(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	producer := connect(t, w.certificate(t, "admin")).NewProducer(kafka.ProducerConfig{})
	require.NoError(t, producer.Produce(ctx, []kafka.Record{{Topic: name, Partition: kafka.AnyPartition, Key: []byte("bad"), Value: []byte("bad")}})[0].Err)
	require.NoError(t, producer.Close(ctx))
}

// letters counts the dead letters, as the operator sees them.
func (w *world) letters(ctx context.Context, t *testing.T) int {
	t.Helper()
	client := connect(t, w.password(t, "operator", "SCRAM-SHA-512"))
	ranges, err := client.Offsets(ctx, topic.DeadLetters)
	require.NoError(t, err)
	n := 0
	for partition, r := range ranges {
		for offset := r.Earliest; offset < r.Latest; {
			got, err := client.Fetch(ctx, kafka.FetchRequest{Topic: topic.DeadLetters, Partition: partition, Offset: offset})
			require.NoError(t, err)
			n += len(got.Records)
			offset = got.Next
		}
	}
	return n
}

// distributed tells whether the T-Server has an event of that session.
func (w *world) distributed(session string) error {
	text, err := os.ReadFile(w.simLog)
	if err == nil && !strings.Contains(string(text), session) {
		err = fmt.Errorf("no event of %s", session)
	}
	return err
}
